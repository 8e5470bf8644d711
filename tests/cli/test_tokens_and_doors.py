"""`towline token`, `doors`, `kubernetes` and `secret export`, as they are typed."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    import subprocess

    from parts.live import Live
    from parts.shell import Shell

PASSWORD = " p@ss:$word/1 \u20ac "
REGISTRY = "registry.example.com:5000"


@pytest.fixture(autouse=True)
def pull(jane: Shell) -> None:
    """Keep a secret, once for all tests of this module."""
    words = ("--registry", REGISTRY, "--username", "robot", "--password-stdin")
    jane.towline("secret", "create", "pull", *words, stdin=PASSWORD)


def made(shell: Shell, *words: str) -> subprocess.CompletedProcess[str]:
    return shell.towline("token", "create", *words)


def test_a_token_alone_is_printed_and_what_it_is_good_for_beside_it(jane: Shell, live: Live) -> None:
    done = made(jane, "laptop", "--scope", "secrets:use:pull", "--scope", "credentials:store")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("tow_")
    assert done.stdout.count("\n") == 1
    assert "only time that the token is shown" in done.stderr
    assert "secrets:use:pull credentials:store" in done.stderr
    listed = jane.towline("token", "list")
    assert "laptop" in listed.stdout
    assert live.project in listed.stdout
    assert done.stdout.strip() not in listed.stdout
    assert jane.towline("token", "revoke", "laptop").returncode == 0
    assert "laptop" not in jane.towline("token", "list").stdout
    assert jane.towline("token", "revoke", "laptop").returncode == 3


def test_a_token_is_saved_for_its_owner_alone_and_over_nothing(jane: Shell, tmp_path: Path) -> None:
    file = tmp_path / "token"
    done = made(jane, "node", "--scope", "secrets:use:*", "--save", str(file))
    assert (done.returncode, done.stdout) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().startswith("tow_")
    again = made(jane, "node-2", "--scope", "secrets:use:*", "--save", str(file))
    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert "node-2" not in jane.towline("token", "list").stdout


def test_a_token_works_where_its_scopes_say_and_nowhere_else(jane: Shell) -> None:
    token = made(jane, "reader", "--scope", "secrets:read", "-o", "json").stdout
    text = json.loads(token)["token"]
    assert "pull" in jane.towline("secret", "list", TOWLINE_TOKEN=text).stdout
    done = jane.towline("secret", "delete", "pull", "--yes", TOWLINE_TOKEN=text)
    assert done.returncode == 5
    assert "lacks the scope secrets:write" in done.stderr


def test_a_token_for_one_project_needs_no_project_and_no_login(
    jane: Shell, live: Live, tmp_path: Path
) -> None:
    token = made(jane, "ci", "--scope", "secrets:read").stdout.strip()
    elsewhere = {"XDG_CONFIG_HOME": str(tmp_path / "empty"), "TOWLINE_SERVER": live.url}
    assert "pull" in jane.towline("secret", "list", TOWLINE_TOKEN=token, **elsewhere).stdout
    file = tmp_path / "token"
    file.write_text(f"{token}\n")
    assert "pull" in jane.towline("secret", "list", TOWLINE_TOKEN_FILE=str(file), **elsewhere).stdout
    done = jane.towline("secret", "list", TOWLINE_TOKEN_FILE="/absent", **elsewhere)
    assert (done.returncode, "TOWLINE_TOKEN_FILE" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("x",), "--scope"),
        (("x", "--scope", "everything"), "is not a scope"),
        (("x", "--scope", "secrets:use"), "names no secret"),
        (("x", "--scope", "secrets:read", "--days", "0"), "use 1 to 366"),
        (("x", "--scope", "secrets:read", "-o", "name"), "add --save FILE"),
    ],
)
def test_what_is_wrong_with_a_token_is_told(jane: Shell, words: tuple[str, ...], says: str) -> None:
    done = made(jane, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


def test_an_export_is_asked_for_by_name_and_with_reveal(jane: Shell) -> None:
    words = ("secret", "export", "pull", "--format", "config.json")
    refused = jane.towline(*words)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--reveal" in refused.stderr
    done = jane.towline(*words, "--reveal")
    auth = json.loads(done.stdout)["auths"][REGISTRY]["auth"]
    assert base64.b64decode(auth).decode() == f"robot:{PASSWORD}"
    assert "audit trail" in done.stderr


def test_an_export_for_kubernetes_has_its_namespace(jane: Shell) -> None:
    words = ("secret", "export", "pull", "--format", "kubernetes", "--namespace", "prod", "--reveal")
    manifest = yaml.safe_load(jane.towline(*words).stdout)
    assert manifest["metadata"] == {"name": "pull", "namespace": "prod"}
    assert ".dockerconfigjson" in manifest["data"]


def test_the_doors_are_shown_set_and_told_whom_to_trust(jane: Shell, tmp_path: Path) -> None:
    assert "never" in jane.towline("doors", "show").stdout
    assert "90 minutes" in jane.towline("doors", "set", "--offline-minutes", "90").stdout
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps({"keys": [{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"}]}))
    words = ("doors", "trust", "https://c.example", "--audience", "towline", "--jwks", str(keys))
    done = jane.towline(*words, "--allow", "prod/*=prod-*,pull", "--allow", "ci/builder=ci-*")
    assert done.returncode == 0, done.stderr
    assert "https://c.example: prod/* may have prod-* pull" in done.stdout
    assert "90 minutes" in done.stdout
    assert jane.towline("doors", "distrust", "https://c.example").returncode == 0
    assert jane.towline("doors", "distrust", "https://c.example").returncode == 3
    assert jane.towline("doors", "set", "--offline-minutes", "0").returncode == 0


@pytest.mark.parametrize(
    ("allow", "content", "says"),
    [
        ("prod=pull", "{}", "NAMESPACE/ACCOUNT=SECRET"),
        ("prod/web", "{}", "NAMESPACE/ACCOUNT=SECRET"),
        ("prod/web=pull", "{", "is not JSON"),
        ("prod/web=pull", "{}", "spec.issuers[0].jwks.keys"),
        ("prod/web=Pull", '{"keys":[{"kty":"RSA"}]}', "names no secret"),
    ],
)
def test_what_is_wrong_with_whom_to_trust_is_told(
    jane: Shell, tmp_path: Path, allow: str, content: str, says: str
) -> None:
    (tmp_path / "jwks").write_text(content)
    words = ("https://c.example", "--audience", "t", "--jwks", str(tmp_path / "jwks"), "--allow", allow)
    done = jane.towline("doors", "trust", *words)
    assert done.returncode == 2
    assert says in done.stderr


def test_the_kubelets_configuration_is_what_kubelets_read(jane: Shell, live: Live) -> None:
    words = ("--match", REGISTRY, "--match", "*.example.com", "--audience", "towline", "--ca-file", "/ca.pem")
    done = jane.towline("kubernetes", "provider-config", *words)
    assert done.returncode == 0, done.stderr
    config = yaml.safe_load(done.stdout)
    assert (config["apiVersion"], config["kind"]) == ("kubelet.config.k8s.io/v1", "CredentialProviderConfig")
    [provider] = config["providers"]
    assert provider == {
        "name": "towline-kubelet-provider",
        "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
        "defaultCacheDuration": "1m",
        "matchImages": [REGISTRY, "*.example.com"],
        "env": [
            {"name": "TOWLINE_SERVER", "value": live.url},
            {"name": "TOWLINE_TOKEN_FILE", "value": "/etc/towline/token"},
            {"name": "TOWLINE_CA", "value": "/ca.pem"},
        ],
        "tokenAttributes": {
            "serviceAccountTokenAudience": "towline",
            "cacheType": "ServiceAccount",
            "requireServiceAccount": False,
        },
    }
    assert "--image-credential-provider-bin-dir" in done.stdout
    assert json.loads(jane.config.read_text())["token"] not in done.stdout


@pytest.mark.parametrize("words", [("--match", "https://x"), ("--match", "x", "--cache", "soon")])
def test_a_wrong_pattern_or_duration_is_told(jane: Shell, words: tuple[str, ...]) -> None:
    done = jane.towline("kubernetes", "provider-config", *words)
    assert (done.returncode, done.stdout) == (2, "")


def test_no_project_is_never_taken_for_all_projects(jane: Shell, live: Live, tmp_path: Path) -> None:
    session = str(json.loads(jane.config.read_bytes())["token"])
    nowhere = {
        "XDG_CONFIG_HOME": str(tmp_path / "empty"),
        "TOWLINE_SERVER": live.url,
        "TOWLINE_TOKEN": session,
    }
    done = jane.towline("token", "create", "wide", "--scope", "secrets:read", **nowhere)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--all-projects" in done.stderr
    assert "wide" not in jane.towline("token", "list").stdout
    everywhere = jane.towline(
        "token", "create", "wide", "--scope", "secrets:read", "--all-projects", **nowhere
    )
    assert everywhere.returncode == 0, everywhere.stderr


def test_a_token_of_the_environment_that_cannot_be_sent_is_not_quoted(jane: Shell) -> None:
    done = jane.towline("secret", "list", TOWLINE_TOKEN="tow_Sesame\nInjected: 1")
    assert done.returncode == 2
    assert "the token holds blanks" in done.stderr
    assert "Sesame" not in done.stderr
