"""The outermost layer, around API and console: request ids, metrics, the access log, the last catch."""

from __future__ import annotations

import re
from time import perf_counter
from typing import TYPE_CHECKING

import structlog
from starlette.exceptions import HTTPException

from towline.api.endpoint import Endpoint, answer
from towline.api.errors import plain
from towline.api.operations import header_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from towline.api.metrics import Metrics

log = structlog.get_logger("towline.http")

SLOW = 1.0
GONE = 499
"""What is counted when the client hung up before it could be answered."""
UNMATCHED = "unmatched"
_USABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_QUIET = frozenset({"GET", "HEAD"})


class Frame:
    """Runs an application for each request; no exception leaves it while an answer can be given.

    ``new_id`` returns an identifier for a request that brings none of its own.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, new_id: Callable[[], str]) -> None:
        self._app = app
        self._metrics = metrics
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        request_id = header_of(scope, b"x-request-id")
        if not request_id or not _USABLE.fullmatch(request_id):
            request_id = self._new_id()
        header = (b"x-request-id", request_id.encode())
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], header]
            await send(message)

        if scope["method"] not in _QUIET:
            structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await self._app(scope, receive, watched)
        except HTTPException as error:
            await answer(plain(error.status_code, error.detail), watched)
        except Exception:
            log.exception("request.failed", method=scope["method"], path=_path(scope), request_id=request_id)
            if status:
                raise
            await answer(plain(500, "internal error", request_id=request_id), watched)
        finally:
            self._note(scope, status or GONE, request_id, seconds=perf_counter() - began)

    def _note(self, scope: Scope, status: int, request_id: str, *, seconds: float) -> None:
        """Count the request, and log it unless it was a quick look that went well."""
        method = scope["method"]
        endpoint = scope.get("endpoint")
        label = endpoint.label if type(endpoint) is Endpoint else "page" if endpoint else UNMATCHED
        self._metrics.observe(method, label, status, seconds=seconds)
        if method in _QUIET and status < 400 and seconds < SLOW:
            return
        log.info(
            "request.answered",
            method=method,
            path=_path(scope),
            status=status,
            milliseconds=round(seconds * 1000, 1),
            request_id=request_id,
        )


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path[:200]
