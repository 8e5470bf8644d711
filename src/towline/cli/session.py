"""``towline session``: where one is signed in, and ending that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.client import part, signed_in
from towline.cli.documents import Document, at, text_at
from towline.cli.failure import Failure
from towline.cli.output import say, show

if TYPE_CHECKING:
    import argparse

DESCRIPTION = """\
A session begins when you sign in, in a browser or here, or when you let a program in. Ending one ends
the programs that it let in. Tokens that you made with `towline token` are not sessions.
"""
EXAMPLES = """\
examples:
  towline session list
  towline session end qtgsqfet
  towline session end --others
"""

_COLUMNS = ("SESSION", "VIA", "FROM", "SIGNED IN", "ENDS", "")
_SHORT = 8


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    group = flags.verbs(parser)
    flags.output(
        flags.verb(group, "list", _list, summary="list your sessions", examples="towline session list")
    )
    end = flags.verb(
        group, "end", _end, summary="end one session, or all others", examples="towline session end --others"
    )
    end.add_argument("name", metavar="SESSION", nargs="?", help="its guid, or the end of that as listed")
    end.add_argument("--others", action="store_true", help="end all of your sessions but this one")
    flags.yes(end)


def run(args: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    code: int = args.do(args)
    return code


def _list(args: argparse.Namespace) -> int:
    show(signed_in(args).items("/v2/sessions/"), args.output, columns=_COLUMNS, row=_row)
    return 0


def _end(args: argparse.Namespace) -> int:
    if bool(args.name) == args.others:
        raise Failure("name one session, or say --others", code=2)
    client = signed_in(args)
    if args.others:
        flags.confirm(args, "End all of your sessions but this one, with the programs that they let in?")
        client.call("DELETE", "/v2/sessions/")
        say("all other sessions are ended")
        return 0
    known = [text_at(each, "metadata", "guid") for each in client.items("/v2/sessions/")]
    found = [guid for guid in known if guid == args.name or guid[-_SHORT:] == args.name]
    if len(found) != 1:
        raise Failure(f"you have no session {args.name!r}; `towline session list` shows yours", code=3)
    client.call("DELETE", f"/v2/sessions/{part(found[0])}/")
    say(f"session {args.name} is ended")
    return 0


def _row(session: Document) -> tuple[str, ...]:
    return (
        text_at(session, "metadata", "guid")[-_SHORT:],
        text_at(session, "spec", "via"),
        text_at(session, "spec", "peer"),
        text_at(session, "metadata", "createdAt"),
        text_at(session, "spec", "expiresAt"),
        "this one" if at(session, "spec", "current") is True else "",
    )
