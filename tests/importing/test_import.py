"""``towline secret import`` with the real docker, registries, helpers and server."""

from __future__ import annotations

import base64
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parts.credential_tools import answering_helper, docker_login, password_store, write_helper
from parts.images import busybox_layout
from parts.registry import PASSWORD, USER, RealRegistry, htpasswd_auth, push, running_registry
from parts.token_server import TokenServer, User, token_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Shell
    from parts.server import Server

CANARY = "Kanari-Obviously-A-Test"
ALL = {"team/app": ("pull", "push")}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    folder = tmp_path_factory.mktemp("registry")
    layout = busybox_layout(folder / "layout", command=("true",))
    with running_registry(folder, auth=htpasswd_auth(folder)) as made:
        push(made, layout, "team/app:1")
        yield made


@pytest.fixture(scope="module")
def token_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TokenServer, RealRegistry]]:
    folder = tmp_path_factory.mktemp("tokens")
    layout = busybox_layout(folder / "layout", command=("true",))
    users = {"owner": User("right:password", ALL)}
    with (
        token_server(users, offline=True) as tokens,
        running_registry(folder, auth=tokens.auth(folder)) as made,
    ):
        push(made, layout, "team/app:1", login="owner:right:password")
        yield tokens, made


@pytest.fixture(autouse=True)
def _no_secrets(server: Server) -> Iterator[None]:
    yield
    for each in server.call("GET", "/v2/secrets/?limit=100")["items"]:
        server.call("DELETE", f"/v2/secrets/{each['metadata']['name']}/")


def auth(user: str = "jane", password: str = CANARY) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def config(folder: Path, document: object, name: str = "config.json") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(document if isinstance(document, str) else json.dumps(document))
    return str(folder / name)


def rows(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, object]]:
    return {row["name"]: row for row in json.loads(done.stdout)}


def names(server: Server) -> set[str]:
    return {each["metadata"]["name"] for each in server.call("GET", "/v2/secrets/?limit=100")["items"]}


def test_what_the_real_docker_login_wrote_is_imported_and_pulls(
    jane: Shell, server: Server, registry: RealRegistry
) -> None:
    docker_login(registry.netloc, jane.home / ".docker", user=USER, password=PASSWORD)
    name = registry.netloc.replace(".", "-").replace(":", "-")
    done = jane.towline("secret", "import", "--all", "-o", "json")
    assert done.returncode == 0, done.stderr
    assert rows(done)[name] | {"source": "", "how": ""} == {
        "name": name, "registry": registry.netloc, "username": USER, "source": "", "alsoIn": [], "how": "",
        "verdict": "verified", "outcome": "created", "reason": "", "advice": "", "finding": None,
        "warnings": [], "token": None,
    }  # fmt: skip
    verified = jane.towline("secret", "verify", name, "--image", f"{registry.netloc}/team/app:1")
    assert verified.returncode == 0, verified.stderr
    assert PASSWORD not in done.stdout + done.stderr + verified.stdout


def test_the_identity_token_of_a_real_docker_login_is_imported_and_pulls(
    jane: Shell, server: Server, token_registry: tuple[TokenServer, RealRegistry]
) -> None:
    _, place = token_registry
    docker_login(place.netloc, jane.home / ".docker", user="owner", password="right:password")
    written = json.loads((jane.home / ".docker" / "config.json").read_text())["auths"][place.netloc]
    assert base64.b64decode(written["auth"]) == b"owner:"
    assert written["identitytoken"]
    done = jane.towline("secret", "import", "--all", "-o", "json", "--rename", f"{place.netloc}=tokens")
    assert (done.returncode, rows(done)["tokens"]["verdict"]) == (0, "verified"), done.stderr
    verified = jane.towline("secret", "verify", "tokens", "--image", f"{place.netloc}/team/app:1")
    assert verified.returncode == 0, verified.stderr
    assert written["identitytoken"] not in done.stdout + done.stderr + verified.stdout
    assert written["identitytoken"].encode() not in server.replies + server.log.read_bytes()


def test_what_the_real_pass_helper_keeps_is_imported_and_verified(
    jane: Shell, server: Server, registry: RealRegistry
) -> None:
    config(jane.home / ".docker", {"credsStore": "pass"})
    with password_store(jane.home) as environ:
        kept = {key: environ[key] for key in ("GNUPGHOME",)}
        subprocess.run(
            ["docker-credential-pass", "store"],
            input=json.dumps({"ServerURL": registry.netloc, "Username": USER, "Secret": PASSWORD}).encode(),
            env=environ, check=True, capture_output=True,
        )  # fmt: skip
        done = jane.towline("secret", "import", "--all", "-o", "json", **kept)
    [row] = rows(done).values()
    assert (row["verdict"], row["outcome"], row["how"]) == (
        "verified", "created", "the credential helper 'pass' keeps it",
    )  # fmt: skip


