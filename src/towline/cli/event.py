"""``towline event``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.client import opened
from towline.cli.documents import text_at
from towline.cli.output import say, show, tell

if TYPE_CHECKING:
    import argparse

    from towline.cli.documents import Document

DESCRIPTION = "Show changes of secrets' verdicts and deployments' phases, oldest first."
EXAMPLES = """\
examples:
  towline event list
  towline event list --kind secret.verdict-changed -o json
  towline event watch
  towline event watch --since 120 -o json | jq -r .text
"""

_DATA, _ID = b"data: ", b"id: "
_COLUMNS = ("AT", "KIND", "WHAT HAPPENED")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    group = flags.verbs(parser)
    list_ = flags.verb(group, "list", _list, summary="list the events", examples="towline event list -o json")
    list_.add_argument("--kind", default="", help="only events of this kind")
    flags.output(list_)
    watch = flags.verb(
        group, "watch", _watch, summary="print events as they come", examples="towline event watch -o json"
    )
    watch.add_argument(
        "--since", type=int, metavar="ID", help="begin after the event at this place; 0: the first"
    )
    watch.add_argument(
        "-o",
        "--output",
        choices=("table", "json"),
        default="table",
        help="lines for people, or a JSON object a line",
    )


def run(args: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    code: int = args.do(args)
    return code


def _list(args: argparse.Namespace) -> int:
    wanted = {"kind": args.kind} if args.kind else {}
    events = opened(args).items("/v2/events/", **wanted)
    show(events, args.output, columns=_COLUMNS, row=_row, name=lambda event: text_at(event, "id"))
    return 0


def _watch(args: argparse.Namespace) -> int:
    since = {} if args.since is None else {"since": str(args.since)}
    last = ""
    for line in opened(args).lines("/v2/events/stream/", **since):
        if line.startswith(_ID):
            last = line.removeprefix(_ID).decode().strip()
        if not line.startswith(_DATA):
            continue  # the event's name and place, or a sign of life
        event = json.loads(line.removeprefix(_DATA))
        say(json.dumps(event) if args.output == "json" else "  ".join(_row(event)))
    go_on = f"towline event watch --since {last}" if last else "towline event watch"
    tell(f"towline: the server ended the stream; go on with: {go_on}")
    return 1


def _row(event: Document) -> tuple[str, ...]:
    return (text_at(event, "at"), text_at(event, "type"), text_at(event, "text"))
