"""Foreign text made fit to be shown: no control characters, no terminal escapes, no markup, short."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus

LONGEST = 200
LEAST_HIDDEN = 3

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")
_TAGS = re.compile(r"<[^>]{0,400}>")
_ESCAPED = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[\\\"'/bfnrt])")
_LETTERS = {"\\": "\\", '"': '"', "'": "'", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
"""Escapes of JSON (RFC 8259, section 7) and of what it was borrowed from."""
_WRITTEN = re.compile(r"[%+&\\]")
"""What every form of writing needs that is read otherwise."""
_BLANKS = re.compile(r"\s+")


class Blot:
    """Blots texts out of foreign words: a server may repeat the login that it was sent."""

    def __init__(self) -> None:
        self._texts: set[str] = set()

    def hide(self, *texts: str) -> None:
        """Blot these out from now on; shorter than three letters says nothing and would blot everything."""
        self._texts |= {text for text in texts if len(text) >= LEAST_HIDDEN}

    def __call__(self, text: str) -> str:
        """Return ``text`` with three stars in the place of what is hidden, the longest first.

        A text that holds it in a form of writing, such as URL quotes or escapes, is blotted as a whole.
        """
        for hidden in sorted(self._texts, key=len, reverse=True):
            text = text.replace(hidden, "***")
        if any(hidden in plain for plain in _read_otherwise(text) for hidden in self._texts):
            return "***"
        return text

    def __repr__(self) -> str:
        return "Blot(***)"


def _read_otherwise(text: str) -> Iterator[str]:
    """Yield what ``text`` says when it is written as in URLs, HTML or JSON, each also twice over."""
    if not _WRITTEN.search(text):
        return
    for read in (unquote_plus, unquote, html.unescape, _unescaped):
        once = read(text)
        if once != text:
            yield once
            yield read(once)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: _LETTERS.get(found[1], "") or chr(int(found[1][1:], 16)), text)


def cleaned(text: str, *, most: int = LONGEST) -> str:
    """Return one short printable line of ``text``."""
    if len(text) <= most and text.isprintable() and "<" not in text and "  " not in text:
        return text.strip()
    plain = _TAGS.sub(" ", _ESCAPES.sub("", text[: most * 10]))
    shown = "".join(letter if letter.isprintable() else " " for letter in plain)
    line = _BLANKS.sub(" ", shown).strip()
    return line if len(line) <= most else f"{line[: most - 1]}…"
