"""Whether the process lives, whether it can do its work, and its metrics."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import structlog

from towline.api.metrics import CONTENT_TYPE
from towline.api.operations import TEXT, Operation, Reply
from towline.domain.account import Permission
from towline.domain.scopes import ScopeKind
from towline.wire.answers import LiveDocument, ReadyDocument

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from towline.api.metrics import Metrics
    from towline.api.operations import Call

log = structlog.get_logger("towline.http")

PATIENCE = 2.0
_TAG = "Operation"
_METRICS_HEADERS = ((b"content-type", CONTENT_TYPE), *TEXT[1:])
_encode = msgspec.json.Encoder().encode


class HealthApi:
    """``checks`` names what the server cannot work without; each is asked, and raises when it fails."""

    def __init__(
        self, checks: Mapping[str, Callable[[], Awaitable[object]]], metrics: Metrics, *, open_metrics: bool
    ) -> None:
        self._checks = checks
        self._metrics = metrics
        self._permission = Permission.OPEN if open_metrics else Permission.SIGNED_IN

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the table."""
        return (
            Operation(
                method="GET",
                path="/healthz",
                permission=Permission.OPEN,
                tag=_TAG,
                summary="Whether the process lives",
                handle=self.live,
                answer=LiveDocument,
            ),
            Operation(
                method="GET",
                path="/readyz",
                permission=Permission.OPEN,
                tag=_TAG,
                summary="Whether store and engine answer",
                handle=self.ready,
                answer=ReadyDocument,
                errors=(503,),
            ),
            Operation(
                method="GET",
                path="/metrics",
                permission=self._permission,
                scope=ScopeKind.METRICS_READ,
                tag=_TAG,
                summary="Metrics in Prometheus' text format",
                handle=self.metrics,
                media_type="text/plain",
            ),
        )

    async def live(self, _: Call) -> Reply:
        """Answer that the process lives."""
        return Reply(b'{"alive":true}')

    async def ready(self, _: Call) -> Reply:
        """Ask all that the server needs, at once."""
        names = tuple(self._checks)
        outcomes = await asyncio.gather(*(_passes(name, self._checks[name]) for name in names))
        failed = [name for name, passed in zip(names, outcomes, strict=True) if not passed]
        if failed:
            return Reply(
                _encode(ReadyDocument(ready=False, error=f"no answer from {', '.join(failed)}")), 503
            )
        return Reply(_encode(ReadyDocument(ready=True)))

    async def metrics(self, _: Call) -> Reply:
        """Answer the metrics."""
        return Reply(self._metrics.text(), headers=_METRICS_HEADERS)


async def _passes(name: str, check: Callable[[], Awaitable[object]]) -> bool:
    """Whether ``check`` returns in time; a failure of any kind is the answer, and is logged."""
    try:
        async with asyncio.timeout(PATIENCE):
            await check()
    except Exception as error:  # noqa: BLE001  (whatever fails there, the server is not ready)
        log.warning("readiness.failed", check=name, error=repr(error))
        return False
    return True
