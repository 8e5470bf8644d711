"""Whether the process lives, whether it can do its work, and its metrics."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import structlog

from towline.api.metrics import CONTENT_TYPE
from towline.api.operations import TEXT, Operation, Reply
from towline.domain.account import Permission
from towline.domain.errors import TowlineError
from towline.domain.scopes import ScopeKind
from towline.wire.answers import LiveDocument, ReadyDocument

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from towline.api.metrics import Metrics
    from towline.api.operations import Call
    from towline.services.leaving import Leaving

log = structlog.get_logger("towline.http")

PATIENCE = 2.0
MOST_TOLD = 300
_TAG = "Operation"
_METRICS_HEADERS = ((b"content-type", CONTENT_TYPE), *TEXT[1:])
_encode = msgspec.json.Encoder().encode


class HealthApi:
    """``checks`` names what the server cannot work without; each is asked, and raises when it fails."""

    def __init__(
        self,
        checks: Mapping[str, Callable[[], Awaitable[object]]],
        metrics: Metrics,
        *,
        open_metrics: bool,
        leaving: Leaving,
    ) -> None:
        self._leaving = leaving
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
        """Ask all that the server needs, at once; say what does not answer, and why."""
        if self._leaving.is_said:
            return Reply(_encode(ReadyDocument(ready=False, error="the server is about to end")), 503)
        reasons = await self._reasons()
        failed = {name: reason for name, reason in reasons.items() if reason}
        if not failed:
            return Reply(_encode(ReadyDocument(ready=True)))
        error = f"no answer from {', '.join(failed)}"
        return Reply(_encode(ReadyDocument(ready=False, error=error, reasons=failed)), 503)

    async def metrics(self, _: Call) -> Reply:
        """Answer the metrics."""
        reasons = await self._reasons()
        text = await self._metrics.text(tuple((name, not reason) for name, reason in reasons.items()))
        return Reply(text, headers=_METRICS_HEADERS)

    async def _reasons(self) -> Mapping[str, str]:
        """Ask everything; return for each name why it does not answer, empty where it does."""
        reasons = await asyncio.gather(*(_trouble(name, check) for name, check in self._checks.items()))
        return dict(zip(self._checks, reasons, strict=True))


async def _trouble(name: str, check: Callable[[], Awaitable[object]]) -> str:
    """Return why ``check`` fails or does not return in time, empty where it does; a failure is logged."""
    try:
        async with asyncio.timeout(PATIENCE):
            await check()
    except TimeoutError:
        reason = f"no answer within {PATIENCE:g} s"
    except TowlineError as error:
        reason = str(error)[:MOST_TOLD]
    except Exception as error:  # noqa: BLE001  (whatever fails there, the server is not ready)
        reason = type(error).__name__
        log.warning("readiness.failed", check=name, error=repr(error))
        return reason
    else:
        return ""
    log.warning("readiness.failed", check=name, error=reason)
    return reason
