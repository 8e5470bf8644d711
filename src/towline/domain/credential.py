"""A credential, its password, and the authorization token that docker's config.json calls ``auth``.

Format facts: docker/cli ``cli/config/configfile/file.go``; RFC 7617 for Basic.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass

from towline.domain.errors import InvalidInput

IDENTITY_USER = "<token>"
"""The user name with which the credential helpers' protocol says that the secret is an identity token."""


class Password:
    """Text that never shows itself: repr, str, format and pickling give nothing away.

    ``reveal()`` is the one way to the text; ``tests/test_house.py`` lists the files that may call it.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the password itself, byte for byte as it was given."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Password):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Password, self._text))

    def __repr__(self) -> str:
        return "Password(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a password is not pickled")


@dataclass(frozen=True, slots=True)
class Credential:
    """A username and a password for one registry.

    Under the name ``<token>`` the password is an identity token, as in the credential helpers' protocol.
    """

    username: str
    password: Password

    @property
    def is_identity_token(self) -> bool:
        """Whether this is exchanged at a token server instead of being sent as a login."""
        return self.username == IDENTITY_USER

    def __post_init__(self) -> None:
        if not self.username:
            raise InvalidInput("username", problem="is empty", rule="give the registry's user name")
        if ":" in self.username:
            raise InvalidInput(
                "username",
                problem="holds a colon",
                rule="a user name has no colon, as the authorization token is split at the first one",
            )
        if not self.password:
            raise InvalidInput("password", problem="is empty", rule="give a password or access token")
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in self.username):
            raise InvalidInput(
                "username", problem="holds a control character", rule="give it as one line of text"
            )


def authorization_token(credential: Credential) -> Password:
    """Return base64 of ``username:password`` in UTF-8: as secret as the password itself."""
    plain = f"{credential.username}:{credential.password.reveal()}".encode()
    return Password(base64.b64encode(plain).decode("ascii"))


def from_authorization_token(token: Password) -> Credential:
    """Return the credential in an authorization token, split at the first colon.

    Raises InvalidInput without quoting any of it. NUL bytes around the password, which very old
    docker clients padded with, are removed; blanks and newlines are not.
    """
    try:
        plain = base64.b64decode(token.reveal(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise InvalidInput(
            "auth", problem="is not base64 of UTF-8 text", rule="give base64 of username:password"
        ) from error
    username, colon, password = plain.partition(":")
    if not colon:
        raise InvalidInput("auth", problem="holds no colon", rule="give base64 of username:password")
    return Credential(username, Password(password.strip("\x00")))


def sealable_data(data: Mapping[str, Password]) -> Password:
    """Return the one text under which an opaque secret's values are sealed: JSON, as secret as they are."""
    return Password(json.dumps({key: value.reveal() for key, value in data.items()}))


def from_sealable_data(text: Password) -> Mapping[str, Password]:
    """Return the values that ``sealable_data`` put together."""
    return {key: Password(value) for key, value in json.loads(text.reveal()).items()}


def require_length(password: Password, *, least: int, field: str) -> Password:
    """Return a newly chosen password if it is long enough; raise InvalidInput otherwise."""
    if len(password.reveal()) < least:
        raise InvalidInput(field, problem="is too short", rule=f"use at least {least} characters")
    return password
