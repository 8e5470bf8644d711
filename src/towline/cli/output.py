"""What commands print: tables for people; JSON, YAML and names for programs.

Text that came from elsewhere (a registry's words, a label) is cleaned of control characters before
it reaches a terminal, so that it cannot move the cursor or change colours.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from towline.cli.documents import text_at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from towline.cli.documents import Document

FORMATS = ("table", "json", "yaml", "name")


def say(text: str = "") -> None:
    """Print a line on standard output."""
    sys.stdout.write(f"{clean(text)}\n")
    sys.stdout.flush()


def tell(text: str) -> None:
    """Print a line for people on standard error, where it disturbs no program that reads the output."""
    sys.stderr.write(f"{clean(text)}\n")


def clean(text: str) -> str:
    """Return ``text`` with control characters made visible; tabs and line ends stay."""
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else ascii(letter)[1:-1] for letter in text
    )


def show(
    items: Sequence[Document],
    output: str,
    *,
    columns: Sequence[str],
    row: Callable[[Document], Sequence[str]],
    name: Callable[[Document], str] | None = None,
) -> None:
    """Print a list in the format ``output``."""
    match output:
        case "json":
            sys.stdout.write(json.dumps(list(items), indent=2) + "\n")
        case "yaml":
            sys.stdout.write(_yaml(list(items)))
        case "name":
            for item in items:
                say(name(item) if name else text_at(item, "metadata", "name"))
        case _:
            table(columns, [row(item) for item in items])


def show_one(
    item: Document, output: str, *, details: Callable[[Document], Sequence[tuple[str, str]]]
) -> None:
    """Print one document in the format ``output``; ``details`` gives the lines for people."""
    match output:
        case "json":
            sys.stdout.write(json.dumps(item, indent=2) + "\n")
        case "yaml":
            sys.stdout.write(_yaml(item))
        case "name":
            say(text_at(item, "metadata", "name"))
        case _:
            lines = [(key, value) for key, value in details(item) if value]
            width = max((len(key) for key, _ in lines), default=0)
            for key, value in lines:
                say(f"{key + ':':{width + 1}} {value}")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, columns as wide as they must be."""
    cells = [list(columns), *([clean(cell).replace("\n", " ") for cell in row] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
    for number, row in enumerate(cells):
        line = "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        sys.stdout.write(f"{bold(line) if number == 0 else line}\n")


def bold(text: str) -> str:
    """Return ``text`` in bold where standard output is a terminal that may be coloured."""
    return f"\x1b[1m{text}\x1b[0m" if coloured() else text


def coloured() -> bool:
    """Whether to colour: on a terminal, unless NO_COLOR is set or the terminal is dumb."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _yaml(value: object) -> str:
    import yaml

    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
    return text
