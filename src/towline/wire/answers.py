"""Answers that are about no noun: errors, success, health."""

from __future__ import annotations

import msgspec

from towline.wire.proofs import FindingDocument


class ErrorDocument(msgspec.Struct, omit_defaults=True):
    """Every refusal. Clients print ``error``; the rest is Towline's addition."""

    error: str
    field: str | None = None
    finding: FindingDocument | None = None
    request_id: str | None = None


class SuccessDocument(msgspec.Struct):
    """What was asked for is done."""

    success: bool


class LiveDocument(msgspec.Struct):
    """The process lives."""

    alive: bool


class ReadyDocument(msgspec.Struct, omit_defaults=True):
    """Whether the server can do its work; ``error`` names what does not answer, ``reasons`` why."""

    ready: bool
    error: str | None = None
    reasons: dict[str, str] | None = None