def test_a_login_that_docker_put_into_the_real_pass_helper_is_found(
    jane: Shell, registry: RealRegistry
) -> None:
    config(jane.home / ".docker", {"credHelpers": {registry.netloc: "pass"}})
    with password_store(jane.home) as environ:
        docker_login(registry.netloc, jane.home / ".docker", user=USER, password=PASSWORD, **environ)
        done = jane.towline("secret", "import", "--dry-run", "-o", "json", GNUPGHOME=environ["GNUPGHOME"])
    [row] = rows(done).values()
    assert (row["username"], row["verdict"], row["outcome"]) == (USER, "verified", "would be created")


def test_a_bad_entry_is_named_and_the_good_ones_are_imported(jane: Shell, server: Server) -> None:
    file = config(
        jane.home,
        {
            "auths": {
                "127.0.0.1:1": {"auth": auth()},
                "bad.example": {"auth": "%%%"},
                "text.example": CANARY,
                "empty.example": {},
                "short.example": {"registrytoken": CANARY},
                "https://index.docker.io/v1/access-token": {"auth": auth()},
            },
            "credHelpers": {"kept.example": "nowhere"},
            "HttpHeaders": {"X-Meta": CANARY},
        },
    )
    done = jane.towline("secret", "import", "--file", file, "--all", "-o", "json")
    found = rows(done)
    assert {name: row["outcome"] for name, row in found.items()} == {
        "127-0-0-1-1": "created",
        "bad-example": "bad",
        "text-example": "bad",
        "empty-example": "skipped",
        "short-example": "skipped",
        "kept-example": "skipped",
    }
    assert done.returncode == 2
    assert "is not base64" in found["bad-example"]["reason"]
    assert "no such program on PATH" in found["kept-example"]["reason"]
    assert "docker-credential-nowhere get" in found["kept-example"]["advice"]
    assert "registry token" in found["short-example"]["reason"]
    assert names(server) == {"127-0-0-1-1"}
    assert CANARY not in done.stdout + done.stderr


def test_the_table_says_what_is_there_and_a_dry_run_creates_nothing(jane: Shell, server: Server) -> None:
    file = config(jane.home, {"auths": {"127.0.0.1:1": {"auth": auth()}, "empty.example": {}}})
    done = jane.towline("secret", "import", "--file", file, "--dry-run")
    assert done.returncode == 0
    head, first, second = done.stdout.splitlines()
    assert head.split() == ["NAME", "REGISTRY", "USER", "FROM", "VERDICT", "RESULT"]
    assert first.split()[:3] == ["127-0-0-1-1", "127.0.0.1:1", "jane"]
    assert first.endswith("unknown  would be created")
    assert second.endswith("skipped")
    assert "registry-refused" in done.stderr
    assert names(server) == set()


def test_a_dry_run_needs_no_server(shell: Shell) -> None:
    file = config(shell.home, {"auths": {"reg.example": {"auth": auth()}}})
    done = shell.towline("secret", "import", "--file", file, "--dry-run", "-o", "json")
    assert done.returncode == 0, done.stderr
    [row] = rows(done).values()
    assert (row["verdict"], row["outcome"]) == ("not tried", "would be created")
    assert "not signed in" in done.stderr


def test_nobody_chooses_without_a_terminal(jane: Shell, server: Server) -> None:
    file = config(jane.home, {"auths": {"127.0.0.1:1": {"auth": auth()}}})
    done = jane.towline("secret", "import", "--file", file)
    assert (done.returncode, names(server)) == (2, set())
    assert "--all, or --only HOST" in done.stderr


def test_one_registry_alone_is_imported_under_another_name(jane: Shell, server: Server) -> None:
    auths = {"127.0.0.1:1": {"auth": auth()}, "127.0.0.1:2": {"auth": auth()}}
    file = config(jane.home, {"auths": auths})
    words = ("--only", "https://127.0.0.1:2/v2/", "--rename", "127.0.0.1:2=team", "-o", "json")
    done = jane.towline("secret", "import", "--file", file, *words)
    assert done.returncode == 0, done.stderr
    assert {name: row["outcome"] for name, row in rows(done).items()} == {
        "127-0-0-1-1": "not chosen",
        "team": "created",
    }
    for word, code in (("absent.example", 3), ("127-0-0-1-1", 0)):
        again = jane.towline("secret", "import", "--file", file, "--only", word)
        assert again.returncode == code
    assert names(server) == {"team", "127-0-0-1-1"}


