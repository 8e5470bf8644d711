"""The outermost layer, around API and console: request ids, metrics, the access log, the last catch."""

from __future__ import annotations

import re
from time import perf_counter
from typing import TYPE_CHECKING

import structlog
from starlette.exceptions import HTTPException
from starlette.routing import Router

from towline import eventlog
from towline.api.absent import absent
from towline.api.errors import ClientGone, later, plain
from towline.api.operations import Stream, header_of
from towline.api.streaming import answer, stream
from towline.services.leaving import Leaving
from towline.services.rates import Rates, network_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from towline.api.endpoint import Endpoint
    from towline.api.metrics import Metrics
    from towline.api.paths import Paths

log = structlog.get_logger("towline.http")

SLOW = 1.0
GONE = 499
"""What is counted when the client hung up before it could be answered."""
UNMATCHED = "unmatched"
THROTTLED = "throttled"
REQUEST_ID = b"x-request-id"
_USABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ALWAYS = frozenset({"/healthz", "/readyz", "/metrics"})
"""What watches a server is answered also when others ask too much."""
_QUIET = frozenset({"GET", "HEAD"})


class Frame:
    """Answers from the API's ``paths``, else from ``pages``; no exception leaves while one can answer.

    ``new_id`` returns an identifier for a request that brings none of its own.
    """

    def __init__(
        self,
        paths: Paths,
        pages: ASGIApp,
        *,
        metrics: Metrics,
        new_id: Callable[[], str],
        leaving: Leaving | None = None,
        rates: Rates | None = None,
    ) -> None:
        self._leaving = leaving or Leaving()
        self._rates = rates or Rates(0)
        self._paths = paths
        self._pages = pages
        self._metrics = metrics
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        began = perf_counter()
        request_id = header_of(scope, REQUEST_ID)
        if not request_id or not _USABLE.fullmatch(request_id):
            request_id = self._new_id()
        eventlog.REQUEST_ID.set(request_id)
        found = self._paths.find(scope["path"])
        label, status = UNMATCHED, GONE
        try:
            if wait := self._wait(scope):
                status, label = 429, THROTTLED
                await answer(later(wait), send, (REQUEST_ID, request_id.encode()))
            elif found is not None:
                endpoint, scope["path_params"] = found
                label = endpoint.label
                status = await self._answered(endpoint, scope, receive, send, request_id)
            else:
                status = await self._shown(scope, receive, send, request_id)
                label = "page" if "endpoint" in scope else UNMATCHED
        finally:
            self._note(scope, label, status, request_id, seconds=perf_counter() - began)

    def _wait(self, scope: Scope) -> int:
        """Count a request by its address; return in how many seconds to come again, 0 for at once."""
        client = scope.get("client")
        if client is None or scope["path"] in _ALWAYS:
            return 0
        wait = self._rates.wait(network_of(client[0]))
        if wait:
            self._metrics.throttled("address")
        return wait

    async def _answered(
        self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send, request_id: str
    ) -> int:
        """Answer from the API; return the status."""
        header = (REQUEST_ID, request_id.encode())
        try:
            reply = await endpoint.reply(scope, receive)
        except ClientGone:
            return GONE
        except Exception:
            log.exception("request.failed", **_named(scope, request_id))
            reply = plain(500, "internal error", request_id=request_id)
        if not isinstance(reply, Stream):
            await answer(reply, send, header)
            return reply.status
        self._metrics.streams += 1
        try:
            await stream(
                reply,
                receive,
                send,
                header,
                leaving=self._leaving,
                only_headers=scope["method"] == "HEAD",
            )
        except Exception:
            log.exception("request.failed", **_named(scope, request_id))
            raise
        finally:
            self._metrics.streams -= 1
        return 200

    async def _shown(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> int:
        """Answer with a page, or that there is none; return the status."""
        header, status = (REQUEST_ID, request_id.encode()), GONE

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], header]
            await send(message)

        try:
            await self._pages(scope, receive, watched)
        except HTTPException as error:
            if status != GONE:
                raise
            status = error.status_code
            await answer(plain(status, error.detail), send, header)
        except Exception:
            log.exception("request.failed", **_named(scope, request_id))
            if status != GONE:
                raise
            status = 500
            await answer(plain(status, "internal error", request_id=request_id), send, header)
        return status

    def _note(self, scope: Scope, label: str, status: int, request_id: str, *, seconds: float) -> None:
        """Count the request, and log it unless it was a quick look that went well."""
        method = scope["method"]
        self._metrics.observe(method, label, status, seconds=seconds)
        if method in _QUIET and status < 400 and seconds < SLOW:
            return
        log.info(
            "request.answered",
            **_named(scope, request_id),
            status=status,
            milliseconds=round(seconds * 1000, 1),
        )


async def not_there(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a path that nothing has, as JSON; what rapyuta.io has and Towline has not is named."""
    if scope["type"] == "http":
        known = absent(scope["method"], scope["path"])
        status, text = known or (404, f"there is nothing at {_path(scope)}")
        raise HTTPException(status, text)
    await Router().not_found(scope, receive, send)


def _named(scope: Scope, request_id: str) -> dict[str, str]:
    """Return the fields by which a request is found in the log."""
    return {"method": scope["method"], "path": _path(scope), "request_id": request_id}


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path[:200]
