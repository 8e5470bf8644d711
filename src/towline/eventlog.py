"""Log lines: events with fields, as JSON or as text, on standard error.

One processor redacts whatever could be a credential, so that no caller's slip reaches a log: values of
type Password, fields with telling names, user info and queries in URLs.
"""

from __future__ import annotations

import logging
import re
import sys
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from towline.domain.credential import Password

if TYPE_CHECKING:
    from collections.abc import MutableMapping

STARS = "***"

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The request that is being answered. Set for each: a tenth of what binding a field to the log would cost."""

_TELLING = re.compile(
    r"passw|secret_value|authorization|cookie|token(?!_guid)|credential(?!s?_door)|api_?key", re.IGNORECASE
)
_USER_INFO = re.compile(r"(?<=://)[^/\s@]+@")
_QUERY = re.compile(r"(https?://[^\s?]+)\?\S+")
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9+/=_.~-]{8,}", re.IGNORECASE)


def configure(level: str, *, form: str) -> None:
    """Set logging up for the process: ``level`` by name, ``form`` ``json`` or ``text``."""
    renderer = _json if form == "json" else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        name_request,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
        renderer,
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Forwarder()], force=True)


def name_request(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the request that the line belongs to, if it belongs to one."""
    if request_id := REQUEST_ID.get():
        event.setdefault("request_id", request_id)
    return event


def redact(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what could be a credential in every field of ``event``."""
    for key, value in event.items():
        event[key] = STARS if key != "event" and _is_telling(key) else _redacted(value)
    return event


@lru_cache(maxsize=1024)
def _is_telling(name: str) -> bool:
    return _TELLING.search(name) is not None


def _redacted(value: Any) -> Any:  # noqa: ANN401  (a log field may hold anything)
    if isinstance(value, Password):
        return STARS
    if isinstance(value, str):
        return redacted_text(value)
    if isinstance(value, dict):
        return {key: STARS if _is_telling(str(key)) else _redacted(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(each) for each in value]
    return value


def redacted_text(text: str) -> str:
    """Return ``text`` without user info and queries in URLs, and without authorization values."""
    if "://" in text:
        text = _USER_INFO.sub(f"{STARS}@", text)
        text = _QUERY.sub(rf"\1?{STARS}", text)
    if len(text.split(maxsplit=1)) > 1:
        text = _BEARER.sub(rf"\1 {STARS}", text)
    return text


def _json(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


class _Forwarder(logging.Handler):
    """Sends what libraries log through the same processors."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger(record.name)
        log.log(record.levelno, "library.message", logger=record.name, text=record.getMessage())
