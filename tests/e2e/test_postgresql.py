"""Two real servers on one PostgreSQL: one installation, whichever answers; clear words while it is away."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from parts import counting, postgres
from parts.kube.lab import running_kubernetes
from parts.registry import free_port
from parts.require import require
from parts.server import EMAIL, Server, running_server, until
from towline.store.keyring import Keyring


@pytest.fixture(scope="module")
def database():
    """A PostgreSQL that may be stopped."""
    require("PostgreSQL")
    with postgres.running_server() as made:
        yield made


@pytest.fixture(scope="module")
def address(database):
    """The database of both servers."""
    return database.database()


@pytest.fixture(scope="module")
def servers(address, tmp_path_factory):
    """Two servers with data folders of their own, the same database and the same keyring."""
    require("runc")
    require("root")
    keyring = tmp_path_factory.mktemp("keyring") / "keyring.json"
    Keyring.at(keyring)
    settings = {
        "TOWLINE_DATABASE": address.url.replace("@", f":{postgres.PASSWORD}@", 1),
        "TOWLINE_KEYRING": keyring.read_text(),
    }
    with pytest.MonkeyPatch.context() as patch, ExitStack() as running:
        for name, value in settings.items():
            patch.setenv(name, value)
        first = running.enter_context(running_server(tmp_path_factory.mktemp("first")))
        other = Server(
            tmp_path_factory.mktemp("other"), free_port(), token=first.token, project=first.project
        )
        other.start()
        running.callback(other.stop)
        yield first, other


def opaque(name, value="one"):
    spec = {"type": "Opaque", "data": {"KEY": value}}
    return {"kind": "Secret", "metadata": {"name": name}, "spec": spec}


def test_what_one_server_was_told_the_other_knows(servers):
    first, other = servers
    made = first.call("POST", "/v2/secrets/", opaque("shared"))
    assert other.call("GET", "/v2/secrets/shared/")["metadata"]["guid"] == made["metadata"]["guid"]
    other.call("PUT", "/v2/secrets/shared/", opaque("shared", "two"))
    other.call("DELETE", "/v2/secrets/shared/")
    assert first.ask("GET", "/v2/secrets/shared/")[0] == 404


@pytest.fixture
def registry(servers):
    """A registry that counts, and three secrets for it."""
    with counting.counting_registry() as made:
        for number in range(3):
            spec = {
                "type": "Docker",
                "docker": {
                    "registry": f"http://{made.netloc}",
                    "username": counting.USER,
                    "password": counting.PASSWORD,
                    "email": "a@example.com",
                },
            }
            body = {"kind": "Secret", "metadata": {"name": f"counted-{number}"}, "spec": spec}
            servers[0].call("POST", "/v2/secrets/", body)
        yield made
        for number in range(3):
            servers[0].call("DELETE", f"/v2/secrets/counted-{number}/")


def verified(server, number=0):
    return server.call("POST", f"/v2/secrets/counted-{number}/verify/", {})["status"]


def test_a_registry_is_asked_three_questions_at_a_time_by_all_servers_together(servers, registry):
    registry.meeting = 3
    with ThreadPoolExecutor(12) as asking:
        answers = list(asking.map(verified, servers * 6, [0, 0, 1, 1, 2, 2] * 2))
    assert {each["verdict"] for each in answers} == {"verified"}
    assert registry.logins >= 12
    assert registry.most_at_once == 3


def test_when_to_come_back_is_told_to_the_other_servers(servers, registry):
    first, other = servers
    registry.pauses = 1  # only the first to ask is told
    assert verified(first)["stale"]
    until(lambda: verified(other)["stale"], "the word to arrive")
    logins = registry.logins
    assert verified(other, 1)["stale"]
    assert verified(first, 2)["stale"]
    assert registry.logins == logins


def test_logins_that_failed_are_counted_by_all_servers_together(servers):
    wrong = {"email": EMAIL, "password": "not the password"}
    told = [server.ask("POST", "/user/login", wrong)[0] for server in servers * 6]
    assert told == [401] * 10 + [429] * 2


@pytest.fixture
def clusters(servers, tmp_path):
    """Two clusters that both servers reach, as added engines."""
    names = ("first", "second")
    with ExitStack() as running:
        for name in names:
            (tmp_path / name).mkdir()
            cluster = running.enter_context(running_kubernetes(tmp_path / name))
            system = {"apiVersion": "v1", "kind": "Namespace", "metadata": {}}
            cluster.api.objects.create(("namespaces", "", "kube-system"), system, manager="kube-apiserver")
            spec = {"kind": "kubernetes", "kubeconfig": cluster.api.kubeconfig()}
            body = {"kind": "Engine", "metadata": {"name": name}, "spec": spec}
            servers[0].call("POST", "/v2/engines/", body)
        yield names
        for name in names:
            servers[0].call("DELETE", f"/v2/engines/{name}/")


def leaders(address):
    """Return which server leads each of the added engines."""
    with postgres.connected(address) as connection:
        rows = connection.execute("SELECT name, owner FROM leases WHERE substr(name, 1, 7) = 'engine '")
        return dict(rows.fetchall())


def test_engines_are_led_by_one_server_each_and_by_the_other_when_it_dies(servers, clusters, address):
    other = servers[1]

    def led():
        return leaders(address)

    until(lambda: len(set(led().values())) == len(clusters) == len(led()), "each server to lead one")
    before = led()
    other.kill()
    until(lambda: len(set(led().values())) == 1, "the other server to lead both")
    [left] = set(led().values())
    assert left in before.values()
    other.start()
    until(lambda: len(set(led().values())) == 2, "the server that is back to lead one again")


def test_an_outage_is_told_with_its_cause_and_ends_by_itself_without_loss(servers, database):
    first, other = servers
    first.call("POST", "/v2/secrets/", opaque("before"))
    database.stop("immediate")
    try:
        until(lambda: first.ask("GET", "/v2/secrets/before/")[0] == 503, "the outage to be told")
        status, content = first.ask("POST", "/v2/secrets/", opaque("during"))
        assert (status, b"the database is out of reach" in content) == (503, True)
        until(lambda: b"out of reach" in first.ask("GET", "/readyz")[1], "the reason")
        assert first.ask("GET", "/healthz")[0] == 200
    finally:
        database.start()
    for server in (first, other):
        until(lambda each=server: each.ask("GET", "/readyz")[0] == 200, "the server to be ready again")
        assert server.call("GET", "/v2/secrets/before/")["metadata"]["name"] == "before"
    assert other.ask("GET", "/v2/secrets/during/")[0] == 404
    other.call("POST", "/v2/secrets/", opaque("after"))
    assert first.call("GET", "/v2/secrets/after/")


def test_the_password_of_the_database_is_shown_nowhere(servers):
    first, other = servers
    secret = postgres.PASSWORD.encode()
    for server in (first, other):
        assert secret not in Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
        assert secret not in server.log.read_bytes() + server.replies
