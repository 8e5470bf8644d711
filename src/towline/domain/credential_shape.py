"""What a credential's shape tells before any registry is asked: its kind, its expiry, usual mistakes.

Nothing here quotes a password.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from towline.domain.credential_slips import Suspicion, expired, slips
from towline.domain.token_texts import audience_of, expiry_of, kind_of

if TYPE_CHECKING:
    from towline.domain.credential import Credential
    from towline.domain.providers import Provider


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known about a credential by looking at it.

    ``kind`` is in words, empty where nothing is recognised; ``audience`` and ``expires_at`` come from the
    token itself, whose signature nobody checked.
    """

    kind: str = ""
    expires_at: datetime | None = None
    audience: str = ""
    suspicions: tuple[Suspicion, ...] = ()


def shape_of(provider: Provider, credential: Credential, *, now: datetime) -> Shape:
    """Return what a credential tells about itself at a registry of ``provider``."""
    password = credential.password.reveal()
    bare = password.strip()
    expires_at = expiry_of(bare)
    suspicions = () if credential.is_identity_token else slips(provider, credential.username, password)
    if expires_at is not None and expires_at <= now:
        suspicions = (expired(expires_at), *suspicions)
    kind = kind_of(bare) or ("an identity token" if credential.is_identity_token else "")
    return Shape(kind, expires_at, audience=audience_of(bare), suspicions=suspicions)
