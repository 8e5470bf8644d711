"""``towline engine`` and ``towline deploy --engine``, as they are typed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from towline.domain.causes import FindingCode
from towline.domain.findings import Finding

if TYPE_CHECKING:
    from parts.live import Live
    from parts.shell import Shell

ADDRESS = "unix:///run/docker-2.sock"


@pytest.fixture
def rack(jane: Shell) -> Iterator[Shell]:
    """Add an engine, and take it away again."""
    done = jane.towline("engine", "add", "rack1", ADDRESS, "--network", "host")
    assert done.returncode == 0, done.stderr
    yield jane
    jane.towline("engine", "remove", "rack1", "--force", "--yes")


def test_engines_are_listed_and_shown_as_tables_and_as_documents(rack: Shell) -> None:
    listed = rack.towline("engine", "list")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["NAME", "embedded", "rack1"]
    [own, added] = json.loads(rack.towline("engine", "list", "-o", "json").stdout)
    assert own["status"]["own"]
    assert added["spec"] == {"kind": "docker", "address": ADDRESS, "network": "host"}
    shown = rack.towline("engine", "show", "rack1")
    assert "answers since" in shown.stdout
    assert rack.towline("engine", "show", "rack9").returncode == 3


def test_a_check_says_by_its_code_whether_an_engine_answers(rack: Shell, live: Live) -> None:
    assert rack.towline("engine", "check", "rack1").returncode == 0
    engine = live.world.house.at(ADDRESS)
    engine.trouble = Finding(FindingCode.ENGINE_UNREACHABLE, "nobody answers")
    checked = rack.towline("engine", "check", "rack1")
    engine.trouble = None
    assert checked.returncode == 8
    assert "out of reach" in checked.stdout
    assert "nobody answers" in checked.stdout


def test_keys_are_read_from_files_and_never_shown(jane: Shell, live: Live, tmp_path: Path) -> None:
    for name in ("ca", "cert", "key"):
        (tmp_path / name).write_text(f"obviously-a-test-{name}")
    words = [word for name in ("ca", "cert", "key") for word in (f"--tls-{name}", str(tmp_path / name))]
    done = jane.towline("engine", "add", "far", "tcp://10.0.0.7:2376", *words, "-o", "json")
    assert done.returncode == 0, done.stderr
    assert live.world.house.keys["far"].key.reveal() == "obviously-a-test-key"
    assert "obviously" not in done.stdout + done.stderr
    assert "obviously" not in jane.towline("engine", "show", "far", "-o", "json").stdout
    assert jane.towline("engine", "remove", "far", "--yes").returncode == 0
    missing = jane.towline("engine", "add", "far", "tcp://10.0.0.7:2376", "--tls-ca", "/nowhere")
    assert missing.returncode == 2
    alone = jane.towline("engine", "add", "far", "tcp://10.0.0.7:2376", "--tls-key", str(tmp_path / "key"))
    assert (alone.returncode, "--tls-ca" in alone.stderr) == (2, True)


def test_a_cluster_is_added_by_its_kubeconfig(jane: Shell, live: Live) -> None:
    assert jane.towline("engine", "add", "prod", "kubernetes").returncode == 2
    words = ("--kubeconfig", "-", "--context", "prod", "--platform", "linux/arm64")
    done = jane.towline("engine", "add", "prod", "kubernetes", *words, "-o", "json", stdin="obviously: one")
    assert done.returncode == 0, done.stderr
    assert live.world.house.keys["prod"].kubeconfig.reveal() == "obviously: one"
    spec = json.loads(done.stdout)["spec"]
    assert spec == {
        "kind": "kubernetes", "context": "prod", "namespace": "towline-*", "platform": "linux/arm64",
    }  # fmt: skip
    assert jane.towline("engine", "remove", "prod", "--yes").returncode == 0


def test_a_deployment_is_sent_to_the_engine_that_is_named(rack: Shell) -> None:
    words = ("deploy", "registry.example.com/team/app:1", "--name", "app", "--no-preflight", "--no-wait")
    wrong = rack.towline(*words, "--engine", "rack9")
    assert wrong.returncode == 2
    assert "use one of embedded, rack1" in wrong.stderr
    done = rack.towline(*words, "--engine", "rack1", "-o", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"]["engine"] == "rack1"
    held = rack.towline("engine", "remove", "rack1", "--yes")
    assert (held.returncode, "1 deployment" in held.stderr) == (4, True)
    assert rack.towline("deployment", "delete", "app", "--yes").returncode == 0


def test_defaults_are_set_and_taken_back(rack: Shell, live: Live) -> None:
    assert rack.towline("engine", "set-default", "rack1").returncode == 0
    done = rack.towline("engine", "set-default", "rack1", "--project", "demo", "-o", "json")
    status = json.loads(done.stdout)["status"]
    assert status["default"]
    assert status["default_of"] == [{"guid": live.project, "name": "demo"}]
    for words in (("--project", "demo"), ()):
        assert rack.towline("engine", "unset-default", "rack1", *words).returncode == 0
        assert rack.towline("engine", "unset-default", "rack1", *words).returncode == 4


def test_what_cannot_be_undone_is_asked_first(rack: Shell) -> None:
    for words in (("remove", "rack1"), ("images", "rack1", "--collect")):
        done = rack.towline("engine", *words)
        assert (done.returncode, "say --yes" in done.stderr) == (2, True)
    done = rack.towline("engine", "images", "rack1", "--collect", "--yes")
    assert (done.returncode, done.stderr) == (0, "0 deleted\n")
    assert "disk: 0 B used, unknown free" in done.stdout
