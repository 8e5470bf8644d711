"""``towline admin migrate-store``: from SQLite to PostgreSQL or back."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.admin_backup import NOBODY_COULD_TELL, ProgressLine
from towline.cli.output import say, tell

if TYPE_CHECKING:
    from towline.moving import Outcome, Place

ABOUT = """\
Copy an installation into another kind of database, and let that take over. The server may run meanwhile: then
everything is copied and nothing switched over; stop the server and run the same again, which copies only what
changed since. A run that broke off is continued in the same way. The target must be empty.

FROM and TO are a data folder and a PostgreSQL address. A password stands in TOWLINE_DATABASE (the same
address with the password), in the file of TOWLINE_DATABASE_PASSWORD_FILE, or in PostgreSQL's own .pgpass.
The keyring is not copied: it stays in the data folder, and every sealed value is opened with it as a proof.
"""
EXAMPLES = """\
examples:
  towline admin migrate-store --from /var/lib/towline --to postgresql://towline@db.example.com/towline
  towline admin migrate-store --from postgresql://towline@db.example.com/towline --to /srv/towline
"""


def configure(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "migrate-store",
        help="move from SQLite to PostgreSQL or back",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--from", dest="origin", metavar="FROM", required=True, help="where everything is")
    parser.add_argument("--to", dest="target", metavar="TO", required=True, help="an empty place for it")
    parser.add_argument("--data", metavar="FOLDER", help="the folder of the keyring [TOWLINE_DATA]")
    parser.add_argument(
        "--accept-unreadable",
        action="store_true",
        help="also switch over when the keyring does not open every sealed value",
    )
    flags.output(parser, flags.TABLE_OR_JSON)
    parser.set_defaults(do=_move)


def _move(args: argparse.Namespace) -> int:
    from towline import config, moving

    origin, target = _place(args.origin), _place(args.target)
    folder = next((str(place) for place in (origin, target) if isinstance(place, Path)), None)
    settings = config.load({"data": args.data or folder, "database": ""})
    outcome = asyncio.run(
        moving.move(
            settings,
            origin,
            target,
            accept_unreadable=args.accept_unreadable,
            progress=ProgressLine("compared"),
        )
    )
    if args.output == "json":
        _print(outcome)
    else:
        _tell(outcome, args)
    return NOBODY_COULD_TELL if outcome.finished and outcome.unopened is None else 0


def _place(text: str) -> Place:
    from towline.config import PREFIX
    from towline.store.address import SCHEMES, DatabaseAddress, configured_address

    if not text.startswith(tuple(f"{scheme}://" for scheme in SCHEMES)):
        return Path(text).expanduser().absolute()
    file = os.environ.get(f"{PREFIX}DATABASE_PASSWORD_FILE", "")
    address = configured_address({"database": text, "database_password_file": file}, flags=("database",))
    if own := os.environ.get(f"{PREFIX}DATABASE"):
        known = DatabaseAddress.parse(own)
        if address is not None and known.url == address.url and known.password is not None:
            return known
    return address or Path(text)


def _tell(outcome: Outcome, args: argparse.Namespace) -> None:
    rows = sum(outcome.moved.rows.values())
    say(f"{rows} rows of {len(outcome.moved.rows)} tables are equal, {outcome.moved.written} written now")
    if not outcome.finished:
        tell(f"A server still works on {args.origin}. Stop it and run the same again to switch over.")
        return
    for line in outcome.unopened or ():
        tell(f"Does not open: {line}")
    if outcome.unopened is None:
        tell(f"There is no keyring at hand: nobody can tell whether {outcome.sealed} sealed values open.")
    elif not outcome.unopened:
        say(f"the audit trail holds together; all {outcome.sealed} sealed values open")
    where = f"--data {args.target}" if "://" not in args.target else f"--database {args.target}"
    say(f"start it with: towline serve {where}")


def _print(outcome: Outcome) -> None:
    document = {
        "finished": outcome.finished,
        "rows": dict(outcome.moved.rows),
        "written": outcome.moved.written,
        "sealed": {
            "values": outcome.sealed,
            "unreadable": None if outcome.unopened is None else list(outcome.unopened),
        },
    }
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
