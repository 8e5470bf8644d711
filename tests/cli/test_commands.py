from __future__ import annotations

import json
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from parts.fakes import refused
from parts.sdk import deployment, opaque_secret, package
from parts.world import JANE, JANES_PASSWORD
from towline.cli import COMMANDS, EXIT_CODES, hints
from towline.cli.reference import verbs_of
from towline.domain.findings import FindingCode
from towline.domain.minting import MintKind
from towline.domain.proof import Verdict

if TYPE_CHECKING:
    from parts.live import Live
    from parts.shell import Shell

REGISTRY = "registry.example.com:5000"
PASSWORD = " p@ss:$word/1 € "


def create(shell: Shell, name: str, *more: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    words = ("--registry", f"https://{REGISTRY}", "--username", "robot", "--password-stdin")
    return shell.towline("secret", "create", name, *words, *more, stdin=password)


def test_help_lists_every_command_and_exit_code(shell: Shell) -> None:
    done = shell.towline("--help")
    assert done.returncode == 0
    assert EXIT_CODES in done.stdout
    assert all(f"  {command.name} " in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_every_command_has_help_with_examples(shell: Shell, name: str) -> None:
    done = shell.towline(name, "--help")
    assert done.returncode == 0
    assert "examples:" in done.stdout
    assert f"towline {name}" in done.stdout


def test_help_imports_no_heavy_library() -> None:
    program = (
        "import sys; from towline.cli import main; code = main(['--help']); "
        "heavy = {'msgspec', 'yaml', 'rich', 'aiohttp', 'starlette', 'argparse'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("secrets", "did you mean 'secret'"),
        ("deploymnt", "did you mean 'deployment'"),
        ("logs", "did you mean 'deployment logs'"),
        ("scan", "did you mean 'kubernetes scan'"),
        ("ps", "did you mean 'deployment list'"),
        ("list", "`towline --help` lists all commands"),
        ("xyz", "`towline --help` lists all commands"),
    ],
)
def test_an_unknown_command_names_what_may_be_meant(shell: Shell, typed: str, meant: str) -> None:
    done = shell.towline(typed)
    assert (done.returncode, done.stdout) == (2, "")
    assert meant in done.stderr


def test_every_hint_names_a_command_that_is_there() -> None:
    names = {command.name for command in COMMANDS}
    for meant in hints.ELSEWHERE.values():
        name, *verb = meant.split()
        assert name in names
        assert set(verb) <= set(verbs_of(name))
    assert not names & hints.ELSEWHERE.keys()


def test_signing_out_ends_the_session_at_the_server_too(jane: Shell, live: Live) -> None:
    token = json.loads(jane.config.read_text())["token"]
    done = jane.towline("logout")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"signed out of {live.url}\n"
    assert token not in jane.config.read_text()
    assert stat.S_IMODE(jane.config.stat().st_mode) == 0o600
    kept = jane.towline("secret", "list", TOWLINE_SERVER=live.url, TOWLINE_TOKEN=token)
    assert kept.returncode == 5
    again = jane.towline("logout")
    assert again.returncode == 5
    assert "nobody is signed in" in again.stderr


def test_a_session_that_is_over_is_forgotten_and_one_that_cannot_be_ended_is_kept(jane: Shell) -> None:
    login = json.loads(jane.config.read_text())
    jane.config.write_text(json.dumps({**login, "server": "http://127.0.0.1:1"}))
    away = jane.towline("logout")
    assert away.returncode == 1
    assert f"delete {jane.config} to forget it here alone" in away.stderr
    assert login["token"] in jane.config.read_text()
    jane.config.write_text(json.dumps({**login, "token": "over"}))
    assert jane.towline("logout").returncode == 0
    assert json.loads(jane.config.read_text())["token"] == ""


def test_the_login_is_kept_for_its_owner_alone_and_without_the_password(jane: Shell) -> None:
    assert stat.S_IMODE(jane.config.stat().st_mode) == 0o600
    kept = json.loads(jane.config.read_text())
    assert kept["email"] == JANE
    assert kept["token"]
    assert kept["project"]
    assert JANES_PASSWORD not in jane.config.read_text()


def test_a_wrong_password_is_not_signed_in(live: Live, shell: Shell) -> None:
    done = shell.towline("login", live.url, "--email", JANE, "--password-stdin", stdin="wrong\n")
    assert done.returncode == 5
    assert "does not accept" in done.stderr
    assert not shell.config.exists()


def test_without_a_login_commands_say_how_to_sign_in(live: Live, shell: Shell) -> None:
    done = shell.towline("secret", "list", "--server", live.url)
    assert done.returncode == 5
    assert f"towline login {live.url}" in done.stderr


def test_a_token_is_not_sent_to_another_server(jane: Shell) -> None:
    done = jane.towline("secret", "list", "--server", "http://127.0.0.1:9")
    assert done.returncode == 5


def test_a_server_that_is_not_there_is_said_with_what_to_do(shell: Shell) -> None:
    done = shell.towline("secret", "list", TOWLINE_SERVER="http://127.0.0.1:9", TOWLINE_TOKEN="none")
    assert done.returncode in {1, 2}
    done = shell.towline("project", "list", TOWLINE_SERVER="http://127.0.0.1:9", TOWLINE_TOKEN="none")
    assert done.returncode == 1
    assert "towline serve" in done.stderr


def test_a_verified_secret_is_created_with_the_users_own_address(live: Live, jane: Shell) -> None:
    live.world.prover.registry(REGISTRY, robot=PASSWORD)
    done = create(jane, "verified-one", "--require-verified", "--label", "team=robots", "-o", "json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["status"]["verdict"] == "verified"
    assert made["spec"]["docker"]["email"] == JANE
    assert made["metadata"]["labels"] == {"team": "robots"}


def test_a_wrong_credential_tells_the_finding_and_is_refused_where_proof_is_required(
    live: Live, jane: Shell
) -> None:
    live.world.prover.registry(REGISTRY, robot="another")
    done = create(jane, "failing-one")
    assert done.returncode == 0
    assert "wrong-credentials" in done.stderr
    assert jane.towline("secret", "verify", "failing-one").returncode == 6
    assert create(jane, "failing-two", "--require-verified").returncode == 6
    assert PASSWORD.strip() not in done.stdout + done.stderr


def test_one_line_end_of_the_password_is_removed(live: Live, jane: Shell) -> None:
    live.world.prover.registry(REGISTRY, robot="two\n")
    done = create(jane, "line-ends", "--require-verified", password="two\n\n")
    assert done.returncode == 0, done.stderr


def test_a_password_in_the_arguments_is_refused(jane: Shell) -> None:
    done = jane.towline("secret", "create", "x", "--registry", REGISTRY, "--password", "shown")
    assert done.returncode == 2
    assert "--password-stdin" in done.stderr
    assert "shown" not in done.stderr


def test_a_taken_name_a_missing_name_and_a_bad_name_have_their_exit_codes(jane: Shell) -> None:
    assert create(jane, "taken").returncode == 0
    assert create(jane, "taken").returncode == 4
    assert jane.towline("secret", "show", "missing").returncode == 3
    assert create(jane, "Bad_Name").returncode == 2


def test_a_minted_secret_is_made_from_a_file_and_shown_with_its_end(live: Live, jane: Shell) -> None:
    live.world.mint.registry = live.world.prover.registry("ecr.example.com", AWS="nothing yet")
    key = "AKIA-OBVIOUSLY-A-TEST"
    words = ("ecr", "--registry", "ecr.example.com", "--mint", "ecr", "--mint-key-file")
    setting = ("--mint-setting", "region=eu-west-1")
    assert jane.towline("secret", "create", *words, "missing.json", *setting).returncode == 2
    assert (
        jane.towline("secret", "create", *words, "-", "--mint-setting", "region", stdin=key).returncode == 2
    )
    assert jane.towline("secret", "create", *words, "-", "--username", "AWS", stdin=key).returncode == 2
    done = jane.towline("secret", "create", *words, "-", *setting, "--require-verified", stdin=key)
    assert done.returncode == 0, done.stderr
    assert key not in done.stdout + done.stderr
    shown = jane.towline("secret", "show", "ecr").stdout
    for said in ("Towline (ecr)", "region=eu-west-1", "2026-01-02T00:00:00Z", "2026-01-01T20:00:00Z"):
        assert said in shown
    update = ("secret", "update", "ecr")
    assert "--mint-key-file" in jane.towline(*update, "--email", "ops@example.com").stderr
    assert jane.towline(*update, "--mint-key-file", "-", stdin="AKIA-ANOTHER").returncode == 0
    assert live.world.mint.orders[-1].key.reveal() == "AKIA-ANOTHER"
    assert live.world.mint.orders[-1].mint.settings == {"region": "eu-west-1"}
    assert jane.towline(*update, "--username", "u", "--password-stdin", stdin="typed").returncode == 0
    assert "Towline (ecr)" not in jane.towline("secret", "show", "ecr").stdout


def test_a_minted_secret_is_applied_from_a_manifest(live: Live, jane: Shell) -> None:
    live.world.mint.registry = live.world.prover.registry("ecr.example.com", AWS="nothing yet")
    key = json.dumps({"AccessKeyId": "AKIA"}, indent=2)
    mint = {"kind": "ecr", "settings": {"region": "eu-west-1"}, "key": f"AKIA {key}\n"}
    docker = {"registry": "ecr.example.com", "email": JANE, "mint": mint}
    secret = {"kind": "Secret", "metadata": {"name": "applied"}, "spec": {"type": "Docker", "docker": docker}}
    for outcome in ("created", "updated"):
        done = jane.towline("apply", "-f", "-", stdin=yaml.safe_dump(secret))
        assert f"secret applied: {outcome}" in done.stdout, done.stderr
        assert live.world.mint.orders[-1].key.reveal() == mint["key"]


def test_the_help_names_every_kind_of_minting(jane: Shell) -> None:
    text = jane.towline("secret", "create", "--help").stdout
    assert [kind for kind in MintKind if kind.value not in text] == []


def test_opaque_secrets_come_from_env_files_and_files(jane: Shell) -> None:
    key = jane.home / "key.pem"
    key.write_text("line one\nline two\n")
    words = ("--opaque", "--from-env-file", "-", "--from-file", f"TLS_KEY={key}", "-o", "json")
    done = jane.towline("secret", "create", "keys", *words, stdin="# a comment\nA=1=2\n\nB=\n")
    assert done.returncode == 0, done.stderr
    assert sorted(json.loads(done.stdout)["spec"]["secretKeys"]) == ["A", "B", "TLS_KEY"]
    assert "line one" not in done.stdout


def test_a_bad_env_line_is_named_by_number_and_not_shown(jane: Shell) -> None:
    words = ("secret", "create", "keys-two", "--opaque", "--from-env-file", "-")
    done = jane.towline(*words, stdin="A=1\nhunter2\n")
    assert done.returncode == 2
    assert "line 2" in done.stderr
    assert "hunter2" not in done.stderr


def test_deleting_asks_first_and_needs_yes_where_nobody_can_be_asked(jane: Shell) -> None:
    create(jane, "to-delete")
    assert jane.towline("secret", "delete", "to-delete").returncode == 2
    assert jane.towline("secret", "show", "to-delete").returncode == 0
    assert jane.towline("secret", "delete", "to-delete", "--yes").returncode == 0
    assert jane.towline("secret", "show", "to-delete").returncode == 3


def test_lists_are_printed_as_table_json_yaml_and_names(jane: Shell) -> None:
    create(jane, "in-lists")
    assert jane.towline("secret", "list").stdout.startswith("NAME ")
    names = [
        each["metadata"]["name"] for each in json.loads(jane.towline("secret", "list", "-o", "json").stdout)
    ]
    assert "in-lists" in names
    assert [
        each["metadata"]["name"]
        for each in yaml.safe_load(jane.towline("secret", "list", "-o", "yaml").stdout)
    ] == names
    assert jane.towline("secret", "list", "-o", "name").stdout.split() == names


def test_a_project_is_created_selected_and_deleted(jane: Shell) -> None:
    assert jane.towline("project", "create", "second").returncode == 0
    assert jane.towline("project", "select", "second").returncode == 0
    assert jane.towline("secret", "list", "-o", "name").stdout == ""
    assert jane.towline("project", "delete", "second", "--yes").returncode == 0
    assert jane.towline("project", "select", "second").returncode == 3


def test_manifests_are_applied_in_order_and_again(jane: Shell) -> None:
    documents = [deployment("talker", "talker"), package("talker"), opaque_secret("app-keys")]
    text = yaml.safe_dump_all(documents)
    create(jane, "private-pull")
    first = jane.towline("apply", "-f", "-", "--no-preflight", stdin=text)
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines() == [
        "secret app-keys: created",
        "package talker: created",
        "deployment talker: created",
    ]
    second = jane.towline("apply", "-f", "-", "--no-preflight", stdin=text)
    assert second.returncode == 0, second.stderr
    assert second.stdout.splitlines() == [
        "secret app-keys: updated",
        "package talker: already exists",
        "deployment talker: already exists",
    ]
    assert jane.towline("package", "show", "talker").returncode == 0
    assert jane.towline("deployment", "restart", "talker").returncode == 0
    assert jane.towline("deployment", "wait", "talker", "--timeout", "0").returncode == 7
    assert jane.towline("deployment", "delete", "talker", "--yes").returncode == 0


def test_disks_are_made_shown_mounted_and_deleted(jane: Shell) -> None:
    words = ("disk", "create", "data", "--capacity", "8", "--label", "team=a")
    made = jane.towline(*words, "--engine", "embedded", "-o", "json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["status"] == {"status": "Available", "engine": "embedded"}
    assert jane.towline(*words).returncode == 4
    assert jane.towline("disk", "create", "odd", "--capacity", "5").returncode == 2
    assert "8 GiB" in jane.towline("disk", "list").stdout
    volume = ("--no-wait", "--no-preflight", "--volume", "data:/data")
    deployed = jane.towline("deploy", f"{REGISTRY}/team/app:1.0", "--name", "keeper", *volume)
    assert deployed.returncode == 0, deployed.stderr
    assert "data at /data" in jane.towline("deployment", "show", "keeper").stdout
    taken = jane.towline("deploy", f"{REGISTRY}/team/app:1.0", "--name", "other", *volume)
    assert taken.returncode == 4
    assert "disk 'data' is used by deployment 'keeper'" in taken.stderr
    shown = jane.towline("disk", "show", "data").stdout
    assert "keeper" in shown
    assert "Bound" in shown
    assert jane.towline("disk", "delete", "data").returncode == 2, "nobody is here to ask"
    assert jane.towline("disk", "delete", "data", "--yes").returncode == 4
    assert jane.towline("deployment", "delete", "keeper", "--yes").returncode == 0
    assert jane.towline("disk", "delete", "data", "--yes").returncode == 0
    assert jane.towline("disk", "show", "data").returncode == 3


def test_a_disk_is_applied_before_what_mounts_it(jane: Shell) -> None:
    mounting = deployment(
        "mounts",
        "mounts",
        volumes=[
            {"execName": "app", "mountPath": "/data", "depends": {"kind": "disk", "nameOrGUID": "applied"}}
        ],
    )
    disk = {"kind": "Disk", "metadata": {"name": "applied"}, "spec": {"capacity": 4}}
    text = yaml.safe_dump_all([mounting, package("mounts"), disk])
    first = jane.towline("apply", "-f", "-", "--no-preflight", stdin=text)
    assert first.stdout.splitlines() == [
        "disk applied: created",
        "package mounts: created",
        "deployment mounts: created",
    ]
    second = {**mounting, "metadata": {**mounting["metadata"], "name": "second"}}
    taken = jane.towline("apply", "-f", "-", "--no-preflight", stdin=yaml.safe_dump(second))
    assert taken.returncode == 4
    assert "disk 'applied' is used by deployment 'mounts'" in taken.stderr
    assert jane.towline("deployment", "delete", "mounts", "--yes").returncode == 0
    assert jane.towline("disk", "delete", "applied", "--yes").returncode == 0


def test_a_manifest_that_is_not_yaml_is_told_by_its_place_alone(jane: Shell) -> None:
    done = jane.towline("apply", "-f", "-", stdin="kind: Secret\npassword: 'hunter2\n")
    assert done.returncode == 2
    assert "hunter2" not in done.stderr


def test_deploying_an_image_makes_package_and_deployment_and_again_replaces(jane: Shell) -> None:
    create(jane, "pull-it")
    words = ("deploy", f"{REGISTRY}/team/app:1.0", "--secret", "pull-it", "--env", "A=b", "--no-preflight")
    first = jane.towline(*words, "--no-wait")
    assert first.returncode == 0, first.stderr
    assert jane.towline(*words, "--timeout", "0").returncode == 7
    shown = json.loads(jane.towline("deployment", "show", "app", "-o", "json").stdout)
    assert shown["metadata"]["generation"] == 2


def test_preflight_tells_yes_no_and_unknown(live: Live, jane: Shell) -> None:
    live.world.prover.registry(REGISTRY, robot=PASSWORD).has("team/app:1.0")
    create(jane, "preflight")
    good = jane.towline("preflight", f"{REGISTRY}/team/app:1.0", "--secret", "preflight")
    assert good.returncode == 0, good.stderr
    bad = jane.towline("preflight", f"{REGISTRY}/team/app:9", "--secret", "preflight")
    assert bad.returncode == 6
    assert "tag-not-found" in bad.stderr
    live.world.prover.says(refused(FindingCode.REGISTRY_TIMEOUT, Verdict.UNKNOWN))
    assert jane.towline("preflight", f"{REGISTRY}/team/app:1.0", "--secret", "preflight").returncode == 8


def test_registry_settings_are_set_shown_and_deleted(jane: Shell) -> None:
    assert jane.towline("registry", "set", "10.0.0.7:5000", "--plain-http").returncode == 0
    assert "10.0.0.7:5000" in jane.towline("registry", "list").stdout
    assert jane.towline("registry", "delete", "10.0.0.7:5000", "--yes").returncode == 0
    assert jane.towline("registry", "show", "10.0.0.7:5000").returncode == 3


def test_image_references_are_completed_and_bad_ones_counted(shell: Shell) -> None:
    done = shell.towline("image", "parse", "nginx", "-", stdin="ghcr.io/a/b@bad\nghcr.io/a/b:1\n")
    assert done.returncode == 2
    assert done.stdout.splitlines() == ["docker.io/library/nginx:latest", "ghcr.io/a/b:1"]
    assert "ghcr.io/a/b@bad" in done.stderr


@pytest.mark.parametrize("name", ["bash", "zsh", "tcsh"])
def test_completion_knows_the_commands(shell: Shell, name: str) -> None:
    done = shell.towline("completion", name)
    assert done.returncode == 0
    words = {command.name for command in COMMANDS} | {"provider-config", "distrust", "resolve"}
    assert not {word for word in words if word not in done.stdout}
