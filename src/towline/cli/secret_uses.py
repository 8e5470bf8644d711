"""``towline secret uses``: what a secret opened, when, for whom and from where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.client import opened, part
from towline.cli.documents import documents_at, text_at
from towline.cli.output import show

if TYPE_CHECKING:
    import argparse

    from towline.cli.documents import Document
    from towline.cli.flags import Verbs

_COLUMNS = ("AT", "WHO", "DOOR", "OUTCOME", "IMAGE", "FROM")
_FILTERS = ("door", "outcome", "since", "until", "q")


def add(group: Verbs) -> None:
    """Add the verb."""
    uses = flags.verb(
        group,
        "uses",
        _uses,
        summary="say what a secret opened, when, for whom and from where; the newest first",
        examples="towline secret uses hub\n"
        "  towline secret uses hub --outcome refused --since 2026-01-01\n"
        "  towline secret uses hub --all -o json | jq -r .[].peer | sort | uniq -c",
    )
    uses.add_argument("name", metavar="NAME", help="name or guid; a deleted secret by its guid")
    uses.add_argument("--door", help="only this door: engine-pull, credential-helper, kubelet, ...")
    uses.add_argument("--outcome", choices=("ok", "refused"))
    uses.add_argument("--since", metavar="TIME", help="from this moment on, as 2026-01-31")
    uses.add_argument("--until", metavar="TIME", help="before this moment")
    uses.add_argument("--search", dest="q", metavar="TEXT", help="only rows with this text")
    uses.add_argument("--all", action="store_true", help="all of them, not the newest 50")
    flags.output(uses)


def _uses(args: argparse.Namespace) -> int:
    client, path = opened(args), f"/v2/secrets/{part(args.name)}/uses/"
    wanted = {name: value for name in _FILTERS if (value := getattr(args, name))}
    found = client.items(path, **wanted) if args.all else documents_at(client.get(path, **wanted), "items")
    show(found, args.output, columns=_COLUMNS, row=_row, name=lambda each: text_at(each, "number"))
    return 0


def _row(use: Document) -> tuple[str, ...]:
    return tuple(text_at(use, name) for name in ("at", "actor", "door", "outcome", "image", "peer"))
