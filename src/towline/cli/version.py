"""``towline version``."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from towline import __version__
from towline.cli import flags
from towline.cli.output import say, show_one

if TYPE_CHECKING:
    import argparse

    from towline.cli.documents import Document

DESCRIPTION = "Print Towline's version and Python's."
EXAMPLES = """\
examples:
  towline version
  towline version --short
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--short", action="store_true", help="the number alone")
    flags.output(parser)


def run(args: argparse.Namespace) -> int:
    """Print the version; return 0."""
    if args.short:
        say(__version__)
        return 0
    known: Document = {
        "version": __version__,
        "python": platform.python_version(),
    }
    if args.output == "name":
        say(__version__)
    elif args.output == "table":
        say(f"towline {__version__} (Python {platform.python_version()})")
    else:
        show_one(known, args.output, details=lambda _: ())
    return 0
