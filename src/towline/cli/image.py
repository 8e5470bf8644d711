"""``towline image parse``: image references, read as docker reads them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.documents import Document, text_at
from towline.cli.output import show, tell

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

DESCRIPTION = "Read image references as docker does; no server is asked."
EXAMPLES = """\
examples:
  towline image parse nginx registry.example.com:5000/team/app:1.0
  towline image parse -o json - < references.txt

Exit code 2 if a reference is not valid.
"""

_COLUMNS = ("IMAGE", "REGISTRY", "REPOSITORY", "TAG", "DIGEST")


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
    flags.output(parse, default="name")


def run(args: argparse.Namespace) -> int:
    """Print each reference completed; return 2 if one is not valid."""
    from towline.domain.errors import InvalidInput
    from towline.domain.image import ImageReference

    code, found = 0, list[Document]()
    for text in _references(args.references):
        try:
            image = ImageReference.parse(text)
        except InvalidInput as error:
            tell(f"{text[:200]}: {error.problem}; {error.rule}")
            code = 2
            continue
        found.append(
            {
                "image": str(image),
                "registry": image.registry,
                "repository": image.repository,
                "tag": image.tag,
                "digest": image.digest,
            }
        )
    show(found, args.output, columns=_COLUMNS, row=_row, name=lambda item: text_at(item, "image"))
    return code


def _row(item: Document) -> tuple[str, ...]:
    return tuple(text_at(item, name.lower()) for name in _COLUMNS)


def _references(words: Iterable[str]) -> Iterable[str]:
    for word in words:
        if word != "-":
            yield word
            continue
        for line in sys.stdin:
            if line.strip():
                yield line.strip()
