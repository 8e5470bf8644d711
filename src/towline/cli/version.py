"""``towline version``."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING

from towline import __version__

if TYPE_CHECKING:
    import argparse

SUMMARY = "print the version"
DESCRIPTION = "Print Towline's version and Python's."
EXAMPLES = """\
examples:
  towline version
  towline version --short
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--short", action="store_true", help="the number alone")


def run(args: argparse.Namespace) -> int:
    """Print the version; return 0."""
    text = __version__ if args.short else f"towline {__version__} (Python {platform.python_version()})"
    sys.stdout.write(f"{text}\n")
    return 0
