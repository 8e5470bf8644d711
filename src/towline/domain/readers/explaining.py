"""An ``auth`` value explained: what is left and right of its first colon, what is wrong, who takes it.

The password is never quoted; what is told of it are its traps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from towline.domain.credential import Password
from towline.domain.readers.auth_value import BadAuth, decoded
from towline.domain.readers.rules import RULES, Reader
from towline.domain.token_texts import unbase64

LARGEST = 64 << 10
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{4,}={0,2}")


class AuthForm(StrEnum):
    """As what the text was read."""

    BASE64 = "base64"
    CLEAR = "clear-text"
    TWICE = "base64-twice"
    CONFIG = "whole-config"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Trap:
    """Something that is wrong or odd: a stable code, the problem, what to do."""

    code: str
    problem: str
    fix: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What an authorization token holds. ``refusals`` says by reader why it does not take the text."""

    form: AuthForm
    username: str = ""
    password: Password = field(default_factory=lambda: Password(""))
    traps: tuple[Trap, ...] = ()
    refusals: tuple[tuple[Reader, str], ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether docker takes it, and it holds a username and a password."""
        refused = {reader for reader, problem in self.refusals if problem}
        return Reader.DOCKER not in refused and bool(self.username) and bool(self.password)


def explained(auth: Password) -> Explanation:
    """Return what ``auth`` holds and what is wrong with it; nothing is too broken for an answer."""
    text = auth.reveal()
    bare = _unwrapped(text)
    form, plain = _read(bare)
    username, colon, password = plain.partition(":")
    if not colon:
        username = password = ""
    traps = (*_of_wrapping(text, bare), *_of_form(form, bare, colon), *_of_login(username, password, colon))
    refusals = tuple((reader, _refusal(auth, reader)) for reader in RULES)
    return Explanation(form, username, Password(password), traps, refusals)


def _unwrapped(text: str) -> str:
    return re.sub(r"(?i)^basic\s+", "", text.strip().strip("\"'").strip())


def _read(bare: str) -> tuple[AuthForm, str]:
    """Return how the text is written, and what it stands for; empty where that cannot be read."""
    content = unbase64(re.sub(r"[\r\n]", "", bare)) if _BASE64.fullmatch(re.sub(r"[\r\n]", "", bare)) else b""
    plain = content.decode(errors="replace")
    if content.lstrip()[:1] == b"{" or bare[:1] == "{":
        return AuthForm.CONFIG, ""
    if ":" in plain:
        return AuthForm.BASE64, plain
    if ":" in bare:
        return AuthForm.CLEAR, bare
    again = unbase64(plain.strip()) if _BASE64.fullmatch(plain.strip()) else b""
    if b":" in again:
        return AuthForm.TWICE, again.decode(errors="replace")
    return (AuthForm.BASE64 if content and plain.isprintable() else AuthForm.UNREADABLE), ""


def _of_wrapping(text: str, bare: str) -> Iterator[Trap]:
    if text.rstrip("\r\n") != text:
        yield Trap(
            "line-end",
            "a line end follows the text, which docker passes over",
            "leave it out all the same",
        )
    if text.strip() != bare:
        yield Trap("wrapped", "it stands in quotes, or 'Basic ' is before it", "leave these out")


def _of_form(form: AuthForm, bare: str, colon: str) -> Iterator[Trap]:
    match form:
        case AuthForm.CLEAR:
            yield Trap(
                "clear-text",
                "it is not base64 but username:password in clear",
                "encode it: printf '%s' USERNAME:PASSWORD | base64 -w0",
            )
        case AuthForm.TWICE:
            yield Trap("encoded-twice", "it is base64 of base64", "decode it once")
        case AuthForm.CONFIG:
            yield Trap(
                "whole-config",
                "it is a whole config.json and no auth value",
                "use `towline credential resolve IMAGE --file FILE`",
            )
        case AuthForm.UNREADABLE:
            yield Trap("not-base64", "it is not base64", "give base64 of username:password")
        case AuthForm.BASE64 if not colon:
            yield Trap("no-colon", "it holds no colon", "encode username:password, both in one text")
        case AuthForm.BASE64:
            yield from _of_alphabet(bare)


def _of_alphabet(bare: str) -> Iterator[Trap]:
    if re.search(r"[-_]", bare):
        yield Trap(
            "url-safe",
            "it is written in the URL-safe alphabet ('-' and '_' for '+' and '/'), which docker refuses",
            "encode it with the standard alphabet",
        )
    if len(re.sub(r"[\r\n]", "", bare)) % 4:
        yield Trap(
            "no-padding",
            "the padding ('=' at the end) is missing: the kubelet takes it, docker does not",
            "fill it up with '=' to a multiple of four letters",
        )


def _of_login(username: str, password: str, colon: str) -> Iterator[Trap]:
    if not colon:
        return
    if not username:
        yield Trap("no-username", "nothing is left of the first colon", "encode username:password")
    elif not username.isprintable() or username != username.strip():
        yield Trap("username-odd", "the username holds blanks or control characters", "leave these out")
    if not password.strip("\0"):
        yield Trap("no-password", "nothing is right of the first colon", "encode username:password")
    yield from _of_password(password)


def _of_password(password: str) -> Iterator[Trap]:
    if "\0" in password:
        yield Trap("nul", "NULs stand round or in the password; docker cuts those round it", "encode it anew")
    if password.rstrip("\r\n") != password:
        yield Trap(
            "newline",
            "the password ends in a line break, which is sent as part of it",
            "use printf '%s' and not echo where it is encoded",
        )
    elif password.strip() != password:
        yield Trap("blanks", "the password begins or ends with a blank", "leave it out unless it is meant")
    if ":" in password:
        yield Trap("colon", "the password holds a colon, which is all right", "the first colon divides")
    if "\ufffd" in password:
        yield Trap("not-utf8", "the password is not UTF-8", "encode it as UTF-8")


def _refusal(auth: Password, reader: Reader) -> str:
    try:
        decoded(auth, RULES[reader].decoding)
    except BadAuth as error:
        return error.problem
    return ""
