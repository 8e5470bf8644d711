"""``towline member``: who is in the organization."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from towline.cli import flags, roles
from towline.cli.client import in_organization, part
from towline.cli.documents import Document, at, documents_at, text_at
from towline.cli.failure import Failure
from towline.cli.output import say, show, show_one, tell

if TYPE_CHECKING:
    import argparse

    from towline.cli.client import Client

DESCRIPTION = """\
People of the organization that the chosen project belongs to. Who has no account yet is invited by a
link, which works once and for a week; it is printed, and mailed where the server can send mail.
"""
EXAMPLES = """\
examples:
  towline member list
  towline member invite max@example.com --role demo=developer
  towline member role max@example.com admin
  towline member disable max@example.com
"""

_ROLES = {"member": "rio-org_member", "admin": "rio-org_admin"}
_COLUMNS = ("KIND", "NAME", "ROLES", "GUID")
_INVITED = ("ADDRESS", "ROLES", "INVITED BY", "UNTIL", "GUID")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    group = flags.verbs(parser)
    flags.output(
        flags.verb(group, "list", _list, summary="list the members", examples="towline member list -o json")
    )
    invite = flags.verb(
        group,
        "invite",
        _invite,
        summary="invite an address and print the link, this once",
        examples="towline member invite max@example.com --role demo=developer",
    )
    invite.add_argument("email", metavar="EMAIL")
    invite.add_argument("--admin", action="store_true", help="as admin of the organization")
    roles.argument(invite, summary="a role in a project; once for each")
    flags.output(invite)
    flags.output(
        flags.verb(
            group,
            "invitations",
            _invitations,
            summary="list the invitations that are open",
            examples="towline member invitations",
        )
    )
    _one(group, "withdraw", _withdraw, summary="make an invitation's link invalid")
    role = _one(group, "role", _role, summary="make a member admin of the organization, or plain member")
    role.add_argument("role", choices=tuple(_ROLES))
    flags.yes(_one(group, "remove", _remove, summary="take somebody out, with all roles in projects"))
    flags.yes(_one(group, "disable", _disable, summary="shut somebody out; sessions and tokens end at once"))
    _one(group, "enable", _enable, summary="let somebody in again")


def run(args: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    code: int = args.do(args)
    return code


def _one(group: flags.Verbs, name: str, run: flags.Run, *, summary: str) -> argparse.ArgumentParser:
    last = " admin" if name == "role" else ""
    verb = flags.verb(
        group, name, run, summary=summary, examples=f"towline member {name} max@example.com{last}"
    )
    verb.add_argument("email", metavar="EMAIL")
    return verb


def _list(args: argparse.Namespace) -> int:
    client = in_organization(args)
    show(documents_at(_organization(client), "spec", "members"), args.output, columns=_COLUMNS, row=_row)
    return 0


def _invite(args: argparse.Namespace) -> int:
    client = in_organization(args)
    given = [{"domain": domain, "roleName": role} for domain, role in roles.pairs(args.role)]
    spec: Document = {"email": args.email, "admin": args.admin, "roles": given}
    made = client.call("POST", f"{_path(client)}invitations/", {"kind": "Invitation", "spec": spec})
    if args.output == "table":
        sys.stdout.write(f"{text_at(made, 'link')}\n")
    else:
        show_one(made, args.output, details=lambda _: ())
    problem = text_at(made, "mail")
    until = text_at(made, "spec", "expiresAt")
    tell(f"the link works once, until {until}; it is shown this once")
    tell(f"it was not mailed: {problem}" if problem else f"it was mailed to {args.email}")
    return 0


def _invitations(args: argparse.Namespace) -> int:
    client = in_organization(args)
    show(client.items(f"{_path(client)}invitations/"), args.output, columns=_INVITED, row=_invited)
    return 0


def _withdraw(args: argparse.Namespace) -> int:
    client = in_organization(args)
    for each in client.items(f"{_path(client)}invitations/"):
        if text_at(each, "spec", "email") == args.email.lower():
            client.call("DELETE", f"{_path(client)}invitations/{part(text_at(each, 'metadata', 'guid'))}/")
            say(f"the invitation of {args.email} is withdrawn")
            return 0
    raise Failure(f"no invitation of {args.email} is open", code=3)


def _role(args: argparse.Namespace) -> int:
    client = in_organization(args)
    members = _members(client, args.email)
    for each in members:
        if _is(each, args.email):
            each["roleNames"] = [_ROLES[args.role]]
    _put(client, members)
    say(f"{args.email} is {args.role} now")
    return 0


def _remove(args: argparse.Namespace) -> int:
    client = in_organization(args)
    members = _members(client, args.email)
    flags.confirm(args, f"Take {args.email} out of the organization, its projects and groups?")
    _put(client, [each for each in members if not _is(each, args.email)])
    say(f"{args.email} is no member any more")
    return 0


def _disable(args: argparse.Namespace) -> int:
    client = in_organization(args)
    flags.confirm(args, f"Shut {args.email} out and end all sessions and tokens?")
    client.call("POST", f"{_path(client)}users/{part(args.email)}/disable/")
    say(f"{args.email} is shut out")
    return 0


def _enable(args: argparse.Namespace) -> int:
    client = in_organization(args)
    client.call("POST", f"{_path(client)}users/{part(args.email)}/enable/")
    say(f"{args.email} may sign in again")
    return 0


def _path(client: Client) -> str:
    return f"/v2/organizations/{part(client.organization)}/"


def _organization(client: Client) -> Document:
    return client.get(_path(client))


def _members(client: Client, email: str) -> list[Document]:
    members = documents_at(_organization(client), "spec", "members")
    if not any(_is(each, email) for each in members):
        raise Failure(f"{email} is no member; `towline member list` shows them", code=3)
    return members


def _put(client: Client, members: list[Document]) -> None:
    client.call("PUT", _path(client), {"kind": "Organization", "spec": {"members": members}})


def _is(member: Document, email: str) -> bool:
    named = text_at(member, "subject", "name").casefold()
    return text_at(member, "subject", "kind") == "User" and named == email.casefold()


def _row(member: Document) -> tuple[str, ...]:
    names = [*_names(at(member, "roleNames")), *_names(at(member, "implicitRoleNames"))]
    subject = at(member, "subject")
    return (
        text_at(subject, "kind"),
        text_at(subject, "name"),
        " ".join(names),
        text_at(subject, "guid"),
    )


def _invited(invitation: Document) -> tuple[str, ...]:
    return (
        text_at(invitation, "spec", "email"),
        " ".join(_names(at(invitation, "spec", "roleNames"))),
        text_at(invitation, "spec", "inviter"),
        text_at(invitation, "spec", "expiresAt"),
        text_at(invitation, "metadata", "guid"),
    )


def _names(found: object) -> list[str]:
    return [str(each) for each in found] if isinstance(found, list) else []
