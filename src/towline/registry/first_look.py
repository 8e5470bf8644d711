"""What a refused login tells by its own text: a line break at its end, a token that has run out.

A registry says "unauthorized" to all of them alike. Nothing is asked for this, nothing of a password quoted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.credential_shape import shape_of

if TYPE_CHECKING:
    from datetime import datetime

    from towline.domain.credential import Credential
    from towline.domain.providers import Provider


@dataclass(frozen=True, slots=True)
class Look:
    """What the text of a refused login tells, the surest first; empty where it looks as it should."""

    expired: bool = False
    likely: tuple[str, ...] = ()
    fix: str = ""


UNSUSPICIOUS = Look()

_ABOUT_THE_LOGIN = frozenset(
    {
        FindingCode.WRONG_CREDENTIALS,
        FindingCode.REPOSITORY_NOT_FOUND_OR_HIDDEN,
        FindingCode.NO_PULL_PERMISSION,
    }
)


def look_at(credential: Credential | None, code: FindingCode, provider: Provider, *, now: datetime) -> Look:
    """Return what ``credential`` tells that was not accepted with the finding ``code``."""
    if credential is None or code not in _ABOUT_THE_LOGIN:
        return UNSUSPICIOUS
    shape = shape_of(provider, credential, now=now)
    expired = shape.expires_at is not None and shape.expires_at <= now
    slips = [each for each in shape.suspicions if each.code != "expired"]
    return Look(
        expired,
        tuple(f"Look at the {each.field}: {each.problem}." for each in shape.suspicions),
        f"Look at the {slips[0].field} first: {slips[0].fix}." if slips else "",
    )
