"""What Prometheus, its rules and the dashboard see of a real server, asked by a real Prometheus."""

import json
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from parts.images import busybox_layout
from parts.registry import PASSWORD, USER, free_port, htpasswd_auth, push, running_registry
from parts.require import require
from parts.server import Server, running_server, until

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "towline.rules.yml"
SUFFIXES = re.compile(r"_(bucket|count|sum)$")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has pulled one image, and was refused another."""
    require("runc")
    require("root")
    folder = tmp_path_factory.mktemp("monitoring")
    with running_registry(folder, auth=htpasswd_auth(folder)) as registry:
        push(registry, busybox_layout(folder / "one", command=("sleep", "600")), "team/app:1")
        with running_server(folder) as made:
            docker = {
                "registry": registry.netloc,
                "username": USER,
                "password": PASSWORD,
                "email": "j@example.com",
            }
            body = {
                "kind": "Secret",
                "metadata": {"name": "pull"},
                "spec": {"type": "Docker", "docker": docker},
            }
            made.call("POST", "/v2/secrets/", body)
            for name, tag in (("good", "1"), ("bad", "2")):
                deploy(made, name, f"{registry.netloc}/team/app:{tag}")
            until(lambda: made.status("good")["phase"] == "Succeeded", "the pull")
            until(lambda: made.status("bad")["status"] == "Error", "the refusal")
            yield made


def deploy(server: Server, name: str, image: str) -> None:
    docker = {"image": image, "pullSecret": {"depends": {"kind": "secret", "nameOrGUID": "pull"}}}
    spec = {
        "runtime": "cloud",
        "cloud": {"replicas": 1},
        "executables": [{"name": "app", "type": "docker", "docker": docker}],
    }
    metadata = {"name": name, "version": "v1"}
    server.call("POST", "/v2/packages/", {"kind": "Package", "metadata": metadata, "spec": spec})
    depends = {"kind": "package", "nameOrGUID": name, "version": "v1"}
    body = {
        "kind": "Deployment",
        "metadata": {"name": name, "depends": depends},
        "spec": {"runtime": "cloud"},
    }
    server.call("POST", "/v2/deployments/", body)


def expressions() -> list[str]:
    """Return every expression of the dashboard, for all servers, and of the rules."""
    panels = json.loads((DEPLOY / "grafana" / "towline.json").read_text())["panels"]
    shown = [target["expr"].replace("$instance", ".*") for panel in panels for target in panel["targets"]]
    parsed = subprocess.run(
        ["promtool", "check", "rules", "--lint=all", "--lint-fatal", str(RULES)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert parsed.returncode == 0, parsed.stderr
    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    assert all(rule["annotations"].keys() == {"summary", "description"} for rule in rules)
    return [*shown, *(rule["expr"] for rule in rules)]


def families(text: str) -> set[str]:
    """Return the metrics that a server has, also those of which there is no value yet."""
    named = set(re.findall(r"^# HELP (\S+)", text, re.MULTILINE))
    return named | {"up"}


def metrics(server: Server) -> str:
    status, content = server.ask("GET", "/metrics")
    assert status == 200
    return content.decode()


def test_every_metric_that_rules_and_dashboard_name_exists(server: Server) -> None:
    require("promtool")
    there = families(metrics(server))
    named = {
        SUFFIXES.sub("", name)
        for expression in expressions()
        for name in re.findall(r"\b(towline_\w+|process_\w+|up)\b", expression)
    }
    assert named <= there
    assert {name for name in there if name.startswith("towline_")} - named == {"towline_info"}


def test_pulls_are_told_by_registry_and_finding(server: Server) -> None:
    text = metrics(server)
    pulls = re.findall(r'^towline_pulls_total{finding="(\S+)",registry="127.0.0.1:\d+"}', text, re.MULTILINE)
    assert set(pulls) == {"none", "tag-not-found"}
    for line in (
        'towline_lease_changes_total{change="claimed"}',
        'towline_proofs_total{verdict="verified"}',
        'towline_ready{part="engine"} 1.0',
        'towline_ready{part="store"} 1.0',
        'towline_queue_depth{queue="deployments"}',
        "towline_database_bytes ",
        "towline_disk_free_bytes ",
    ):
        assert line in text


def test_a_real_prometheus_scrapes_and_evaluates_all_of_it(server: Server, tmp_path: Path) -> None:
    require("prometheus")
    token = server.call(
        "POST",
        "/v2/tokens/",
        {"metadata": {"name": "prometheus"}, "spec": {"scopes": ["metrics:read"], "days": 1}},
    )["token"]
    (tmp_path / "token").write_text(token)
    job = (DEPLOY / "prometheus" / "scrape.yml").read_text()
    job = job.replace("/etc/prometheus/towline.token", str(tmp_path / "token"))
    job = job.replace("127.0.0.1:8420", f"127.0.0.1:{server.port}")
    settings = f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{RULES}']\n"
    (tmp_path / "prometheus.yml").write_text(settings + job)
    port = free_port()
    command = [
        "prometheus",
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        pulled = 'towline_pulls_total{finding="none"}'
        until(lambda: value(port, pulled), "the first scrape")
        assert float(value(port, 'up{job="towline"}')) == 1
        for expression in expressions():
            assert asked(port, "query", query=expression)["status"] == "success", expression
        rules = until(lambda: evaluated(port), "the rules")
        assert {rule["health"] for rule in rules} == {"ok"}
    finally:
        process.terminate()
        process.wait(30)


def asked(port: int, path: str, **query: str) -> dict:
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)
    except OSError:
        return {}


def value(port: int, expression: str) -> str:
    found = asked(port, "query", query=expression).get("data", {}).get("result", [])
    return found[0]["value"][1] if found else ""


def evaluated(port: int) -> list[dict]:
    rules = asked(port, "rules")["data"]["groups"][0]["rules"]
    return [] if any(rule["health"] == "unknown" for rule in rules) else rules


def test_the_units_are_ones_that_systemd_understands() -> None:
    require("systemd-analyze")
    units = sorted(str(path) for path in DEPLOY.glob("towline*.*") if path.suffix in (".service", ".timer"))
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    service = (DEPLOY / "towline.service").read_text()
    assert "\nKillMode=process\n" in service


def test_every_line_of_a_request_carries_its_id(server: Server) -> None:
    body = json.dumps({"email": "nobody@example.com", "password": "wrong"}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/user/login", data=body, headers={"X-Request-Id": "mine-4711"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert refused.value.headers["X-Request-Id"] == "mine-4711"
    refused.value.close()
    until(lambda: "request.answered" in events_of(server, "mine-4711"), "the log line")


def events_of(server: Server, request_id: str) -> set[str]:
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    return {line["event"] for line in lines if line.get("request_id") == request_id}
