"""``towline rio-config`` as typed; that the real ``rio`` works with its file is shown in tests/rio."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from parts.world import JANE

if TYPE_CHECKING:
    from parts.live import Live
    from parts.shell import Shell

HOSTS = ("v2api_host", "rip_host", "core_api_host", "catalog_host", "oidc_host")


def kept(shell: Shell) -> dict[str, str]:
    return json.loads(shell.config.read_text())


def test_the_file_holds_all_that_rio_needs_and_is_its_owners_alone(live: Live, jane: Shell) -> None:
    done = jane.towline("rio-config")
    assert done.returncode == 0, done.stderr
    file = jane.home / "towline" / "rio.json"
    assert done.stdout == f"export RIO_CONFIG={file}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    organization = live.world.access.organization
    assert json.loads(file.read_text()) == {
        "environment": "local",
        **dict.fromkeys(HOSTS, live.url),
        "email_id": JANE,
        "auth_token": kept(jane)["token"],
        "organization_id": organization.guid,
        "organization_name": organization.name,
        "organization_short_id": organization.short_guid,
        "project_id": live.project,
        "project_name": "demo",
    }


def test_what_is_there_is_replaced_only_by_force(jane: Shell) -> None:
    file = jane.home / "deep" / "er" / "it's rio.json"
    first = jane.towline("rio-config", "--output-file", str(file))
    assert first.stdout == f"export RIO_CONFIG='{jane.home}/deep/er/it'\"'\"'s rio.json'\n"
    file.write_text("mine")
    file.chmod(0o644)
    again = jane.towline("rio-config", "-f", str(file))
    assert (again.returncode, file.read_text()) == (4, "mine")
    assert "--force" in again.stderr
    forced = jane.towline("rio-config", "-f", str(file), "--force")
    assert forced.returncode == 0
    assert json.loads(file.read_text())["email_id"] == JANE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_dash_prints_and_no_token_leaves_it_out(jane: Shell) -> None:
    done = jane.towline("rio-config", "--no-token", "--output-file", "-")
    assert "auth_token" not in json.loads(done.stdout)
    assert kept(jane)["token"] not in done.stdout + done.stderr
    assert "rio auth login" in done.stderr
    assert "auth_token" in json.loads(jane.towline("rio-config", "-f", "-").stdout)


def test_who_is_not_signed_in_gets_the_hosts(live: Live, shell: Shell) -> None:
    done = shell.towline("rio-config", "--server", f"{live.url}/", "-f", "-")
    assert json.loads(done.stdout) == {"environment": "local", **dict.fromkeys(HOSTS, live.url)}
    assert "rio auth login" in done.stderr


def test_another_server_never_gets_the_token(jane: Shell) -> None:
    done = jane.towline("rio-config", "--server", "http://127.0.0.1:1", "-f", "-")
    assert kept(jane)["token"] not in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--project", "nowhere"), 3, "there is no project 'nowhere'"),
        (("--server", "nonsense"), 2, "is not a server's address"),
        (("-f", "/proc/none/rio.json"), 1, "cannot be written"),
        (("-f", "/dev/null/rio.json"), 1, "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    jane: Shell, words: tuple[str, ...], code: int, said: str
) -> None:
    done = jane.towline("rio-config", *words)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
    assert not (jane.home / "towline" / "rio.json").exists()


def test_a_folder_is_not_replaced(jane: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    assert jane.towline("rio-config", "-f", str(folder)).returncode == 4
    assert jane.towline("rio-config", "-f", str(folder), "--force").returncode == 1
    assert folder.is_dir()


def test_a_token_that_works_no_more_is_told(live: Live, jane: Shell) -> None:
    done = jane.towline("rio-config", "-f", "-", TOWLINE_TOKEN="tow_gone")
    assert done.returncode == 5
    assert "towline login" in done.stderr
