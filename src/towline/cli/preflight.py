"""``towline preflight``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.cli import findings, flags
from towline.cli.client import opened
from towline.cli.documents import Document, at, documents_at, text_at
from towline.cli.failure import Failure
from towline.cli.output import show, tell

if TYPE_CHECKING:
    import argparse

SUMMARY = "tell whether images can be pulled, before deploying"
DESCRIPTION = "Ask the registries whether images can be pulled with a secret; nothing is downloaded."
EXAMPLES = """\
examples:
  towline preflight registry.example.com/team/app:1.0 --secret my-registry
  towline preflight --package talker --version v1.0.0

Exit code 0: all can be pulled; 6: at least one cannot; 8: nobody could tell.
"""

_COLUMNS = ("IMAGE", "PULLABLE", "PLATFORM", "SIZE", "DIGEST")
_EXIT_CODES = {"yes": 0, "no": 6}
_UNCERTAIN = 8


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("images", metavar="IMAGE", nargs="*")
    parser.add_argument("--secret", metavar="NAME", help="the docker pull secret to try")
    parser.add_argument("--package", metavar="NAME", help="try all images of a package instead")
    parser.add_argument("--version", default="", help="the package's version")
    flags.connection(parser)
    flags.output(parser)


def run(args: argparse.Namespace) -> int:
    """Ask; return 0, 6 or 8."""
    answer = opened(args).call("POST", "/v2/preflight/", _question(args))
    items = documents_at(answer, "items")
    show(items, args.output, columns=_COLUMNS, row=_row, name=lambda item: text_at(item, "image"))
    for item in items:
        finding = at(item, "finding")
        if isinstance(finding, dict):
            for line in findings.lines({"image": text_at(item, "image"), **finding}):
                tell(line)
    return _EXIT_CODES.get(text_at(answer, "verdict"), _UNCERTAIN)


def _question(args: argparse.Namespace) -> Document:
    if bool(args.images) == bool(args.package):
        raise Failure("give images, or --package", code=2)
    if args.package:
        if args.secret:
            raise Failure("a package names its own secrets; leave --secret out", code=2)
        return {"package": {"name": args.package, "version": args.version}}
    return {"images": [{"image": image, "secret": args.secret} for image in args.images]}


def _row(item: Document) -> tuple[str, ...]:
    pullable = at(item, "pullable")
    return (
        text_at(item, "image"),
        "unknown" if pullable is None else "yes" if pullable else "no",
        text_at(item, "platform"),
        text_at(item, "size"),
        text_at(item, "digest"),
    )
