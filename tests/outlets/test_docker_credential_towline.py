"""docker-credential-towline speaks the helpers' protocol to the letter (docker/docker-credential-helpers)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from parts.callers import PASSWORD, REGISTRY, Caller, token_of
from parts.registry import free_port
from towline.outlets.server import Trouble, settings

NOT_FOUND = "credentials not found in native keychain\n"


def test_get_prints_one_object_and_nothing_else(caller: Caller) -> None:
    done = caller.start("docker", "get", stdin=f"{REGISTRY}\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"ServerURL": REGISTRY, "Username": "robot", "Secret": PASSWORD}
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    "asked", ["other.example.com", "https://index.docker.io/v1/", "registry.example.com"]
)
def test_what_is_not_there_is_told_in_the_words_that_docker_compares(caller: Caller, asked: str) -> None:
    done = caller.start("docker", "get", stdin=asked)
    assert (done.returncode, done.stdout, done.stderr) == (1, NOT_FOUND, "")


@pytest.mark.parametrize(
    ("verb", "stdin", "says"),
    [
        ("get", "", "no credentials server URL"),
        ("get", " \n", "no credentials server URL"),
        ("erase", "", "no credentials server URL"),
        ("store", '{"Username":"a","Secret":"b"}', "no credentials server URL"),
        ("store", '{"ServerURL":"r.example.com","Username":"","Secret":"b"}', "no credentials username"),
        ("store", "[]", "towline: the login to store is not a JSON object"),
        ("store", "{" * 100_000, "towline: the login to store is not a JSON object"),
        ("get", "https://user:pass@host", "holds a user name or password"),
        ("get", "bad host name", "holds blanks"),
        ("get", "\0", "holds blanks or control characters"),
        ("get", "x" * (2 << 20), "larger than 1 MiB"),
        ("", "", "usage: docker-credential-towline"),
        ("steal", "", "usage: docker-credential-towline"),
    ],
)
def test_errors_are_one_line_on_standard_output_and_exit_1(
    caller: Caller, verb: str, stdin: str, says: str
) -> None:
    done = caller.start("docker", *([verb] if verb else []), stdin=stdin)
    assert done.returncode == 1
    assert says in done.stdout
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_input_that_is_not_utf8_is_one_line_too(caller: Caller) -> None:
    done = caller.start("docker", "get", stdin=b"\xff\xfe")
    assert (done.returncode, done.stdout) == (1, "towline: the input is not UTF-8\n")


def test_list_names_users_by_registry(caller: Caller) -> None:
    done = caller.start("docker", "list")
    assert (done.returncode, json.loads(done.stdout)) == (0, {REGISTRY: "robot"})


def test_version_needs_no_server(caller: Caller) -> None:
    done = caller.start("docker", "version", TOWLINE_URL="", TOWLINE_TOKEN="")
    assert done.returncode == 0
    assert done.stdout.startswith("docker-credential-towline ")


def test_store_get_and_erase_in_turn(caller: Caller) -> None:
    login = json.dumps({"ServerURL": "own.example.com", "Username": "jane", "Secret": PASSWORD})
    assert caller.start("docker", "store", stdin=login).stdout == ""
    assert json.loads(caller.start("docker", "get", stdin="own.example.com").stdout)["Secret"] == PASSWORD
    done = caller.start("docker", "erase", stdin="own.example.com")
    assert (done.returncode, done.stdout) == (0, "")
    assert caller.start("docker", "get", stdin="own.example.com").stdout == NOT_FOUND
    assert caller.start("docker", "erase", stdin=REGISTRY).stdout == NOT_FOUND


def test_an_identity_token_goes_in_and_out_under_dockers_sign_for_it(caller: Caller) -> None:
    login = '{"ServerURL":"tokens.example.com","Username":"\\u003ctoken\\u003e","Secret":"refresh"}'
    assert caller.start("docker", "store", stdin=login).returncode == 0
    found = json.loads(caller.start("docker", "get", stdin="tokens.example.com").stdout)
    assert (found["Username"], found["Secret"]) == ("<token>", "refresh")


def test_what_a_scope_does_not_say_is_told(caller: Caller) -> None:
    small = token_of(caller.live, "secrets:use:ci-*")
    assert caller.start("docker", "get", stdin=REGISTRY, TOWLINE_TOKEN=small).stdout == NOT_FOUND
    login = '{"ServerURL":"r.example.com","Username":"a","Secret":"b"}'
    done = caller.start("docker", "store", stdin=login, TOWLINE_TOKEN=small)
    assert (done.returncode, done.stdout) == (1, "towline: this token lacks the scope credentials:store\n")


def test_the_kept_login_is_used_where_the_environment_says_nothing(caller: Caller) -> None:
    kept = caller.home / ".config" / "towline"
    kept.mkdir(parents=True)
    login = {"server": caller.live.url, "token": caller.live.token, "project": caller.live.project}
    (kept / "config.json").write_text(json.dumps(login))
    done = caller.start("docker", "get", stdin=REGISTRY, TOWLINE_URL="", TOWLINE_TOKEN="")
    assert json.loads(done.stdout)["Secret"] == PASSWORD
    elsewhere = f"http://127.0.0.1:{free_port()}"
    done = caller.start("docker", "get", stdin=REGISTRY, TOWLINE_URL=elsewhere, TOWLINE_TOKEN="")
    assert "not signed in" in done.stdout  # a token is for the server that gave it


def test_a_token_is_read_from_a_file(caller: Caller, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{caller.token}\n")
    done = caller.start("docker", "get", stdin=REGISTRY, TOWLINE_TOKEN="", TOWLINE_TOKEN_FILE=str(file))
    assert done.returncode == 0
    done = caller.start("docker", "get", stdin=REGISTRY, TOWLINE_TOKEN="", TOWLINE_TOKEN_FILE="/absent")
    assert "TOWLINE_TOKEN_FILE cannot be read" in done.stdout


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"TOWLINE_URL": "", "TOWLINE_TOKEN": ""}, "not signed in"),
        ({"TOWLINE_URL": "ftp://x"}, "is not a server's address"),
        ({"TOWLINE_URL": "http://x:y"}, "is not a server's address"),
        (
            {"TOWLINE_URL": "https://127.0.0.1:1", "TOWLINE_CA": "/absent"},
            "the CA file '/absent' cannot be used",
        ),
        ({"TOWLINE_PROJECT": "demo"}, "must be a project's guid"),
        ({"TOWLINE_PROJECT": "project-other"}, "project 'project-other' not found"),
        ({"TOWLINE_TOKEN": "tow_wrong"}, "is not one of Towline's"),
    ],
)
def test_what_is_wrong_with_the_settings_is_told(caller: Caller, environ: dict[str, str], says: str) -> None:
    done = caller.start("docker", "get", stdin=REGISTRY, **environ)
    assert done.returncode == 1
    assert says in done.stdout
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


def test_a_server_out_of_reach_is_told_and_nothing_is_kept_unasked(caller: Caller) -> None:
    assert caller.start("docker", "get", stdin=REGISTRY).returncode == 0
    assert not (caller.home / ".cache").exists()
    done = caller.start("docker", "get", stdin=REGISTRY, TOWLINE_URL=f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "no connection" in done.stdout


def test_a_get_imports_little() -> None:
    program = (
        "import sys; import towline.outlets.docker; "
        "heavy = {'argparse', 'typing', 'dataclasses', 'pathlib', 'cryptography', 'msgspec', 'towline.cli', "
        "'subprocess', 'asyncio'} & set(sys.modules); sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {program}"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_audit_trail_names_token_registry_and_address(caller: Caller) -> None:
    caller.start("docker", "get", stdin=REGISTRY)
    rows = caller.live.run(caller.live.world.rows())
    _, action, _, detail = rows[-1]
    assert action == "secret.opened"
    assert {name: detail[name] for name in ("door", "token", "registry", "peer", "version")} == {
        "door": "credential-helper",
        "token": "robot",
        "registry": REGISTRY,
        "peer": "127.0.0.1",
        "version": "1",
    }
    assert httpx.get(f"{caller.live.url}/healthz").status_code == 200


@pytest.mark.parametrize("token", ["tow_Sesame\nInjected: 1", "tow_S\u00e9same", "tow_Ses ame"])
@pytest.mark.parametrize("program", ["docker", "kubelet"])
def test_a_token_that_cannot_be_sent_is_not_quoted(caller: Caller, program: str, token: str) -> None:
    asked = {"apiVersion": "credentialprovider.kubelet.k8s.io/v1", "kind": "CredentialProviderRequest"}
    stdin = json.dumps({**asked, "image": f"{REGISTRY}/app"})
    done = caller.start(program, *(["get"] if program == "docker" else []), stdin=stdin, TOWLINE_TOKEN=token)
    told = done.stdout + done.stderr
    assert done.returncode == 1
    assert told.count("\n") == 1
    assert "the token holds blanks" in told
    assert "same" not in told


def test_a_line_break_behind_the_token_is_no_part_of_it(caller: Caller) -> None:
    done = caller.start("docker", "get", stdin=REGISTRY, TOWLINE_TOKEN=f"{caller.token}\n")
    assert json.loads(done.stdout)["Secret"] == PASSWORD


def test_an_address_that_is_no_name_is_one_line(caller: Caller) -> None:
    done = caller.start("docker", "get", stdin=REGISTRY, TOWLINE_URL="http://towline..example")
    assert (done.returncode, done.stderr) == (1, "")
    assert "no connection to http://towline..example" in done.stdout


def test_without_a_home_nothing_is_read_from_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".config" / "towline").mkdir(parents=True)
    planted = {"server": "http://planted.example", "token": "tow_planted"}
    (tmp_path / ".config" / "towline" / "config.json").write_text(json.dumps(planted))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with pytest.raises(Trouble, match="not signed in"):
        settings({})


@pytest.mark.parametrize("kind", ["access-token", "refresh-token"])
def test_the_tokens_of_docker_hubs_login_by_browser_are_not_taken_for_a_registry(
    caller: Caller, kind: str
) -> None:
    key = f"https://index.docker.io/v1/{kind}"
    assert caller.start("docker", "get", stdin=key).stdout == NOT_FOUND
    assert caller.start("docker", "erase", stdin=key).stdout == NOT_FOUND
    login = json.dumps({"ServerURL": key, "Username": "jane", "Secret": "eyJ.x.y"})
    done = caller.start("docker", "store", stdin=login)
    assert done.returncode == 1
    assert "docker login -u NAME" in done.stdout
