"""``towline admin audit``: proving, exporting and pruning the audit trail, on the server's own machine."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.output import say, tell

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    from towline.domain.audit_chain import Report
    from towline.services.audit_trail import AuditTrail

    Verb = Callable[[argparse.Namespace, AuditTrail], Awaitable[int]]

SUMMARY = "prove that the audit trail was not rewritten, and export it"
EXAMPLES = """\
examples:
  towline admin audit verify
  towline admin audit verify --anchor /mnt/worm/towline-audit.anchor
  towline admin audit export --since 2026-01-01 > audit.jsonl
  towline admin audit key > audit.pub
  towline admin audit verify --export audit.jsonl --public-key HEX
  towline admin audit close
"""
_BROKEN = 1
_CANNOT_TELL = 8
_UNSIGNED_FOR = 3600


def configure(commands: flags.Verbs) -> None:
    """Add ``audit`` and its verbs."""
    audit = commands.add_parser("audit", help=SUMMARY, epilog=EXAMPLES, formatter_class=flags.RAW)
    group = audit.add_subparsers(dest="audit_command", metavar="COMMAND", required=True)
    verify = _verb(group, "verify", _verify, "walk over all rows and signatures, here or of an export")
    verify.add_argument("--export", metavar="FILE", help="an export instead of the database; needs no server")
    verify.add_argument(
        "--public-key",
        metavar="HEX",
        action="append",
        default=[],
        help="believe this key only; may be given again. Without: the keys that the keyring opens",
    )
    verify.add_argument(
        "--anchor", metavar="FILE", help="statements kept elsewhere, which the trail must hold too"
    )
    flags.output(verify, flags.TABLE_OR_JSON)
    export = _verb(group, "export", _export, "print rows as lines of JSON, with a signed end")
    export.add_argument(
        "--since", metavar="TIME", default="", help="first moment, as 2026-01-31 or 2026-01-31T12:00:00Z"
    )
    export.add_argument("--until", metavar="TIME", default="", help="the rows from before this moment")
    _verb(group, "key", _key, "print the public key that statements are signed by")
    _verb(group, "sign", _sign, "sign a statement about the newest row now")
    close = _verb(group, "close", _close, "after the signing key was lost: go on under another one")
    flags.yes(close)


def _verb(group: flags.Verbs, name: str, do: Verb, summary: str) -> argparse.ArgumentParser:
    parser = group.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    flags.data(parser)
    parser.add_argument("--config", metavar="FILE", help="settings file instead of DATA/towline.toml")
    parser.set_defaults(do=run, do_audit=do)
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the verb with the settings that the server has; return the exit code."""
    from towline import eventlog

    eventlog.configure("warning", form="text")
    if getattr(args, "export", None):
        return _verify_export(args)
    return asyncio.run(_run(args))


async def _run(args: argparse.Namespace) -> int:
    from towline import app, config

    do: Verb = args.do_audit
    settings = config.load({"data": args.data, "config": args.config})
    async with app.audit_administration(settings) as trail:
        return await do(args, trail)


def _verify_export(args: argparse.Namespace) -> int:
    from towline.domain.audit_export import verified
    from towline.domain.errors import InvalidInput
    from towline.store.signing import Ed25519Signing

    if not args.public_key:
        raise InvalidInput(
            "--public-key", problem="is missing", rule="give what towline admin audit key prints"
        )
    with Path(args.export).open("rb") as lines:
        report = verified(lines, tuple(args.public_key), Ed25519Signing().check)
    return _told(report, args.output)


async def _verify(args: argparse.Namespace, trail: AuditTrail) -> int:
    from towline.store.anchor import anchored_in

    anchors = anchored_in(Path(args.anchor)) if args.anchor else ()
    report = await trail.verify(public_keys=tuple(args.public_key), anchors=anchors, told=_progress())
    return _told(report, args.output)


async def _export(args: argparse.Namespace, trail: AuditTrail) -> int:
    from towline.domain.uses import moment_of

    since = moment_of(args.since, field="--since")
    until = moment_of(args.until, field="--until")
    async for line in trail.export(since=since, until=until):
        sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
    return 0


async def _key(_: argparse.Namespace, trail: AuditTrail) -> int:
    say(await trail.public_key())
    return 0


async def _sign(_: argparse.Namespace, trail: AuditTrail) -> int:
    statement = await trail.sign()
    say(f"row {statement.seq} is signed" if statement else "there is no row to sign")
    return 0


async def _close(args: argparse.Namespace, trail: AuditTrail) -> int:
    lost = await trail.lost_signers()
    if lost:
        flags.confirm(
            args,
            f"The keyring does not open the key {' '.join(lost)}, which signed the audit trail. Close its"
            " part? From then on nobody can tell here what was done to those rows before now; who kept the"
            " public key still can. The key is let go of: do not do this where the keyring may come back.",
        )
    statement = await trail.close(actor="admin")
    say(f"rows up to {statement.seq} are closed as they stand; from here on {statement.public_key} signs")
    return 0


def _told(report: Report, output: str) -> int:
    stale = _is_stale(report)
    if output == "json":
        document = {
            "ok": not report.problem,
            "rows": report.rows,
            "first": report.first,
            "last" if not report.problem else "first_bad": report.seq,
            "signed_to": report.signed_to,
            "unsigned": report.unsigned,
            "closed_to": report.closed_to,
            "problem": report.problem,
        }
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    elif report.problem:
        say(f"NOT GENUINE: {report.problem}")
    else:
        stretch = f"{report.first} to {report.seq}, signed up to {report.signed_to}"
        say(f"{report.rows} rows hold together: {stretch}")
        if report.closed_to:
            say(
                f"rows up to {report.closed_to} were signed by a key that was lost: what was done to them"
                " before they were closed cannot be told any more"
            )
    if stale and not report.problem:
        tell(
            f"the last {report.unsigned} rows are older than an hour and not signed: either no server ran, or"
            " statements were taken away; compare with an anchor"
        )
    return _BROKEN if report.problem else _CANNOT_TELL if stale else 0


def _is_stale(report: Report) -> bool:
    """Whether rows wait for a signature for longer than a server that runs lets them."""
    from datetime import UTC, datetime

    oldest = report.oldest_unsigned
    return oldest is not None and (datetime.now(UTC) - oldest).total_seconds() > _UNSIGNED_FOR


def _progress() -> Callable[[int, int], None]:
    def told(done: int, total: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{done} of {total} rows" + ("\n" if done >= total else ""))
            sys.stderr.flush()

    return told
