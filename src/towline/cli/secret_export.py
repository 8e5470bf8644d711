"""``towline secret export``: a stored credential as a file, asked for by name and with ``--reveal``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.client import opened, part
from towline.cli.documents import text_at
from towline.cli.failure import Failure
from towline.cli.output import tell

if TYPE_CHECKING:
    import argparse

    from towline.cli.flags import Verbs

FORMATS = ("config.json", "kubernetes", "dockercfg")


def add(group: Verbs) -> None:
    """Add the verb."""
    export = flags.verb(
        group,
        "export",
        _export,
        summary="print a docker pull secret with its password, as a file for other programs",
        examples="towline secret export hub --format config.json --reveal > config.json\n"
        "  towline secret export hub --format kubernetes --namespace prod --reveal | kubectl apply -f -",
    )
    export.add_argument("name", metavar="NAME")
    export.add_argument("--format", choices=FORMATS, required=True)
    export.add_argument("--namespace", metavar="NAME", help="the namespace of a Kubernetes Secret")
    export.add_argument(
        "--reveal", action="store_true", help="say that the password is to leave Towline; it is written down"
    )


def _export(args: argparse.Namespace) -> int:
    if not args.reveal:
        raise Failure("this prints the password; say --reveal if that is wanted", code=2)
    if args.namespace and args.format != "kubernetes":
        raise Failure("--namespace is for --format kubernetes", code=2)
    body = {"format": args.format, "confirm": args.name}
    if args.namespace:
        body["namespace"] = args.namespace
    made = opened(args).call("POST", f"/v2/secrets/{part(args.name)}/export/", body)
    sys.stdout.write(text_at(made, "content"))
    tell(f"version {text_at(made, 'version')} of {args.name} left Towline; the audit trail says so")
    return 0
