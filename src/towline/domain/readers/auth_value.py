"""The ``auth`` value as each reader decodes it: base64 of ``username:password``, with its traps."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from towline.domain.credential import Password

_PADDED = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_BARE = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,3})?")


@dataclass(frozen=True, slots=True)
class Decoding:
    """What a reader takes. ``bare``: also without padding; ``trims_nul``: NULs round the password go."""

    bare: bool = False
    trims_nul: bool = True
    needs_username: bool = True


class BadAuth(ValueError):
    """An ``auth`` value that a reader refuses; its words are the problem and quote nothing."""

    def __init__(self, problem: str, *, lacks_colon: bool = False) -> None:
        self.problem = problem
        self.lacks_colon = lacks_colon
        super().__init__(problem)


def decoded(auth: Password, decoding: Decoding) -> tuple[str, Password]:
    """Return username and password of an ``auth`` value, split at the first colon; raise BadAuth."""
    plain = base64.b64decode(_checked(auth.reveal(), decoding)).decode(errors="replace")
    username, colon, password = plain.partition(":")
    if not colon:
        raise BadAuth("holds no colon between username and password", lacks_colon=True)
    if decoding.needs_username and not username:
        raise BadAuth("has no username left of its first colon")
    return username, Password(password.strip("\0") if decoding.trims_nul else password)


def _checked(auth: str, decoding: Decoding) -> str:
    """Return the base64 text with its padding; Go's decoder passes over line ends inside, nothing else."""
    text = re.sub(r"[\r\n]", "", auth)
    padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
    if _PADDED.fullmatch(text):
        return text
    if _BARE.fullmatch(text):
        if decoding.bare:
            return padded
        raise BadAuth("is base64 without its padding ('=' at the end)")
    if re.fullmatch(r"[A-Za-z0-9_-]+=*", text) and re.search(r"[-_]", text):
        raise BadAuth("is base64 of the URL-safe alphabet ('-' and '_' instead of '+' and '/')")
    if ":" in text:
        raise BadAuth("is not base64; it looks like username:password in clear")
    raise BadAuth("is not base64")


def oddities(auth: Password, password: Password) -> tuple[str, ...]:
    """Return what is odd about a decoded password; none of it is quoted."""
    plain = password.reveal()
    found = []
    if plain != plain.rstrip("\r\n"):
        found.append("the password ends in a line break, which is sent along (as echo adds one)")
    elif plain != plain.strip():
        found.append("the password begins or ends with a blank, which is sent along")
    if "\0" in plain:
        found.append("the password holds NUL bytes, which are sent along")
    if "\ufffd" in plain:
        found.append("the password is not UTF-8; bytes that are none become U+FFFD")
    if auth and not plain:
        found.append("the password is empty")
    return tuple(found)
