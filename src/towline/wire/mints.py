"""How a docker secret's login is minted, on the wire: ``spec.docker.mint`` and ``status.mint``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from towline.domain.minting import MINTS
from towline.domain.secret import MintDraft
from towline.wire.metadata import rfc3339_or_none
from towline.wire.problems import required
from towline.wire.proofs import FindingDocument, finding_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.domain.minting import Minted


class MintIn(msgspec.Struct):
    """``spec.docker.mint`` as clients send it; ``key`` is the parent credential as a text."""

    kind: str | None = None
    settings: dict[str, str] | None = None
    key: str | None = None


class MintDocument(msgspec.Struct, omit_defaults=True):
    """``spec.docker.mint`` of answers; without the key."""

    kind: str
    settings: dict[str, str] = {}


class MintedDocument(msgspec.Struct, omit_defaults=True):
    """``status.mint``: since when and until when the login in use is good, when it is renewed, what hinders.

    ``failures`` counts tries in a row that did not work out; ``finding`` is why the last one did not.
    """

    minted_at: str | None = None
    valid_until: str | None = None
    renews_at: str | None = None
    failures: int = 0
    finding: FindingDocument | None = None


def mint_draft(
    name: str, asked: MintIn, *, registry: str, email: str, labels: Mapping[str, str]
) -> MintDraft:
    """Return the secret whose login is to be minted; raise InvalidInput naming the field."""
    rule = f"use one of {', '.join(MINTS)}"
    kind = required(asked.kind, field="spec.docker.mint.kind", rule=rule)
    wanted = next((facts.key for each, facts in MINTS.items() if each.value == kind), "the parent credential")
    return MintDraft.checked(
        name,
        registry=registry,
        mint=(kind, asked.settings or {}),
        key=required(asked.key, field="spec.docker.mint.key", rule=f"give {wanted}"),
        email=email,
        labels=labels,
    )


def mint_document(minted: Minted) -> MintDocument:
    """Return how the login is minted."""
    return MintDocument(minted.mint.kind.value, dict(minted.mint.settings))


def minted_document(minted: Minted) -> MintedDocument:
    """Return how the minting stands."""
    return MintedDocument(
        minted_at=rfc3339_or_none(minted.minted_at),
        valid_until=rfc3339_or_none(minted.expires_at),
        renews_at=rfc3339_or_none(minted.renews_at),
        failures=minted.failures,
        finding=finding_document(minted.trouble) if minted.trouble else None,
    )
