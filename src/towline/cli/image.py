"""``towline image parse``: image references, read as docker reads them."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from towline.cli.output import say, tell

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

SUMMARY = "read image references as docker does"
DESCRIPTION = "Read image references as docker does; no server is asked."
EXAMPLES = """\
examples:
  towline image parse nginx registry.example.com:5000/team/app:1.0
  towline image parse -o json - < references.txt

Exit code 2 if a reference is not valid.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    import argparse

    group = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    parse = group.add_parser(
        "parse",
        help="complete and check references",
        description="Complete and check references.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parse.add_argument("references", metavar="REF", nargs="+", help="- reads lines from standard input")
    parse.add_argument("-o", "--output", choices=("name", "json"), default="name")


def run(args: argparse.Namespace) -> int:
    """Print each reference completed; return 2 if one is not valid."""
    from towline.domain.errors import InvalidInput
    from towline.domain.image import ImageReference

    code = 0
    for text in _references(args.references):
        try:
            image = ImageReference.parse(text)
        except InvalidInput as error:
            tell(f"{text[:200]}: {error.problem}; {error.rule}")
            code = 2
            continue
        parts = {
            "image": str(image),
            "registry": image.registry,
            "repository": image.repository,
            "tag": image.tag,
            "digest": image.digest,
        }
        say(json.dumps(parts) if args.output == "json" else str(image))
    return code


def _references(words: Iterable[str]) -> Iterable[str]:
    for word in words:
        if word != "-":
            yield word
            continue
        for line in sys.stdin:
            if line.strip():
                yield line.strip()
