"""``towline group``: user groups, which hold roles for their members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.cli import flags, roles
from towline.cli.client import in_organization, part
from towline.cli.documents import Document, documents_at, text_at
from towline.cli.output import say, show, show_one

if TYPE_CHECKING:
    import argparse

DESCRIPTION = """\
A user group holds roles in projects for its members, who are members of the organization.
"""
EXAMPLES = """\
examples:
  towline group create operators --member max@example.com --role demo=developer
  towline group set operators --member max@example.com --member ann@example.com
  towline group delete operators --yes
"""

_PATH = "/v2/usergroups/"
_COLUMNS = ("NAME", "MEMBERS", "ROLES", "DESCRIPTION", "GUID")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    group = flags.verbs(parser)
    flags.output(flags.verb(group, "list", _list, summary="list the groups", examples="towline group list"))
    show_it = flags.verb(
        group,
        "show",
        _show,
        summary="show a group with its members and roles",
        examples="towline group show operators",
    )
    create = flags.verb(
        group,
        "create",
        _create,
        summary="make a group",
        examples="towline group create operators --member max@example.com --role demo=developer",
    )
    change = flags.verb(
        group,
        "set",
        _set,
        summary="replace a group's members or roles; what is not given stays",
        examples="towline group set operators --member max@example.com",
    )
    delete = flags.verb(
        group, "delete", _delete, summary="delete a group", examples="towline group delete operators --yes"
    )
    for verb in (show_it, create, change, delete):
        verb.add_argument("name", metavar="NAME")
    _contents(create, change)
    for verb in (show_it, create, change):
        flags.output(verb)
    flags.yes(delete)


def _contents(*verbs: argparse.ArgumentParser) -> None:
    for verb in verbs:
        verb.add_argument("--description", metavar="TEXT", help="what the group is for")
        verb.add_argument(
            "--member", metavar="EMAIL", action="append", default=[], help="who is in it; once for each"
        )
        verb.add_argument(
            "--admin", metavar="EMAIL", action="append", default=[], help="who may change its members"
        )
        roles.argument(verb, summary="a role that it holds in a project; once for each")


def run(args: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    code: int = args.do(args)
    return code


def _list(args: argparse.Namespace) -> int:
    show(in_organization(args).items(_PATH), args.output, columns=_COLUMNS, row=_row)
    return 0


def _show(args: argparse.Namespace) -> int:
    show_one(in_organization(args).get(f"{_PATH}{part(args.name)}/"), args.output, details=_details)
    return 0


def _create(args: argparse.Namespace) -> int:
    made = in_organization(args).call("POST", _PATH, _body(args))
    show_one(made, args.output, details=_details)
    return 0


def _set(args: argparse.Namespace) -> int:
    client = in_organization(args)
    path = f"{_PATH}{part(args.name)}/"
    if args.description is None:
        args.description = text_at(client.get(path), "spec", "description")
    show_one(client.call("PUT", path, _body(args)), args.output, details=_details)
    return 0


def _delete(args: argparse.Namespace) -> int:
    client = in_organization(args)
    flags.confirm(args, f"Delete user group {args.name}? Its members lose what it gives.")
    client.call("DELETE", f"{_PATH}{part(args.name)}/")
    say(f"user group {args.name} is deleted")
    return 0


def _body(args: argparse.Namespace) -> Document:
    spec: Document = {"description": args.description}
    if args.member or args.admin:
        spec["members"] = [
            *(_member(email, "rio-group_admin") for email in args.admin),
            *(_member(email, "rio-group_member") for email in args.member if email not in args.admin),
        ]
    if args.role:
        spec["roles"] = [{"domain": domain, "roleName": role} for domain, role in roles.pairs(args.role)]
    return {"kind": "UserGroup", "metadata": {"name": args.name}, "spec": spec}


def _member(email: str, role: str) -> Document:
    return {"subject": {"kind": "User", "name": email}, "roleNames": [role]}


def _row(group: Document) -> tuple[str, ...]:
    held = (
        f"{text_at(each, 'domain', 'name')}={text_at(each, 'roleName')}"
        for each in documents_at(group, "spec", "roles")
    )
    return (
        text_at(group, "metadata", "name"),
        text_at(group, "spec", "membersCount"),
        " ".join(held),
        text_at(group, "spec", "description"),
        text_at(group, "metadata", "guid"),
    )


def _details(group: Document) -> tuple[tuple[str, str], ...]:
    members = ", ".join(text_at(each, "subject", "name") for each in documents_at(group, "spec", "members"))
    name, _, held, about, guid = _row(group)
    return (("name", name), ("description", about), ("members", members), ("roles", held), ("guid", guid))
