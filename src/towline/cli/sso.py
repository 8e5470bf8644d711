"""``towline sso``: which groups of the sign-in provider give which roles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.cli import flags, roles
from towline.cli.client import in_organization, part
from towline.cli.documents import Document, documents_at, text_at
from towline.cli.failure import Failure
from towline.cli.output import say, show

if TYPE_CHECKING:
    import argparse

    from towline.cli.client import Client

DESCRIPTION = """\
People who sign in with the server's provider (towline serve --oidc-issuer) bring the groups that they are
in there. Each rule gives who is in a group a role here. Rules hold from the next sign-in on, and what a
person lost there is lost here then.
"""
EXAMPLES = """\
examples:
  towline sso list
  towline sso map engineers --organization-role member --role demo=developer
  towline sso map admins --organization-role admin
  towline sso map on-call --group operators
  towline sso unmap engineers
"""

_COLUMNS = ("GROUP THERE", "KIND", "WHERE", "ROLE")
_ORGANIZATION_ROLES = {"member": "rio-org_member", "admin": "rio-org_admin"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    group = flags.verbs(parser)
    flags.output(flags.verb(group, "list", _list, summary="list the rules", examples="towline sso list"))
    map_it = flags.verb(
        group,
        "map",
        _map,
        summary="give who is in a group of the provider roles here, beside what other rules give",
        examples="towline sso map engineers --role demo=developer",
    )
    unmap = flags.verb(
        group,
        "unmap",
        _unmap,
        summary="forget all rules about a group of the provider",
        examples="towline sso unmap engineers",
    )
    for verb in (map_it, unmap):
        verb.add_argument("claim", metavar="GROUP", help="the group's name as the provider sends it")
    map_it.add_argument("--organization-role", choices=tuple(_ORGANIZATION_ROLES))
    roles.argument(map_it, summary="a role in a project; once for each")
    map_it.add_argument(
        "--group", metavar="NAME", action="append", default=[], help="makes a member of this user group"
    )


def run(args: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    code: int = args.do(args)
    return code


def _list(args: argparse.Namespace) -> int:
    show(_rules(in_organization(args)), args.output, columns=_COLUMNS, row=_row)
    return 0


def _map(args: argparse.Namespace) -> int:
    client = in_organization(args)
    wanted = roles.pairs(args.role)
    if args.organization_role:
        where: Document = {"kind": "Organization", "guid": client.organization}
        wanted.append((where, _ORGANIZATION_ROLES[args.organization_role]))
    wanted += [({"kind": "UserGroup", "name": name}, "rio-group_member") for name in args.group]
    if not wanted:
        raise Failure("say which role: --role PROJECT=ROLE, --organization-role or --group", code=2)
    made = [{"claim": args.claim, "domain": domain, "roleName": role} for domain, role in wanted]
    _put(client, [*_rules(client), *made])
    say(f"who is in {args.claim} holds this from the next sign-in on")
    return 0


def _unmap(args: argparse.Namespace) -> int:
    client = in_organization(args)
    known = _rules(client)
    kept = [each for each in known if text_at(each, "claim") != args.claim]
    if len(kept) == len(known):
        raise Failure(f"there is no rule about {args.claim!r}; `towline sso list` shows them", code=3)
    _put(client, kept)
    say(f"{args.claim} gives nothing from the next sign-in on")
    return 0


def _path(client: Client) -> str:
    return f"/v2/organizations/{part(client.organization)}/claims/"


def _rules(client: Client) -> list[Document]:
    return documents_at(client.get(_path(client)), "spec", "rules")


def _put(client: Client, rules: list[Document]) -> None:
    client.call("PUT", _path(client), {"kind": "ClaimRules", "spec": {"rules": rules}})


def _row(rule: Document) -> tuple[str, ...]:
    return (
        text_at(rule, "claim"),
        text_at(rule, "domain", "kind"),
        text_at(rule, "domain", "name"),
        text_at(rule, "roleName"),
    )
