"""Mirrors of secrets on the wire. Nothing of the credential is ever part of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from towline.domain.mirror import MirrorDraft, PlaceState
from towline.wire.metadata import API_VERSION, Inbound, check_frame, rfc3339, rfc3339_or_none
from towline.wire.problems import read, required

if TYPE_CHECKING:
    from towline.domain.mirror import Mirror, MirrorPlace, MirrorState


class MirrorSpecIn(msgspec.Struct, rename="camel"):
    """Where to keep a secret: namespaces by name or label, and the service accounts whose pods use it.

    ``engine`` names the cluster; without it it is the installation's own, or the only one there is.
    """

    namespaces: list[str] | None = None
    namespace_selector: str | None = None
    service_accounts: list[str] | None = None
    secret_name: str | None = None
    nudge: bool | None = None
    engine: str | None = None


class MirrorIn(Inbound):
    """A mirror to keep."""

    spec: MirrorSpecIn | None = None


class MirrorMetadata(msgspec.Struct, rename="camel"):
    """A mirror's guid, which is its only name, and its age."""

    name: str
    guid: str
    created_at: str


class MirrorSpec(msgspec.Struct, rename="camel"):
    """What was asked for."""

    namespaces: list[str]
    namespace_selector: str
    service_accounts: list[str]
    secret_name: str
    nudge: bool
    engine: str


class PlaceDocument(msgspec.Struct, rename="camel", omit_defaults=True):
    """How it fares in one namespace; ``version`` is the one in place there."""

    namespace: str
    state: PlaceState
    reason: str = ""
    version: int = 0
    service_accounts: list[str] = []
    waiting_pods: list[str] = []
    since: str | None = None


class MirrorStatus(msgspec.Struct):
    """``kept``, or ``leaving`` while the cluster is being rid of it; and how it fares in each namespace."""

    state: Literal["kept", "leaving"]
    namespaces: list[PlaceDocument]


class MirrorDocument(msgspec.Struct, rename="camel"):
    """A mirror as it is shown."""

    api_version: str
    kind: Literal["SecretMirror"]
    metadata: MirrorMetadata
    spec: MirrorSpec
    status: MirrorStatus


def draft(body: bytes) -> MirrorDraft:
    """Return the mirror that ``body`` asks for; raise InvalidInput naming the field."""
    asked = read(body, MirrorIn)
    check_frame(asked, "SecretMirror")
    spec = required(asked.spec, field="spec")
    return MirrorDraft.checked(
        namespaces=spec.namespaces or (),
        selector=spec.namespace_selector or "",
        accounts=spec.service_accounts or (),
        object_name=spec.secret_name or "",
        nudge=bool(spec.nudge),
        engine=spec.engine or "",
    )


def document(state: MirrorState) -> bytes:
    """Return the document of a mirror."""
    mirror = state.mirror
    return msgspec.json.encode(
        MirrorDocument(
            API_VERSION,
            "SecretMirror",
            MirrorMetadata(mirror.guid, mirror.guid, rfc3339(mirror.created_at)),
            _spec(mirror, state.engine),
            MirrorStatus(
                "kept" if mirror.removed_at is None else "leaving", [_place(each) for each in state.places]
            ),
        )
    )


def _spec(mirror: Mirror, engine: str) -> MirrorSpec:
    return MirrorSpec(
        list(mirror.namespaces),
        mirror.selector.text,
        list(mirror.accounts),
        mirror.object_name,
        nudge=mirror.nudge,
        engine=engine,
    )


def _place(place: MirrorPlace) -> PlaceDocument:
    return PlaceDocument(
        place.namespace,
        place.state,
        reason=place.reason,
        version=place.version,
        service_accounts=list(place.accounts),
        waiting_pods=list(place.pods),
        since=rfc3339_or_none(place.at),
    )
