"""``towline admin keys``: the keys that secrets are sealed under, on the server's own machine."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.output import say, show, tell

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable, Sequence

    from towline.config import Config
    from towline.domain.keys import KeyState, Progress, Unreadable
    from towline.services.keys import Keys

    Verb = Callable[[argparse.Namespace, Keys], Awaitable[int]]

SUMMARY = "keep the keys that secrets are sealed under"
EXAMPLES = """\
examples:
  towline admin keys list
  towline admin keys rotate --yes
  towline admin keys retire k1f0c9a2b
  towline admin keys check -o json
"""

_COLUMNS = ("KEY", "STATE", "SECRETS", "WEBHOOKS", "OTHERS", "KEPT IN")
_UNREADABLE = ("KIND", "NAME", "PROJECT", "KEY", "WHY")
_COUNTED = ("secret", "webhook")


def configure(commands: flags.Verbs) -> None:
    """Add ``keys`` and its verbs."""
    keys = commands.add_parser("keys", help=SUMMARY, epilog=EXAMPLES, formatter_class=flags.RAW)
    group = keys.add_subparsers(dest="keys_command", metavar="COMMAND", required=True)
    _verb(group, "list", _list, "list the keys, where each is kept and how much stands under it")
    _verb(group, "check", _check, "try every sealed value, and say which do not open")
    flags.yes(_verb(group, "add", _add, "make a further key, or the first of a new keyring"))
    rotate = _verb(
        group, "rotate", _rotate, "seal by a new key and move every value to it; goes on with what was begun"
    )
    rotate.add_argument("--to", metavar="KEY", default="", help="a key that is there, instead of a new one")
    flags.yes(rotate)
    retire = _verb(group, "retire", _retire, "destroy a key that nothing stands under any more")
    retire.add_argument("key", metavar="KEY")
    flags.yes(retire)


def _verb(group: flags.Verbs, name: str, do: Verb, summary: str) -> argparse.ArgumentParser:
    parser = group.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    flags.data(parser)
    parser.add_argument("--config", metavar="FILE", help="settings file instead of DATA/towline.toml")
    flags.output(parser, flags.TABLE_OR_JSON)
    parser.set_defaults(do=run, do_keys=do)
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the verb with the settings that the server has; return the exit code."""
    from towline import config, eventlog

    eventlog.configure("warning", form="text")
    settings = config.load({"data": args.data, "config": args.config})
    return asyncio.run(_run(args, settings))


async def _run(args: argparse.Namespace, settings: Config) -> int:
    from towline import app

    do: Verb = args.do_keys
    async with app.key_administration(settings) as keys:
        return await do(args, keys)


async def _list(args: argparse.Namespace, keys: Keys) -> int:
    states = await keys.list()
    show([_document(state) for state in states], args.output, columns=_COLUMNS, row=_row)
    if unfinished := await keys.unfinished():
        tell(f"a rotation to {unfinished} is not at its end: run towline admin keys rotate")
    lost = [state for state in states if state.is_lost]
    if lost:
        tell(f"{sum(state.used for state in lost)} values are lost: towline admin keys check names them")
    return 1 if lost else 0


async def _check(args: argparse.Namespace, keys: Keys) -> int:
    found = await keys.unreadable(told=_progress("values tried"))
    _print_unreadable(found, args.output)
    if not found and args.output == "table":
        say("every sealed value opens")
    return 1 if found else 0


async def _add(args: argparse.Namespace, keys: Keys) -> int:
    states = await keys.list()
    if not any(state.place for state in states):
        lost = sum(state.used for state in states)
        flags.confirm(args, f"There is no keyring. Begin a new one? {lost} sealed values stay unreadable.")
    key_id = await keys.add(actor=_actor())
    return _told(args, {"added": key_id}, f"key {key_id} is added; back the keyring up")


async def _rotate(args: argparse.Namespace, keys: Keys) -> int:
    unfinished = "" if args.to else await keys.unfinished()
    question = "Seal new values by another key and move every value to it?"
    if unfinished:
        question = f"Go on with the rotation to {unfinished}?"
    flags.confirm(args, question)
    outcome = await keys.rotate(actor=_actor(), to=args.to, told=_progress("values moved"))
    if args.output == "json":
        unreadable = [_unreadable(each) for each in outcome.unreadable]
        _json({"active": outcome.active, "moved": outcome.moved, "unreadable": unreadable})
    else:
        say(f"{outcome.moved} values were moved to key {outcome.active}; back the keyring up")
        if outcome.unreadable:
            tell("these could not be opened, and stay as they are:")
            _print_unreadable(outcome.unreadable, "table")
    return 1 if outcome.unreadable else 0


async def _retire(args: argparse.Namespace, keys: Keys) -> int:
    flags.confirm(args, f"Destroy key {args.key!r}? What an old backup holds under it will not open again.")
    left = await keys.retire(args.key, actor=_actor())
    document = {"retired": args.key, **({"left": left} if left else {})}
    return _told(args, document, left or f"key {args.key} is retired")


def _told(args: argparse.Namespace, document: dict[str, object], text: str) -> int:
    if args.output == "json":
        _json(document)
    else:
        say(text)
    return 0


def _print_unreadable(found: Sequence[Unreadable], output: str) -> None:
    documents = [_unreadable(each) for each in found]
    if documents or output == "json":
        show(documents, output, columns=_UNREADABLE, row=lambda each: [str(each[key]) for key in _KEYS])


_KEYS = ("kind", "name", "project", "key", "why")


def _unreadable(each: Unreadable) -> dict[str, object]:
    return {
        "kind": each.kind,
        "name": each.name,
        "project": each.project,
        "guid": each.guid,
        "key": each.key_id,
        "why": each.reason,
    }


def _document(state: KeyState) -> dict[str, object]:
    return {
        "id": state.id,
        "state": _state(state),
        "uses": dict(state.uses),
        "place": state.place,
    }


def _state(state: KeyState) -> str:
    if state.active:
        return "active"
    if state.is_lost:
        return "lost"
    return "in use" if state.used else "unused"


def _row(document: dict[str, object]) -> tuple[str, ...]:
    uses = document["uses"]
    counts: dict[str, int] = uses if isinstance(uses, dict) else {}
    others = sum(count for kind, count in counts.items() if kind not in _COUNTED)
    numbers = (*(counts.get(kind, 0) for kind in _COUNTED), others)
    place = document["place"] or "nowhere: put it back from a backup"
    return (str(document["id"]), str(document["state"]), *map(str, numbers), str(place))


def _progress(what: str) -> Callable[[Progress], None]:
    """Return what tells progress: in place on a terminal, else a line for each tenth."""
    told = [-1]

    def tell_it(progress: Progress) -> None:
        tenth = 10 * progress.done // max(progress.total, 1)
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{progress.done} of {progress.total} {what}")
            sys.stderr.write("\n" if progress.done >= progress.total else "")
            sys.stderr.flush()
        elif tenth != told[0]:
            told[0] = tenth
            tell(f"{progress.done} of {progress.total} {what}")

    return tell_it


def _json(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def _actor() -> str:
    return f"admin:{getpass.getuser()}"
