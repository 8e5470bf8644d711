"""``towline token``: tokens for programs, each allowed what its scopes say and no more."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.client import opened, part, signed_in
from towline.cli.documents import Document, at, text_at
from towline.cli.failure import Failure
from towline.cli.output import say, show, show_one, tell

if TYPE_CHECKING:
    import argparse

    from towline.cli.client import Client

DESCRIPTION = """\
Tokens let programs act for you, in one project unless told otherwise, and only as far as their scopes
say and your own role allows. A token is printed once, when it is made.
"""
EXAMPLES = """\
examples:
  towline token create laptop --scope 'secrets:use:*' --scope credentials:store
  towline token create node-7 --scope secrets:use:prod-registry --days 365 --save token
  towline token create ci --scope images:prove --scope packages:write --scope deployments:write
  towline token revoke node-7
"""

_COLUMNS = ("NAME", "SCOPES", "PROJECT", "MADE", "EXPIRES", "GUID")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    group = flags.verbs(parser)
    create = flags.verb(
        group,
        "create",
        _create,
        summary="make a token and print it, this once",
        examples="towline token create laptop --scope 'secrets:use:*' --days 30",
    )
    create.add_argument("name", metavar="NAME", help="what the token is for")
    create.add_argument(
        "--scope",
        metavar="SCOPE",
        action="append",
        required=True,
        help="what it may do, for example secrets:use:NAME or deployments:write; once for each",
    )
    create.add_argument("--days", type=int, default=90, help="for how long (default: %(default)s)")
    create.add_argument("--all-projects", action="store_true", help="do not limit it to the chosen project")
    create.add_argument(
        "--save", metavar="FILE", help="write it to a new file that only you can read, and do not print it"
    )
    flags.output(create)
    flags.output(flags.verb(group, "list", _list, summary="list your tokens", examples="towline token list"))
    revoke = flags.verb(
        group, "revoke", _revoke, summary="end a token", examples="towline token revoke laptop"
    )
    revoke.add_argument("name", metavar="NAME", help="name or guid")


def run(args: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    code: int = args.do(args)
    return code


def _create(args: argparse.Namespace) -> int:
    client = signed_in(args) if args.all_projects else opened(args)
    spec: Document = {"scopes": args.scope, "days": args.days}
    if not args.all_projects:
        if not client.context.project:
            raise Failure("no project is chosen; use --project, or say --all-projects", code=2)
        spec["projectGUID"] = client.context.project
    body = {"kind": "Token", "metadata": {"name": args.name}, "spec": spec}
    if args.save:
        refuse_present(args.save)
    elif args.output == "name":
        raise Failure("-o name does not show the token, and nothing shows it later; add --save FILE", code=2)
    made = client.call("POST", "/v2/tokens/", body)
    if args.save:
        save(args.save, str(made.pop("token", "")))
        tell(f"the token is in {args.save}, which only you can read")
    if args.output == "table" and not args.save:
        sys.stdout.write(f"{text_at(made, 'token')}\n")
        tell("this is the only time that the token is shown")
    if args.output != "table":
        show_one(made, args.output, details=lambda _: ())
    until, where = (
        text_at(made, "spec", "expiresAt"),
        "all your projects" if args.all_projects else "one project",
    )
    tell(f"token {args.name} is good for {where} until {until}: {' '.join(args.scope)}")
    return 0


def _list(args: argparse.Namespace) -> int:
    show(_programs(signed_in(args)), args.output, columns=_COLUMNS, row=_row)
    return 0


def _revoke(args: argparse.Namespace) -> int:
    client = signed_in(args)
    names = (("metadata", "guid"), ("metadata", "name"))
    found = [each for each in _programs(client) if args.name in (text_at(each, *path) for path in names)]
    if not found:
        raise Failure(f"you have no token {args.name!r}; `towline token list` shows yours", code=3)
    if len(found) > 1:
        raise Failure(f"several tokens are called {args.name!r}; give the guid", code=4)
    client.call("DELETE", f"/v2/tokens/{part(text_at(found[0], 'metadata', 'guid'))}/")
    say(f"token {text_at(found[0], 'metadata', 'name')} is revoked")
    return 0


def _programs(client: Client) -> list[Document]:
    return [each for each in client.items("/v2/tokens/") if text_at(each, "spec", "kind") == "api"]


def _row(token: Document) -> tuple[str, ...]:
    scopes = at(token, "spec", "scopes")
    return (
        text_at(token, "metadata", "name"),
        " ".join(map(str, scopes)) if isinstance(scopes, list) else text_at(token, "spec", "level"),
        text_at(token, "spec", "projectGUID") or "all",
        text_at(token, "metadata", "createdAt"),
        text_at(token, "spec", "expiresAt"),
        text_at(token, "metadata", "guid"),
    )


def refuse_present(path: str) -> None:
    """Raise Failure where there is a file already."""
    if Path(path).exists():
        raise Failure(f"{path} is there already; remove it or name another file", code=2)


def save(path: str, text: str) -> None:
    """Write a token to a new file that only its owner can read; raise Failure."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{text}\n")
    except OSError as error:
        raise Failure(
            f"{path} cannot be written ({error.strerror}); the token is lost: revoke it and make another",
            code=2,
        ) from error
