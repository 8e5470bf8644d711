"""Events: what changed without anybody asking, and the webhooks that tell people and programs of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from urllib.parse import urlsplit

from towline.domain.errors import InvalidInput
from towline.domain.names import email_address, secret_name

MOST_ATTEMPTS = 8
_FIRST_PAUSE = timedelta(seconds=10)
_URL_RULE = "give https://HOST/PATH, or mailto:ADDRESS for e-mail"
_PRINTABLE = re.compile(r"[\x21-\x7e]+")


class EventKind(StrEnum):
    """The stable name of what happened."""

    VERDICT_CHANGED = "secret.verdict-changed"
    PHASE_CHANGED = "deployment.phase-changed"
    ROLLED_BACK = "deployment.rolled-back"
    DRIFTED = "deployment.drifted"
    MIRROR_TROUBLE = "secret.mirror-trouble"
    RENEWAL_FAILED = "secret.renewal-failed"
    RENEWED = "secret.renewed"
    TEST = "webhook.test"


class NoticeFormat(StrEnum):
    """In which form a webhook is told."""

    JSON = "json"
    SLACK = "slack"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a secret or deployment of a project; holds no credential."""

    guid: str
    project_guid: str
    kind: EventKind
    at: datetime
    subject_guid: str
    subject_name: str
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def headline(self) -> str:
        """What happened, as one sentence for people."""
        known = {"before": "", "after": "", "finding": "", **self.facts}
        why = f" ({known['finding']})" if known["finding"] else ""
        match self.kind:
            case EventKind.VERDICT_CHANGED:
                return f"Secret {self.subject_name}: {known['before']} -> {known['after']}{why}."
            case EventKind.PHASE_CHANGED:
                return f"Deployment {self.subject_name}: {known['after']}{why}."
            case EventKind.ROLLED_BACK:
                update, serves = known["before"], known["after"]
                return f"Deployment {self.subject_name}: {update} was taken back{why}, {serves} runs again."
            case EventKind.DRIFTED:
                who = f" by {known['culprit']}" if known.get("culprit") else ""
                what = f"{known.get('subject', 'an object')} was {known.get('change', 'changed')}{who}"
                return f"Deployment {self.subject_name}: {what}; it is put right."
            case EventKind.MIRROR_TROUBLE | EventKind.RENEWAL_FAILED | EventKind.RENEWED:
                return f"Secret {self.subject_name}{self._fared(known, why)}."
            case EventKind.TEST:
                return f"Webhook {self.subject_name} was asked to prove itself."

    def _fared(self, known: Mapping[str, str], why: str) -> str:
        """Return how a secret's copy or renewal fared, to stand behind the secret's name."""
        ends = known.get("expires", "")
        if self.kind is EventKind.RENEWED:
            return f" is renewed again, until {ends}"
        if self.kind is EventKind.RENEWAL_FAILED:
            return f" cannot be renewed{why}" + (f", its login is good until {ends}" if ends else "")
        said = known.get("reason") or known.get("pods", "")
        return f", mirrored into {known.get('namespace')}: {said}"

    @property
    def text(self) -> str:
        """What happened and what to do."""
        fix = self.facts.get("fix", "")
        return f"{self.headline} {fix}" if fix else self.headline


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a project's events are told; the signing key is sealed beside it."""

    guid: str
    name: str
    project_guid: str
    url: str
    format: NoticeFormat
    kinds: tuple[EventKind, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class WebhookDraft:
    """A webhook as somebody asks for it, already checked. Without kinds it is told of all."""

    name: str
    url: str
    format: NoticeFormat
    kinds: tuple[EventKind, ...] = ()

    @classmethod
    def checked(cls, name: str, *, url: str, form: str, kinds: tuple[str, ...]) -> Self:
        """Return the draft, or raise InvalidInput naming the field."""
        scheme = _scheme(url)
        wanted = _format(form or ("email" if scheme == "mailto" else "json"))
        if (scheme == "mailto") != (wanted is NoticeFormat.EMAIL):
            raise InvalidInput(
                "spec.format", problem=f"is {wanted.value!r} for a {scheme} address", rule=_URL_RULE
            )
        return cls(secret_name(name), url, wanted, tuple(_kind(each) for each in kinds))


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way to a webhook."""

    seq: int
    attempts: int
    webhook: Webhook
    sealed_key: bytes
    event: Event


def pause_after(attempts: int) -> timedelta | None:
    """Return how long to wait after so many failed attempts; None when it is given up (after 12 hours)."""
    return None if attempts >= MOST_ATTEMPTS else _FIRST_PAUSE * 4 ** (attempts - 1)


def _scheme(url: str) -> str:
    if not _PRINTABLE.fullmatch(url) or len(url) > 2000:
        raise InvalidInput("spec.url", problem="is no address", rule=_URL_RULE)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidInput("spec.url", problem="is no address", rule=_URL_RULE) from error
    if parts.scheme == "mailto":
        email_address(parts.path, field="spec.url")
        return "mailto"
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise InvalidInput("spec.url", problem="is no address of a web server", rule=_URL_RULE)
    if "@" in parts.netloc or parts.fragment:
        raise InvalidInput("spec.url", problem="holds a user name or fragment", rule=_URL_RULE)
    return parts.scheme


def _format(text: str) -> NoticeFormat:
    try:
        return NoticeFormat(text)
    except ValueError as error:
        rule = f"use one of {', '.join(NoticeFormat)}"
        raise InvalidInput("spec.format", problem=f"is {text[:40]!a}", rule=rule) from error


def _kind(text: str) -> EventKind:
    try:
        return EventKind(text)
    except ValueError as error:
        rule = f"use {', '.join(EventKind)}"
        raise InvalidInput("spec.kinds", problem=f"holds {text[:60]!a}", rule=rule) from error
