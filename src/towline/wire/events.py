"""Events and webhooks on the wire. A webhook's signing key is shown once, in the answer to its creation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import msgspec

from towline.domain.errors import InvalidInput
from towline.domain.events import EventKind, NoticeFormat, WebhookDraft
from towline.wire.metadata import API_VERSION, Inbound, MetadataIn, check_frame, name_in, rfc3339
from towline.wire.problems import read, required

if TYPE_CHECKING:
    from towline.domain.credential import Password
    from towline.domain.events import Event
    from towline.ports import WebhookState


class SubjectDocument(msgspec.Struct):
    """What an event is about."""

    guid: str
    name: str


class EventDocument(msgspec.Struct):
    """Something that happened; ``facts`` depend on the kind."""

    kind: Literal["Event"]
    api_version: str = msgspec.field(name="apiVersion")
    id: str
    type: EventKind
    at: str
    subject: SubjectDocument
    facts: dict[str, str]
    text: str


class WebhookSpecIn(msgspec.Struct):
    """Where and of what to tell."""

    url: str | None = None
    format: str | None = None
    kinds: list[str] | None = None


class WebhookIn(Inbound):
    """A webhook to create."""

    metadata: MetadataIn | None = None
    spec: WebhookSpecIn | None = None


class WebhookMetadata(msgspec.Struct):
    """A webhook's name and guid."""

    name: str
    guid: str
    created_at: str = msgspec.field(name="createdAt")


class WebhookSpec(msgspec.Struct):
    """Where and of what it tells; the address is cut after its host, as its path may be a secret."""

    target: str
    format: NoticeFormat
    kinds: list[EventKind]


class WebhookStatus(msgspec.Struct, omit_defaults=True):
    """How its deliveries fare."""

    waiting: int
    given_up: int
    last_trouble: str | None = None


class WebhookDocument(msgspec.Struct, omit_defaults=True):
    """A webhook as it is shown."""

    api_version: str = msgspec.field(name="apiVersion")
    kind: Literal["Webhook"]
    metadata: WebhookMetadata
    spec: WebhookSpec
    status: WebhookStatus
    signing_key: str | None = msgspec.field(name="signingKey", default=None)


def draft(body: bytes) -> WebhookDraft:
    """Return the webhook that ``body`` asks for; raise InvalidInput naming the field."""
    asked = read(body, WebhookIn)
    check_frame(asked, "Webhook")
    spec = required(asked.spec, field="spec")
    return WebhookDraft.checked(
        name_in(asked.metadata),
        url=required(spec.url, field="spec.url"),
        form=spec.format or "",
        kinds=tuple(spec.kinds or ()),
    )


def kind_of(text: str) -> EventKind | None:
    """Return the kind of events that a query asks for; None for all."""
    if not text:
        return None
    try:
        return EventKind(text)
    except ValueError as error:
        rule = f"use {', '.join(EventKind)}"
        raise InvalidInput("kind", problem=f"is {text[:60]!a}", rule=rule) from error


def event(known: Event) -> bytes:
    """Return the document of an event."""
    return msgspec.json.encode(
        EventDocument(
            kind="Event",
            api_version=API_VERSION,
            id=known.guid,
            type=known.kind,
            at=rfc3339(known.at),
            subject=SubjectDocument(known.subject_guid, known.subject_name),
            facts=dict(known.facts),
            text=known.text,
        )
    )


def webhook(state: WebhookState, *, key: Password | None = None) -> bytes:
    """Return the document of a webhook, with its signing key where it has just been made."""
    known = state.webhook
    return msgspec.json.encode(
        WebhookDocument(
            api_version=API_VERSION,
            kind="Webhook",
            metadata=WebhookMetadata(known.name, known.guid, created_at=rfc3339(known.created_at)),
            spec=WebhookSpec(_target(known.url), known.format, kinds=list(known.kinds or EventKind)),
            status=WebhookStatus(state.waiting, state.given_up, last_trouble=state.last or None),
            signing_key=key.reveal() if key else None,
        )
    )


def _target(url: str) -> str:
    parts = urlsplit(url)
    return url if parts.scheme == "mailto" else f"{parts.scheme}://{parts.netloc}"
