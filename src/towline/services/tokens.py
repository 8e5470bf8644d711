"""Bearer tokens: their text, and the digest under which they are stored.

``tow_`` makes a leaked token recognisable to scanners; the checksum lets a mistyped one be refused
without looking anything up.
"""

from __future__ import annotations

import hashlib
import string
import zlib

_PREFIX = "tow_"
_BODY = 43
_CHECK = 6
_LENGTH = len(_PREFIX) + _BODY + 1 + _CHECK
_DIGITS = string.digits + string.ascii_letters


def token_text(body: str) -> str:
    """Return the token with this random body, which is 43 URL-safe characters (256 bits)."""
    return f"{_PREFIX}{body}_{_checksum(body)}"


def is_well_formed(text: str) -> bool:
    """Whether prefix, length and checksum of a token fit together."""
    if len(text) != _LENGTH or not text.isascii() or not text.startswith(_PREFIX):
        return False
    body, underscore, check = text[4:47], text[47], text[48:]
    return underscore == "_" and check == _checksum(body)


def digest_of(text: str) -> bytes:
    """Return the SHA-256 under which a token is stored."""
    return hashlib.sha256(text.encode()).digest()


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    letters = []
    for _ in range(_CHECK):
        number, digit = divmod(number, len(_DIGITS))
        letters.append(_DIGITS[digit])
    return "".join(reversed(letters))
