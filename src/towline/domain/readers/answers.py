"""What readers find, and what they ask of credential helpers on the way."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from enum import StrEnum

from towline.domain.credential import IDENTITY_USER, Password
from towline.domain.readers.rules import Reader

__all__ = ["IDENTITY_USER", "HelperAnswer", "HelperQuestion", "Kind", "Resolution", "Resolving", "answered"]


class Kind(StrEnum):
    """What a reader would send."""

    PASSWORD = "password"  # noqa: S105 - a kind, no password
    IDENTITY_TOKEN = "identity-token"  # noqa: S105
    REGISTRY_TOKEN = "registry-token"  # noqa: S105
    NONE = "none"


@dataclass(frozen=True, slots=True)
class HelperQuestion:
    """Ask ``docker-credential-SUFFIX get`` about ``server``."""

    suffix: str
    server: str


@dataclass(frozen=True, slots=True)
class HelperAnswer:
    """What a helper said: a login, nothing (both empty), or why it could not be asked."""

    username: str = ""
    secret: Password = field(default_factory=lambda: Password(""))
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a reader uses for an image, from where, by which key, and why."""

    image: str
    reader: Reader
    source: str = ""
    key: str = ""
    kind: Kind = Kind.NONE
    username: str = ""
    secret: Password = field(default_factory=lambda: Password(""))
    reasons: tuple[str, ...] = ()


Resolving = Generator[HelperQuestion, HelperAnswer, Resolution]
"""A walk through the rules that yields what a helper must be asked."""


def answered(walk: Resolving, ask: Callable[[HelperQuestion], HelperAnswer]) -> Resolution:
    """Return the end of a walk, with ``ask`` answering for the helpers."""
    try:
        question = next(walk)
        while True:
            question = walk.send(ask(question))
    except StopIteration as end:
        found: Resolution = end.value
        return found
