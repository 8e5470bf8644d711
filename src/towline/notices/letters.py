"""What is written into a notice, and its signature (HMAC-SHA256 over time and body, RFC 2104)."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING

from towline.domain.events import NoticeFormat

if TYPE_CHECKING:
    from towline.domain.credential import Password
    from towline.domain.events import Event


def body_of(event: Event, form: NoticeFormat) -> bytes:
    """Return the body of a POST: the event as JSON, or as Slack's incoming webhooks take a text."""
    if form is NoticeFormat.SLACK:
        return json.dumps({"text": _escaped(event.text)}).encode()
    document = {
        "id": event.guid,
        "kind": event.kind.value,
        "at": event.at.isoformat().replace("+00:00", "Z"),
        "project": event.project_guid,
        "subject": {"guid": event.subject_guid, "name": event.subject_name},
        "facts": dict(event.facts),
        "text": event.text,
    }
    return json.dumps(document).encode()


def signature(key: Password, body: bytes, *, at: int) -> str:
    """Return the signature header: ``t=SECONDS,v1=HEX`` over ``SECONDS.BODY``; old ones can be refused."""
    signed = hmac.new(key.reveal().encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={signed.hexdigest()}"


def _escaped(text: str) -> str:
    """Return text as Slack wants it: three letters have a meaning of their own there."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
