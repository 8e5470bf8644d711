"""`towline member`, `group`, `service-account`, `sso` and `session`, as they are typed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx

from parts.world import JANE, JANES_PASSWORD
from towline.domain.credential import Password

if TYPE_CHECKING:
    from parts.live import Live
    from parts.shell import Shell

MAX = "max@example.com"


def typed(shell: Shell, command: str, code: int = 0) -> str:
    """Run a command that ends so; return what it printed and said."""
    done = shell.towline(*command.split())
    assert done.returncode == code, (command, done.stdout, done.stderr)
    return done.stdout + done.stderr


def token_in(link: str) -> str:
    return link.split("token=")[1].split(maxsplit=1)[0]


def test_somebody_is_invited_joins_and_is_shut_out(jane: Shell, live: Live) -> None:
    assert "eve=emperor" in typed(jane, "member invite eve@example.com --role eve=emperor", 2)
    said = typed(jane, f"member invite {MAX} --role demo=developer")
    assert said.startswith(f"{live.url}/invitation?token=tow_")
    assert "mailed to max@example.com" in said
    assert MAX in typed(jane, "member invitations")
    typed(jane, f"member withdraw {MAX}")
    typed(jane, f"member withdraw {MAX}", 3)
    text = token_in(typed(jane, f"member invite {MAX} --role demo=developer"))
    session = live.run(
        live.world.invitations.accept(
            text, password=Password(JANES_PASSWORD), first_name="", last_name="", peer="x"
        )
    )
    asked = {"headers": live.headers(session)}
    assert httpx.get(f"{live.url}/v2/secrets/", **asked).status_code == 200
    assert "rio-org_member" in typed(jane, "member list")
    typed(jane, f"member role {MAX} admin")
    assert typed(jane, "member list").count("rio-org_admin") == 2
    typed(jane, f"member role {MAX} member")
    typed(jane, f"member disable {MAX}", 2)
    typed(jane, f"member disable {MAX} --yes")
    assert httpx.get(f"{live.url}/v2/secrets/", **asked).status_code == 401
    typed(jane, f"member enable {MAX}")
    typed(jane, f"member remove {MAX} --yes")
    assert MAX not in typed(jane, "member list")
    typed(jane, f"member remove {MAX} --yes", 3)


def test_a_group_is_made_changed_and_deleted(jane: Shell) -> None:
    typed(jane, f"group create operators --member {JANE} --role demo=developer --description calls")
    assert "demo=project_developer" in typed(jane, "group list")
    typed(jane, f"group set operators --admin {JANE} --role demo=viewer")
    shown = json.loads(typed(jane, "group show operators -o json"))
    assert shown["spec"]["description"] == "calls"
    assert shown["spec"]["members"][0]["roleNames"] == ["rio-group_admin"]
    assert [each["roleName"] for each in shown["spec"]["roles"]] == ["project_viewer"]
    assert "no member of this organization" in typed(jane, "group set operators --member eve@example.com", 2)
    typed(jane, "group delete operators", 2)
    typed(jane, "group delete operators --yes")
    typed(jane, "group show operators", 3)


def test_a_service_account_gets_tokens_that_end(jane: Shell, live: Live, tmp_path) -> None:
    typed(jane, "service-account create ci --role demo=developer --description deploys")
    assert "demo=project_developer" in typed(jane, "service-account list")
    kept = tmp_path / "ci-token"
    said = typed(jane, f"service-account token ci --days 3 --scope secrets:read --this-project --save {kept}")
    number = said.split(" of ci is good")[0].rsplit(" ", 1)[1]
    text = kept.read_text().strip()
    asked = {"headers": live.headers(text)}
    assert httpx.get(f"{live.url}/v2/secrets/", **asked).status_code == 200
    assert httpx.get(f"{live.url}/v2/packages/", **asked).status_code == 403
    listed = typed(jane, "service-account tokens ci")
    assert (number in listed, "secrets:read" in listed, live.project in listed) == (True, True, True)
    typed(jane, f"service-account revoke ci {number}")
    assert httpx.get(f"{live.url}/v2/secrets/", **asked).status_code == 401
    typed(jane, f"service-account revoke ci {number}", 3)
    whole = typed(jane, "service-account token ci")
    assert whole.startswith("tow_")
    typed(jane, "service-account delete ci --yes")
    assert httpx.get(f"{live.url}/user/info", headers=live.headers(whole.split()[0])).status_code == 401


def test_groups_of_the_provider_are_mapped_to_roles(jane: Shell) -> None:
    assert "engineers" not in typed(jane, "sso list")
    typed(jane, "sso map engineers", 2)
    typed(jane, "sso map engineers --organization-role member --role demo=developer")
    typed(jane, "sso map admins --organization-role admin")
    rules = json.loads(typed(jane, "sso list -o json"))
    assert [(each["claim"], each["roleName"]) for each in rules] == [
        ("admins", "rio-org_admin"),
        ("engineers", "rio-org_member"),
        ("engineers", "project_developer"),
    ]
    assert "no Project of organization" in typed(jane, "sso map engineers --role absent=viewer", 2)
    typed(jane, "sso unmap engineers")
    typed(jane, "sso unmap engineers", 3)


def test_sessions_are_listed_and_ended(jane: Shell, live: Live) -> None:
    other = live.sign_in()
    listed = json.loads(typed(jane, "session list -o json"))
    assert sum(each["spec"]["current"] for each in listed) == 1
    assert {each["spec"]["via"] for each in listed} == {"password"}
    guid = next(each["metadata"]["guid"] for each in listed if not each["spec"]["current"])
    typed(jane, f"session end {guid[-8:]}")
    typed(jane, "session end absent", 3)
    typed(jane, "session end", 2)
    typed(jane, "session end --others --yes")
    assert httpx.get(f"{live.url}/user/info", headers=live.headers(other)).status_code == 401
    assert len(json.loads(typed(jane, "session list -o json"))) == 1
