"""``towline credential``: which credential a tool would use, and what an auth value holds."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from parts.credential_tools import answering_helper, write_helper
from towline.domain.credential import Password
from towline.domain.readers.explaining import AuthForm, explained
from towline.domain.readers.rules import Reader

if TYPE_CHECKING:
    from conftest import Shell

CANARY = "Kanari-Obviously-A-Test"
SHAPE = ["image", "reader", "source", "key", "kind", "username", "reasons"]


def auth(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def written(shell: Shell, document: object, name: str = "config.json") -> str:
    (shell.home / name).write_text(document if isinstance(document, str) else json.dumps(document))
    return str(shell.home / name)


def test_the_answer_has_its_stable_shape(shell: Shell) -> None:
    file = written(shell, {"auths": {"docker.io": {"auth": auth(f"jane:{CANARY}")}}})
    words = ("credential", "resolve", "jane/app", "--file", file, "-o", "json")
    one = shell.towline(*words, "--reader", "kubelet")
    assert one.returncode == 0
    found = json.loads(one.stdout)
    assert list(found) == SHAPE
    assert found | {"reasons": []} == {
        "image": "docker.io/jane/app:latest", "reader": "kubelet", "source": file, "key": "docker.io",
        "kind": "password", "username": "jane", "reasons": [],
    }  # fmt: skip
    every = shell.towline(*words)
    assert every.returncode == 3
    document = json.loads(every.stdout)
    assert list(document) == [*SHAPE, "others"]
    assert [(each["reader"], each["kind"]) for each in document["others"]] == [
        ("containers", "password"), ("kubelet", "password"), ("oras", "none"),
    ]  # fmt: skip
    assert CANARY not in one.stdout + one.stderr + every.stdout + every.stderr


def test_the_password_is_shown_to_who_asks_for_it(shell: Shell) -> None:
    file = written(shell, {"auths": {"reg.example": {"auth": auth(f"jane:{CANARY}")}}})
    words = ("credential", "resolve", "reg.example/x", "--file", file, "--reveal")
    assert json.loads(shell.towline(*words, "-o", "json").stdout)["password"] == CANARY
    assert yaml.safe_load(shell.towline(*words, "-o", "yaml").stdout)["password"] == CANARY
    table = shell.towline(*words).stdout
    assert f"Password: {CANARY}\n" in table.replace("Password:  ", "Password: ")
    assert "podman: the same" in table


def test_the_table_says_why_and_what_the_others_do(shell: Shell) -> None:
    file = written(shell, {"auths": {"docker.io": {"auth": auth(f"jane:{CANARY}")}}})
    done = shell.towline("credential", "resolve", "jane/app", "--file", file)
    assert done.returncode == 3
    assert "docker does not take the key 'docker.io' for Docker Hub" in done.stdout
    assert "podman: password of user 'jane', key 'docker.io'" in done.stdout
    assert "oras: also nothing" in done.stdout
    assert CANARY not in done.stdout


def test_the_tools_own_files_are_read_where_none_is_named(shell: Shell) -> None:
    folder = shell.home / "elsewhere"
    folder.mkdir()
    written(shell, {"auths": {"reg.example": {"auth": auth("file:x")}}}, "elsewhere/config.json")
    variable = json.dumps({"auths": {"reg.example": {"auth": auth("env:x")}}})
    words = ("credential", "resolve", "reg.example/x", "-o", "json")
    for reader, environ, user in (
        ("docker", {"DOCKER_CONFIG": str(folder)}, "file"),
        ("docker", {"DOCKER_CONFIG": str(folder), "DOCKER_AUTH_CONFIG": variable}, "env"),
        ("oras", {"DOCKER_CONFIG": str(folder), "DOCKER_AUTH_CONFIG": variable}, "file"),
        ("containers", {"DOCKER_CONFIG": str(folder)}, "file"),
    ):
        done = shell.towline(*words, "--reader", reader, **environ)
        assert json.loads(done.stdout)["username"] == user
    nothing = shell.towline(*words, "--reader", "containers")
    assert nothing.returncode == 3
    assert "none of its files is there: " in json.loads(nothing.stdout)["reasons"][0]


def test_the_helper_is_asked_once_for_all_readers(shell: Shell) -> None:
    programs = shell.home / "bin"
    programs.mkdir()
    count = shell.home / "count"
    write_helper(
        programs,
        "counted",
        f"open({str(count)!r}, 'a').write('x')\n" + """print('{"Username":"jane","Secret":"s"}')""",
    )
    file = written(shell, {"credHelpers": {"reg.example": "counted"}})
    path = f"{programs}:{os.environ['PATH']}"
    done = shell.towline("credential", "resolve", "reg.example/x", "--file", file, "-o", "json", PATH=path)
    found = json.loads(done.stdout)
    assert (found["username"], found["source"]) == ("jane", f"{file} (docker-credential-counted)")
    assert count.read_text() == "x"


def test_a_machine_without_a_file_asks_the_store_that_docker_would(shell: Shell) -> None:
    programs = shell.home / "bin"
    programs.mkdir()
    answering_helper(programs, "secretservice", {"reg.example": {"username": "kept", "secret": "x"}})
    words = ("credential", "resolve", "reg.example/x", "--reader", "docker", "-o", "json")
    found = json.loads(shell.towline(*words, PATH=str(programs)).stdout)
    assert (found["username"], found["kind"]) == ("kept", "password")


def test_kubernetes_secrets_are_looked_into(shell: Shell) -> None:
    def secret(name: str, user: str) -> dict[str, object]:
        config = json.dumps({"auths": {"reg.example": {"auth": auth(f"{user}:x")}}})
        return {
            "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": config},
        }  # fmt: skip

    file = written(shell, yaml.safe_dump_all([secret("one", "a"), secret("two", "b")]), "secrets.yaml")
    done = shell.towline("credential", "resolve", "reg.example/x", "--file", file, "--reader", "kubelet",
                         "-o", "json")  # fmt: skip
    found = json.loads(done.stdout)
    assert (found["username"], found["source"]) == ("a", f"{file}, Secret one")
    assert any("Secret two: if that is refused" in reason for reason in found["reasons"])


@pytest.mark.parametrize("image", ["", "https://reg.example/x", "UPPER", "a b"])
def test_a_bad_image_is_one_line(shell: Shell, image: str) -> None:
    done = shell.towline("credential", "resolve", image)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "form", "user", "codes", "code"),
    [
        (auth("jane:a:b"), "base64", "jane", ["colon"], 0),
        (auth("jane:secret\n"), "base64", "jane", ["newline"], 0),
        (auth("jane: secret"), "base64", "jane", ["blanks"], 0),
        (auth("jane:\0secret\0"), "base64", "jane", ["nul"], 0),
        (auth("jane:secret").rstrip("="), "base64", "jane", ["no-padding"], 2),
        (base64.urlsafe_b64encode("jane:?>?>ÿ".encode()).decode(), "base64", "jane", ["url-safe"], 2),
        ("jane:secret", "clear-text", "jane", ["clear-text"], 2),
        (auth("janesecret"), "base64", "", ["no-colon"], 2),
        (auth(":secret"), "base64", "", ["no-username"], 2),
        (auth("jane:"), "base64", "jane", ["no-password"], 2),
        (auth(auth("jane:secret")), "base64-twice", "jane", ["encoded-twice"], 2),
        (auth('{"auths":{"r":{}}}'), "whole-config", "", ["whole-config"], 2),
        ("Basic " + auth("jane:secret"), "base64", "jane", ["wrapped"], 2),
        ('"' + auth("jane:secret") + '"', "base64", "jane", ["wrapped"], 2),
        ("!!!", "unreadable", "", ["not-base64"], 2),
        (auth(b"jane:\xff"), "base64", "jane", ["not-utf8"], 0),
        (auth("ja ne\n:secret"), "base64", "ja ne\n", ["username-odd"], 0),
    ],
)
def test_the_usual_mistakes_of_an_auth_value_are_named(
    shell: Shell, text: str, form: str, user: str, codes: list[str], code: int
) -> None:
    done = shell.towline("credential", "decode", "-", "-o", "json", stdin=text + "\n")
    found = json.loads(done.stdout)
    assert (found["form"], found["username"], done.returncode) == (form, user, code), found
    assert [each["code"] for each in found["problems"]] == codes
    assert set(found["readers"]) == {reader.value for reader in Reader}
    assert "password" not in found


def test_a_token_in_the_arguments_is_warned_about_and_never_shown(shell: Shell) -> None:
    done = shell.towline("credential", "decode", auth(f"jane:{CANARY}"))
    assert done.returncode == 0
    assert "seen by everybody" in done.stderr
    assert "given, not shown" in done.stdout
    assert CANARY not in done.stdout + done.stderr
    shown = shell.towline("credential", "decode", "-", "--reveal", stdin=auth(f"jane:{CANARY}"))
    assert (CANARY in shown.stdout, shown.stderr) == (True, "")


@pytest.mark.parametrize("text", ["", "\n", "x" * (65 << 10)])
def test_a_token_that_is_none_is_one_line(shell: Shell, text: str) -> None:
    done = shell.towline("credential", "decode", "-", stdin=text)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


@given(st.text(max_size=60), st.text(max_size=60))
def test_left_and_right_of_the_first_colon_come_back(user: str, password: str) -> None:
    user = user.replace(":", "").encode(errors="ignore").decode()
    password = password.encode(errors="ignore").decode()
    found = explained(Password(auth(f"{user}:{password}")))
    if found.form is AuthForm.BASE64:
        assert (found.username, found.password) == (user, Password(password))


@given(st.text(max_size=200))
def test_no_text_breaks_the_explanation(text: str) -> None:
    found = explained(Password(text))
    assert found.form in AuthForm
    assert not (found.is_sound and found.form is AuthForm.UNREADABLE)
