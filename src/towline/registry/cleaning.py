"""Foreign text made fit to be shown: no control characters, no terminal escapes, no markup, short."""

from __future__ import annotations

import re

LONGEST = 200

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")
_TAGS = re.compile(r"<[^>]{0,400}>")
_BLANKS = re.compile(r"\s+")


def cleaned(text: str, *, most: int = LONGEST) -> str:
    """Return one short printable line of ``text``."""
    plain = _TAGS.sub(" ", _ESCAPES.sub("", text[: most * 10]))
    shown = "".join(letter if letter.isprintable() else " " for letter in plain)
    line = _BLANKS.sub(" ", shown).strip()
    return line if len(line) <= most else f"{line[: most - 1]}…"
