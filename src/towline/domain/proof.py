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
class PullLimit:
    """How many pulls a registry allows in a window of ``seconds``, and how many are left.

    ``by_address`` tells to whom they are counted: the address (True), the login's account (False), or
    nobody says (None). Counted to the address, the secret was not used.
    """

    limit: int
    remaining: int
    seconds: int = 0
    by_address: bool | None = None

    def __str__(self) -> str:
        window = f" in {self.seconds // 3600 or 1} h" if self.seconds else ""
        whose = {True: ", counted to this address", False: ", counted to the account", None: ""}
        return f"{self.remaining} of {self.limit} pulls left{window}{whose[self.by_address]}"


FURTHER_REQUESTS = 4
"""How many requests beyond a proof's own may be asked to tell causes apart."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the registry room answers to a question about a login or an image.

    ``finding`` is set exactly when the question's answer is no or could not be had. ``verdict`` is
    about the credential; ``anonymous`` says that the image can be pulled without any. ``spare`` is how
    many further requests may still be asked to tell causes apart.
    """

    verdict: Verdict
    finding: Finding | None = None
    image: PulledImage | None = None
    evidence: tuple[Exchange, ...] = ()
    anonymous: bool = False
    provider: str = ""
    limit: PullLimit | None = None
    spare: int = 0


@dataclass(frozen=True, slots=True)
class Glance:
    """What a look with another credential showed: whether it may pull, None where nobody could tell.

    ``finding`` says why not, where that is known.
    """

    allowed: bool | None
    finding: Finding | None = None
    evidence: tuple[Exchange, ...] = ()


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
