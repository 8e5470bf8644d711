"""Credential helpers: real programs, well-behaved and not; bounded, nothing that they print is repeated."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parts.credential_tools import PATIENCE, answering_helper, password_store, write_helper
from parts.require import require
from towline.cli.credential_programs import MOST_KEY, HelperFailed, Helpers, default_store
from towline.domain.credential import Password
from towline.domain.readers.answers import HelperQuestion

CANARY = "Kanari-Obviously-A-Test"
LOGIN = {"ServerURL": "reg.example", "Username": "jane", "Secret": "p@ss:wörd"}


def helpers(folder: Path, patience: float = 20.0) -> Helpers:
    return Helpers({**os.environ, "PATH": str(folder)}, patience)


def test_a_login_is_asked_for_by_the_key_alone(tmp_path):
    write_helper(
        tmp_path,
        "echo",
        "import json, sys; print(json.dumps({'Username': sys.argv[1], 'Secret': sys.stdin.read()}))",
    )
    answer = helpers(tmp_path).get("echo", "https://index.docker.io/v1/")
    assert (answer.username, answer.secret) == ("get", Password("https://index.docker.io/v1/"))


def test_an_identity_token_is_read_whichever_way_json_writes_its_user(tmp_path):
    write_helper(tmp_path, "token", r"""print('{"Username":"\\u003ctoken\\u003e","Secret":"refresh"}')""")
    assert helpers(tmp_path).get("token", "reg.example").username == "<token>"


def test_a_login_that_is_not_there_is_an_ordinary_answer(tmp_path):
    answering_helper(tmp_path, "none", {})
    write_helper(tmp_path, "debian", """print('{"ServerURL":"reg.example","Username":"","Secret":""}')""")
    for suffix in ("none", "debian"):
        answer = helpers(tmp_path).get(suffix, "reg.example")
        assert (answer.username, bool(answer.secret), answer.problem) == ("", False, "")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (f"print('{CANARY}')", "not JSON"),
        (f"print('[\"{CANARY}\"]')", "not a JSON object"),
        ("print('{}')", "without Username and Secret"),
        ("""print('{"Username": 5, "Secret": "x"}')""", "without Username and Secret"),
        (f"print('{CANARY}'); raise SystemExit(1)", "exit code 1; to see why: printf %s reg.example |"),
        (f"import sys; print('{CANARY}', file=sys.stderr); raise SystemExit(7)", "exit code 7"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "exit code -11"),
        ("import sys; sys.stdout.buffer.write(b'\\xff\\xfe\\x00')", "not JSON"),
        ("print('[' * 100000)", "not JSON"),
        ("import sys\nwhile True: sys.stdout.write('x' * 65536)", "prints more than 256 KiB"),
        ("import sys\nwhile True: sys.stderr.write('x' * 65536)", "prints more than 256 KiB"),
        ("pass", "not JSON"),
    ],
)
def test_a_helper_that_fails_is_told_in_one_line_and_never_quoted(tmp_path, source, words):
    write_helper(tmp_path, "bad", source)
    answer = helpers(tmp_path).answer(HelperQuestion("bad", "reg.example"))
    assert words in answer.problem
    assert CANARY not in answer.problem
    assert "\n" not in answer.problem


def test_a_helper_that_hangs_is_ended_with_all_that_it_has_started(tmp_path):
    child = tmp_path / "child"
    write_helper(
        tmp_path,
        "slow",
        "import pathlib, subprocess, time\n"
        "child = subprocess.Popen(['/bin/sleep', '600'])\n"
        f"pathlib.Path({str(child)!r}).write_text(str(child.pid))\n"
        "time.sleep(600)\n",
    )
    began = time.monotonic()
    with pytest.raises(HelperFailed, match="did not answer within 2 s"):
        helpers(tmp_path, 2.0).get("slow", "reg.example")
    assert time.monotonic() - began < 20
    assert is_gone(int(child.read_text()))


def test_a_child_that_keeps_the_pipe_open_is_not_waited_for(tmp_path):
    child = tmp_path / "child"
    write_helper(
        tmp_path,
        "agent",
        "import pathlib, subprocess\n"
        "agent = subprocess.Popen(['/bin/sleep', '600'], start_new_session=True)\n"
        f"pathlib.Path({str(child)!r}).write_text(str(agent.pid))\n"
        """print('{"Username":"jane","Secret":"s"}', flush=True)\n""",
    )
    began = time.monotonic()
    try:
        assert helpers(tmp_path).get("agent", "reg.example").username == "jane"
        assert time.monotonic() - began < 15
    finally:
        os.kill(int(child.read_text()), signal.SIGKILL)


@pytest.mark.parametrize(
    "suffix", ["", "../evil", "a/b", "x; rm -rf /", "ä", "a b", "x\n", "$(id)", "a" * 3000 + "/"]
)
def test_only_names_of_helpers_are_run(tmp_path, suffix):
    with pytest.raises(HelperFailed, match="is not the name of a helper; nothing was run"):
        helpers(tmp_path).get(suffix, "reg.example")


def test_a_program_that_is_not_there_is_told(tmp_path, monkeypatch):
    write_helper(tmp_path, "here", "print('{}')")
    with pytest.raises(HelperFailed, match="no such program on PATH"):
        helpers(tmp_path).get("absent", "reg.example")
    monkeypatch.chdir(tmp_path)
    for path in ("", ":", "."):
        with pytest.raises(HelperFailed, match="no such program on PATH"):
            Helpers({"PATH": path}).get("here", "reg.example")


def test_a_key_that_is_no_registry_is_not_asked_for(tmp_path):
    answering_helper(tmp_path, "none", {})
    with pytest.raises(HelperFailed, match="longer than"):
        helpers(tmp_path).get("none", "x" * (MOST_KEY + 1))


def test_the_machines_own_store_is_found_as_docker_finds_it(tmp_path):
    assert default_store({"PATH": str(tmp_path)}) == ""
    answering_helper(tmp_path, "secretservice", {})
    assert default_store({"PATH": str(tmp_path)}) == "secretservice"
    (tmp_path / "pass").symlink_to("/bin/true")
    assert default_store({"PATH": str(tmp_path)}) == ""
    answering_helper(tmp_path, "pass", {})
    assert default_store({"PATH": str(tmp_path)}) == "pass"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.integers(0, 3))
def test_whatever_a_helper_prints_there_is_an_answer_or_one_line(tmp_path, output, code):
    write_helper(tmp_path, "any", f"import sys; sys.stdout.buffer.write({output!r}); sys.exit({code})")
    answer = helpers(tmp_path).answer(HelperQuestion("any", "reg.example"))
    assert "\n" not in answer.problem
    assert answer.problem or code == 0 or output.strip() == b"credentials not found in native keychain"


def test_the_real_pass_helper_keeps_lists_and_knows_what_it_has_not(tmp_path):
    with password_store(tmp_path) as environ:
        store(["docker-credential-pass", "store"], environ)
        asked = Helpers(environ)
        answer = asked.get("pass", "reg.example")
        assert (answer.username, answer.secret) == ("jane", Password("p@ss:wörd"))
        assert asked.servers("pass") == {"reg.example": "jane"}
        assert asked.get("pass", "other.example").username == ""


def test_the_real_secret_service_helper_keeps_lists_and_knows_what_it_has_not(tmp_path):
    for part in ("dbus-run-session", "gnome-keyring-daemon", "docker-credential-secretservice"):
        require(part)
    tmp_path.chmod(0o700)
    program = (
        "import json, os; from towline.cli.credential_programs import Helpers; asked = Helpers(os.environ)\n"
        "found = asked.get('secretservice', 'reg.example')\n"
        "print(json.dumps([found.username, found.secret.reveal(), dict(asked.servers('secretservice')),\n"
        "                  asked.get('secretservice', 'other.example').username]))\n"
    )
    (tmp_path / "ask.py").write_text(program)
    (tmp_path / "login.json").write_text(json.dumps(LOGIN))
    script = (
        "printf x | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1\n"
        f"docker-credential-secretservice store < {tmp_path}/login.json\n"
        f'"$PYTHON" {tmp_path}/ask.py\n'
    )
    environ = {
        **os.environ,
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path),
        "PYTHON": sys.executable,
    }
    done = subprocess.run(
        ["dbus-run-session", "--", "sh", "-ec", script], env=environ, capture_output=True, timeout=PATIENCE,
        check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == ["jane", "p@ss:wörd", {"reg.example": "jane"}, ""]


def store(command: list[str], environ: dict[str, str]) -> None:
    content = json.dumps(LOGIN).encode()
    subprocess.run(command, input=content, env=environ, check=True, capture_output=True, timeout=PATIENCE)


def is_gone(pid: int) -> bool:
    """Whether a process has ended; a zombie that nobody has waited for yet is one that has."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False
