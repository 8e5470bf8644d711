"""``towline admin backup`` and ``restore``: all that a server keeps, in one file and back."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.output import coloured, say, tell

if TYPE_CHECKING:
    from towline.domain.backup import Receipt
    from towline.upkeep import Examined, Kept

CANNOT_BE_READ, NOBODY_COULD_TELL = 6, 8
_LINE_ANEW = "\r\x1b[2K"
_REDRAW_SECONDS = 0.1
_MOST_TOLD = 20

BACKUP = """\
Write all that the server keeps into FILE, while it runs or not. Passwords stay sealed: the keyring that opens
them is not in it and must be kept apart. An older backup at FILE is replaced only by a whole new one.
With the word 'verify' before FILE: restore it into a temporary place and say whether it is whole.
"""
RESTORE = """\
Make a server's database of a backup, in a data folder that has none or, where TOWLINE_DATABASE or the
settings file name one, in an empty database of PostgreSQL's. What comes back is counted and proved:
checksum, rows, audit trail, and that the keyring opens every sealed value. People sign in again.
"""


def configure(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add both commands."""
    backup = _command(
        commands,
        "backup",
        "write a backup while the server runs, or verify one",
        about=BACKUP,
        examples="towline admin backup /var/backups/towline.backup\n"
        "  towline admin backup verify /var/backups/towline.backup",
        run=_backup,
    )
    backup.add_argument(
        "verify", nargs="?", choices=("verify",), help="only read FILE, and say what it is worth"
    )
    backup.add_argument("file", metavar="FILE", help="the backup")
    backup.add_argument(
        "--include-keyring",
        metavar="KEYFILE",
        help="also write the keyring, into this new file of its own; keep the two apart",
    )
    restore = _command(
        commands,
        "restore",
        "make the database of a backup in an empty place",
        about=RESTORE,
        examples="towline admin restore /var/backups/towline.backup --data /var/lib/towline",
        run=_restore,
    )
    restore.add_argument("file", metavar="FILE", help="the backup")


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
    *,
    about: str,
    examples: str,
    run: object,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=about,
        epilog=f"examples:\n  {examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    flags.data(parser)
    flags.output(parser, flags.TABLE_OR_JSON)
    parser.set_defaults(do=run)
    return parser


def _backup(args: argparse.Namespace) -> int:
    from towline import config, upkeep
    from towline.domain.errors import InvalidInput

    settings, path = config.load({"data": args.data}), Path(args.file)
    if args.verify:
        if args.include_keyring:
            raise InvalidInput("include_keyring", problem="says nothing to 'verify'", rule="leave it out")
        examined = asyncio.run(upkeep.examine(settings, path, progress=ProgressLine("verified")))
        return _told(examined, args, verb="is", keyring=str(settings.folder))
    copy = Path(args.include_keyring) if args.include_keyring else None
    kept = asyncio.run(upkeep.keep_backup(settings, path, keyring_to=copy, progress=ProgressLine("kept")))
    if args.output == "json":
        _print({**_receipt(kept.receipt, path), "keyring": _keyring(kept)})
        return 0
    say(_summary(kept.receipt, path))
    _warn_of_keyring(kept)
    return 0


def _restore(args: argparse.Namespace) -> int:
    from towline import config, upkeep

    settings, path = config.load({"data": args.data}), Path(args.file)
    examined = asyncio.run(upkeep.restore(settings, path, progress=ProgressLine("restored")))
    code = _told(examined, args, verb="was restored and is", keyring=str(settings.folder))
    if args.output == "table":
        say(f"start it as before, with the data folder {settings.folder}")
        tell("Do not start it while the server that the backup was taken of still runs on the same engine.")
    return code


def _told(examined: Examined, args: argparse.Namespace, *, verb: str, keyring: str) -> int:
    """Tell what was found; return the exit code."""
    path = Path(args.file)
    if args.output == "json":
        _print(
            {
                **_receipt(examined.receipt, path),
                "audit": {"whole": examined.audit_broken_at is None, "brokenAt": examined.audit_broken_at},
                "sealed": {
                    "values": examined.sealed,
                    "unreadable": None if examined.unopened is None else list(examined.unopened),
                },
            }
        )
    else:
        say(_summary(examined.receipt, path))
        _tell_findings(examined, path, verb=verb, keyring=keyring)
    if not examined.is_whole:
        return CANNOT_BE_READ
    return NOBODY_COULD_TELL if examined.unopened is None and examined.sealed else 0


def _tell_findings(examined: Examined, path: Path, *, verb: str, keyring: str) -> None:
    if examined.audit_broken_at is not None:
        tell(f"The audit trail does not hold together from row {examined.audit_broken_at} on.")
    if examined.unopened is None:
        tell(
            f"There is no keyring in {keyring}: whether its {examined.sealed} sealed values open, nobody can"
            " tell. Put keyring.json there, or set TOWLINE_KEYRING or TOWLINE_KEYRING_COMMAND."
        )
        return
    for line in examined.unopened[:_MOST_TOLD]:
        tell(f"Does not open: {line}")
    if len(examined.unopened) > _MOST_TOLD:
        tell(f"... and {len(examined.unopened) - _MOST_TOLD} more; -o json tells all")
    if examined.is_whole:
        say(f"{path} {verb} whole: rows, checksum, audit trail; all {examined.sealed} sealed values open")


def _summary(receipt: Receipt, path: Path) -> str:
    manifest, contents = receipt.manifest, receipt.manifest.contents
    return (
        f"{path}: {contents.rows} rows of {len(contents.tables)} tables, {receipt.size} bytes,"
        f" taken {manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC by towline {manifest.towline}"
    )


def _warn_of_keyring(kept: Kept) -> None:
    if kept.keyring_copy is not None:
        say(f"{kept.keyring_copy}: the keyring. Who has both files has every password: keep them apart.")
        return
    tell(
        f"The keyring is not in it: {kept.keyring}. Keep a copy of that elsewhere;"
        " without it no password of this backup opens."
    )


def _receipt(receipt: Receipt, path: Path) -> dict[str, object]:
    contents = receipt.manifest.contents
    return {
        "file": str(path),
        "bytes": receipt.size,
        "sha256": receipt.sha256,
        "towline": receipt.manifest.towline,
        "takenAt": receipt.manifest.taken_at.isoformat(),
        "database": contents.database,
        "schema": contents.schema,
        "rows": contents.rows,
        "tables": {table.name: table.rows for table in contents.tables},
    }


def _keyring(kept: Kept) -> dict[str, object]:
    return {"keptIn": kept.keyring, "copiedTo": str(kept.keyring_copy) if kept.keyring_copy else None}


def _print(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


class ProgressLine:
    """Shows how far it is on one line of a terminal; elsewhere nothing."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._shown = coloured() and sys.stderr.isatty()
        self._due = 0.0

    def __call__(self, done: int, total: int) -> None:
        if not self._shown or (done < total and time.monotonic() < self._due):
            return
        self._due = time.monotonic() + _REDRAW_SECONDS
        end = _LINE_ANEW if done >= total else ""
        sys.stderr.write(f"{_LINE_ANEW}{self._verb} {done} of {total} rows{end}")
        sys.stderr.flush()