def test_a_name_that_is_taken_is_replaced_only_when_told_to(jane: Shell, server: Server) -> None:
    file = config(jane.home, {"auths": {"127.0.0.1:1": {"auth": auth()}}})
    words = ("secret", "import", "--file", file, "--all", "-o", "json")
    outcomes = []
    for more in ((), (), ("--replace",)):
        done = jane.towline(*words, *more)
        outcomes.append((done.returncode, rows(done)["127-0-0-1-1"]["outcome"]))
    assert outcomes == [(0, "created"), (4, "exists"), (0, "updated")]
    refused = jane.towline(*words, "--replace", "--require-verified")
    assert (refused.returncode, rows(refused)["127-0-0-1-1"]["outcome"]) == (6, "not verified")


@pytest.mark.parametrize(
    ("auths", "words", "says"),
    [
        ({"127.0.0.1:1": "a", "127.0.0.1:2": "b"}, ["--rename", "127.0.0.1:2=127-0-0-1-1"], "two logins"),
        ({"127.0.0.1:1": "a", "127.0.0.1:2": "b"}, ["--rename", "127.0.0.1:2=Not Legal"], "metadata.name"),
        ({"127.0.0.1:1": "a"}, ["--rename", "x=y"], "means no login"),
        ({"127.0.0.1:1": "a"}, ["--rename", "x"], "KEY=VALUE"),
        ({"127.0.0.1:1": "a"}, ["--from-kubernetes"], "do not go together"),
        ({"127.0.0.1:1": "a"}, ["--context", "x"], "belong to --from-kubernetes"),
    ],
)
def test_nothing_is_imported_where_one_of_the_chosen_is_wrong(
    jane: Shell, server: Server, auths: dict[str, str], words: list[str], says: str
) -> None:
    file = config(jane.home, {"auths": {host: {"auth": auth(user)} for host, user in auths.items()}})
    done = jane.towline("secret", "import", "--file", file, "--all", *words)
    assert (done.returncode, names(server)) == (2, set()), done.stdout
    assert says in done.stderr


def test_a_login_in_several_files_is_offered_once(shell: Shell) -> None:
    auths = {"auths": {"reg.example": {"auth": auth()}}}
    config(shell.home / ".docker", auths)
    config(
        shell.home / ".config" / "containers",
        {"auths": {"https://reg.example": {"auth": auth()}}},
        "auth.json",
    )
    config(shell.home, {"reg.example": {"auth": auth("eve")}}, ".dockercfg")
    variable = json.dumps({"auths": {"env.example": {"auth": auth()}}})
    done = shell.towline("secret", "import", "--dry-run", "-o", "json", DOCKER_AUTH_CONFIG=variable)
    found = rows(done)
    assert set(found) == {"env-example", "reg-example", "reg-example-eve"}
    assert found["reg-example"]["alsoIn"] == [str(shell.home / ".config/containers/auth.json")]


def secret(name: str, document: object, *, flat: bool = False) -> dict[str, object]:
    key = ".dockercfg" if flat else ".dockerconfigjson"
    packed = base64.b64encode(json.dumps(document).encode()).decode()
    return {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "shop"},
        "type": f"kubernetes.io/{'dockercfg' if flat else 'dockerconfigjson'}", "data": {key: packed},
    }  # fmt: skip


def test_kubernetes_secrets_are_read_in_all_their_forms(shell: Shell) -> None:
    one = secret("reg-one", {"auths": {"one.example": {"username": "jane", "password": CANARY}}})
    two = secret("reg-two", {"two.example": {"auth": auth()}}, flat=True)
    listed = {"kind": "List", "items": [one, {"kind": "ConfigMap"}, two, {**one, "type": "Opaque"}]}
    for text in (json.dumps(listed), yaml.safe_dump_all([{"kind": "Pod"}, one, two])):
        done = shell.towline("secret", "import", "--dry-run", "-o", "json", "--file", "-", stdin=text)
        assert done.returncode == 0, done.stderr
        assert {name: row["registry"] for name, row in rows(done).items()} == {
            "reg-one": "one.example",
            "reg-two": "two.example",
        }
        assert CANARY not in done.stdout + done.stderr


