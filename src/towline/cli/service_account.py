"""``towline service-account``: accounts of programs, which have tokens and no password."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from towline.cli import flags, roles
from towline.cli.client import in_organization, part
from towline.cli.documents import Document, at, documents_at, text_at
from towline.cli.output import say, show, show_one, tell
from towline.cli.token import refuse_present, save

if TYPE_CHECKING:
    import argparse

DESCRIPTION = """\
A service account is a member of the organization that is a program: it has roles in projects, tokens
with an end, and no password. Unlike a token of yours it stays when you leave.
"""
EXAMPLES = """\
examples:
  towline service-account create ci --role demo=developer
  towline service-account token ci --days 30 --save ci-token
  towline service-account token ci --scope deployments:write --project demo
  towline service-account tokens ci
  towline service-account revoke ci 218340104598735
"""

_PATH = "/v2/serviceaccounts/"
_COLUMNS = ("NAME", "ROLES", "DESCRIPTION", "MADE", "GUID")
_TOKENS = ("TOKEN", "SCOPES", "PROJECT", "MADE", "EXPIRES")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    group = flags.verbs(parser)
    create = flags.verb(
        group,
        "create",
        _create,
        summary="make a service account",
        examples="towline service-account create ci --role demo=developer",
    )
    create.add_argument("--description", metavar="TEXT", default="", help="what it is for")
    roles.argument(create, summary="a role in a project; once for each")
    flags.output(create)
    flags.output(
        flags.verb(
            group,
            "list",
            _list,
            summary="list the service accounts",
            examples="towline service-account list",
        )
    )
    delete = flags.verb(
        group,
        "delete",
        _delete,
        summary="delete a service account; its tokens die at once",
        examples="towline service-account delete ci --yes",
    )
    flags.yes(delete)
    token, tokens, revoke = _about_tokens(group)
    for verb in (create, token, tokens, revoke, delete):
        verb.add_argument("name", metavar="NAME")
    revoke.add_argument("token", metavar="TOKEN", help="its number, as `tokens` lists it")


def _about_tokens(
    group: flags.Verbs,
) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser, argparse.ArgumentParser]:
    token = flags.verb(
        group,
        "token",
        _token,
        summary="make a token and print it, this once",
        examples="towline service-account token ci --days 30 --save ci-token",
    )
    token.add_argument("--days", type=int, default=90, help="for how long (default: %(default)s)")
    token.add_argument(
        "--scope", metavar="SCOPE", action="append", default=[], help="no more than this; once for each"
    )
    token.add_argument(
        "--this-project", action="store_true", help="only in the chosen project, not wherever it has roles"
    )
    token.add_argument(
        "--save", metavar="FILE", help="write it to a new file that only you can read, and do not print it"
    )
    tokens = flags.verb(
        group, "tokens", _list_tokens, summary="list the tokens", examples="towline service-account tokens ci"
    )
    flags.output(tokens)
    revoke = flags.verb(
        group,
        "revoke",
        _revoke,
        summary="end a token",
        examples="towline service-account revoke ci 218340104598735",
    )
    return token, tokens, revoke


def run(args: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    code: int = args.do(args)
    return code


def _create(args: argparse.Namespace) -> int:
    spec: Document = {
        "description": args.description,
        "roles": [{"domain": domain, "roleNames": [role]} for domain, role in roles.pairs(args.role)],
    }
    body = {"kind": "ServiceAccount", "metadata": {"name": args.name}, "spec": spec}
    show_one(in_organization(args).call("POST", _PATH, body), args.output, details=_details)
    return 0


def _list(args: argparse.Namespace) -> int:
    show(in_organization(args).items(_PATH), args.output, columns=_COLUMNS, row=_row)
    return 0


def _token(args: argparse.Namespace) -> int:
    client = in_organization(args)
    if args.save:
        refuse_present(args.save)
    body: Document = {"days": args.days}
    if args.scope:
        body["scopes"] = args.scope
    if args.this_project:
        body["projectGUID"] = client.context.project
    made = client.call("POST", f"{_PATH}{part(args.name)}/tokens/", body)
    if args.save:
        save(args.save, text_at(made, "token"))
        tell(f"the token is in {args.save}, which only you can read")
    else:
        sys.stdout.write(f"{text_at(made, 'token')}\n")
        tell("this is the only time that the token is shown")
    tell(f"token {text_at(made, 'id')} of {args.name} is good until {text_at(made, 'expiry_at')}")
    return 0


def _list_tokens(args: argparse.Namespace) -> int:
    items = in_organization(args).items(f"{_PATH}{part(args.name)}/tokens/")
    show(items, args.output, columns=_TOKENS, row=_token_row)
    return 0


def _revoke(args: argparse.Namespace) -> int:
    in_organization(args).call("DELETE", f"{_PATH}{part(args.name)}/tokens/{part(args.token)}/")
    say(f"token {args.token} of {args.name} is revoked")
    return 0


def _delete(args: argparse.Namespace) -> int:
    client = in_organization(args)
    flags.confirm(args, f"Delete service account {args.name} and end its tokens?")
    client.call("DELETE", f"{_PATH}{part(args.name)}/")
    say(f"service account {args.name} is deleted")
    return 0


def _row(account: Document) -> tuple[str, ...]:
    held = []
    for each in documents_at(account, "spec", "roles"):
        names = at(each, "roleNames")
        held.append(f"{text_at(each, 'domain', 'name')}={_joined(names)}")
    return (
        text_at(account, "metadata", "name"),
        " ".join(held),
        text_at(account, "spec", "description"),
        text_at(account, "metadata", "createdAt"),
        text_at(account, "metadata", "guid"),
    )


def _details(account: Document) -> tuple[tuple[str, str], ...]:
    return tuple(zip(("name", "roles", "description", "made", "guid"), _row(account), strict=True))


def _token_row(token: Document) -> tuple[str, ...]:
    return (
        text_at(token, "id"),
        _joined(at(token, "scopes")).replace(",", " ") or "all",
        text_at(token, "projectGUID") or "all",
        text_at(token, "createdAt"),
        text_at(token, "expiry_at"),
    )


def _joined(names: object) -> str:
    return ",".join(map(str, names)) if isinstance(names, list) else ""
