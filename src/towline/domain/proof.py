"""Proofs: whether a credential can pull an image, asked at the registry, and when.

The verdict words are the same everywhere: in the API, on pages, in the CLI.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from towline.domain.findings import Exchange, Finding


class Verdict(StrEnum):
    """What is known about a credential."""

    VERIFIED = "verified"
    FAILING = "failing"
    UNPROVED = "unproved"
    """The registry asks nobody for anything, so nothing was proved."""
    UNKNOWN = "unknown"
    """It could not be checked yet."""


@dataclass(frozen=True, slots=True)
class Platform:
    """An operating system and processor as OCI image indexes name them."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclass(frozen=True, slots=True)
class PulledImage:
    """What a registry would deliver for an image reference on one platform.

    ``digest`` is of the platform's own manifest, ``index_digest`` of the index above it where there
    is one; ``size`` is the sum of config and layers in bytes, compressed.
    """

    digest: str
    media_type: str
    size: int
    platform: Platform
    index_digest: str = ""
    platforms: tuple[Platform, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the registry room answers to a question about a login or an image.

    ``finding`` is set exactly when the question's answer is no or could not be had. ``verdict`` is
    about the credential; ``anonymous`` says that the image can be pulled without any.
    """

    verdict: Verdict
    finding: Finding | None = None
    image: PulledImage | None = None
    evidence: tuple[Exchange, ...] = ()
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """How a secret stands now: the newest verdict, since when, and whether a later check failed."""

    verdict: Verdict = Verdict.UNKNOWN
    since: datetime | None = None
    checked_at: datetime | None = None
    finding: Finding | None = None
    stale: bool = False
    image: str = ""

    def after(self, answer: Answer, *, at: datetime, image: str = "") -> Self:
        """Return the standing once ``answer`` came at time ``at``.

        An answer that says nothing about the credential (DNS, TLS, 429, 5xx) keeps the last verdict
        and marks it stale.
        """
        if answer.verdict is Verdict.UNKNOWN:
            known = self.verdict is not Verdict.UNKNOWN
            return replace(self, checked_at=at, finding=answer.finding, stale=known, image=image)
        since = self.since if self.verdict is answer.verdict and self.since else at
        return type(self)(answer.verdict, since=since, checked_at=at, finding=answer.finding, image=image)


@dataclass(frozen=True, slots=True)
class Proof:
    """A question that was asked and its answer, kept as history.

    ``image`` is empty when only the login was tried.
    """

    guid: str
    secret_guid: str
    secret_version: int
    at: datetime
    answer: Answer
    image: str = ""