DEEP = "[" * 60_000


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("config.json", "{", "is not JSON at line 1"),
        ("config.json", f'{{"auths": {{"a": "{CANARY}" }}', "is not JSON"),
        ("config.json", DEEP, "neither a config.json nor"),
        ("config.json", '{"a":' * 60_000, "nested too deeply"),
        ("config.json", " " * (10 << 20), "larger than 1 MiB"),
        ("config.json", b"{\x00}", "is not JSON"),
        ("config.json", b"\xff\xfe{}", "not UTF-8"),
        ("config.json", f"docker login -p {CANARY}", "neither a config.json nor"),
        (".dockercfg", "[]", "not a JSON object"),
        (".dockercfg", "{", "is not JSON"),
        ("s.yaml", f"kind: Secret\nx: [{CANARY}", "is not YAML at line"),
        ("s.yaml", "kind: " + "[" * 60_000, "nested too deeply"),
        ("s.yaml", "kind: !!python/object/apply:os.system ['true']", "is not YAML"),
        ("absent", None, "cannot be read"),
        ("", None, "cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    shell: Shell, name: str, content: str | bytes | None, says: str
) -> None:
    file = shell.home / name
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    for words in (("secret", "import", "--dry-run"), ("credential", "resolve", "reg.example/x")):
        done = shell.towline(*words, "--file", str(file))
        assert done.returncode == 2, done.stdout
        [line] = [each for each in done.stderr.splitlines() if not each.startswith("note: ")]
        assert line.startswith("towline: ")
        assert CANARY not in line
        if words[0] == "secret":
            assert says in line


@pytest.mark.parametrize(
    ("entry", "code", "says"),
    [({"auth": "%%%"}, 2, "is not base64"), ({}, 3, "neither auth nor username")],
)
def test_where_nothing_can_be_used_it_is_said_why(
    jane: Shell, server: Server, entry: dict[str, str], code: int, says: str
) -> None:
    file = config(jane.home, {"auths": {"reg.example": entry}})
    done = jane.towline("secret", "import", "--file", file, "--all")
    assert done.returncode == code
    assert says in done.stderr
    assert "reg-example" in done.stdout
    assert names(server) == set()


def test_an_empty_machine_has_nothing_to_import(shell: Shell) -> None:
    done = shell.towline("secret", "import", "--dry-run")
    assert (done.returncode, done.stdout) == (3, "")
    assert "no login was found" in done.stderr


def test_a_helper_that_hangs_costs_its_own_entry_alone(shell: Shell) -> None:
    programs = shell.home / "bin"
    programs.mkdir()
    write_helper(programs, "slow", "import time; time.sleep(600)")
    answering_helper(programs, "quick", {"b.example": {"username": "jane", "secret": CANARY}})
    file = config(shell.home, {"credHelpers": {"a.example": "slow", "b.example": "quick"}})
    words = ("secret", "import", "--dry-run", "--file", file, "--helper-timeout", "2", "-o", "json")
    done = shell.towline(*words, PATH=f"{programs}:{os.environ['PATH']}")
    found = rows(done)
    assert "did not answer within 2 s" in found["a-example"]["reason"]
    assert found["b-example"]["outcome"] == "would be created"
    assert CANARY not in done.stdout + done.stderr


def test_a_login_that_is_refused_is_sent_to_its_registry_once(
    jane: Shell, token_registry: tuple[TokenServer, RealRegistry]
) -> None:
    tokens, place = token_registry
    file = config(jane.home, {"auths": {place.netloc: {"auth": auth("owner", "wrong\n")}}})
    tokens.logins.clear()
    done = jane.towline("secret", "import", "--file", file, "--all", "--rename", f"{place.netloc}=wrong")
    assert tokens.logins == [("owner", False)]
    assert done.returncode == 0
    assert "wrong: wrong-credentials: " in done.stderr
    assert "wrong: warning: the password: it ends in a line break" in done.stderr


def test_on_a_terminal_one_chooses_and_names(jane: Shell, server: Server) -> None:
    auths = {"127.0.0.1:1": {"auth": auth()}, "127.0.0.1:2": {"auth": auth()}, "empty.example": {}}
    file = config(jane.home, {"auths": auths})
    controller, terminal = pty.openpty()
    environ = {**os.environ, "HOME": str(jane.home)}
    environ.pop("XDG_CONFIG_HOME", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "towline", "secret", "import", "--file", file, "-o", "json"],
        stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ, text=True,
    )  # fmt: skip
    os.write(controller, b"2\nchosen-one\ny\n")
    out, err = process.communicate(timeout=60)
    os.close(controller)
    os.close(terminal)
    assert process.returncode == 0, err
    assert "-  empty-example: empty.example from" in err
    assert {row["name"]: row["outcome"] for row in json.loads(out)} == {
        "127-0-0-1-1": "not chosen",
        "chosen-one": "created",
        "empty-example": "skipped",
    }
    assert names(server) == {"chosen-one"}


TEXTS = st.text(max_size=12) | st.sampled_from(["reg.example", "auths", CANARY, "127.0.0.1:1"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries({}, optional={"auths": JSON, "credsStore": JSON, "credHelpers": JSON, "kind": JSON})
)
def test_no_document_makes_the_command_stumble(shell: Shell, document: dict[str, object]) -> None:
    file = config(shell.home, document)
    done = shell.towline("secret", "import", "--dry-run", "--file", file, PATH="/nowhere")
    assert done.returncode in (0, 2, 3), done.stderr
    assert "Traceback" not in done.stderr
