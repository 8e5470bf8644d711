"""Running what does not end, whatever the database refuses meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from towline.domain.errors import StoreFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = structlog.get_logger("towline.app")

PAUSE_AFTER_REFUSAL = 2.0


async def lasting(what: str, run: Callable[[], Awaitable[None]]) -> None:
    """Run what does not end, anew whenever the database refused a change: a full disk ends nothing."""
    while True:
        try:
            await run()
        except* StoreFailed as refused:
            log.warning("store.failed", during=what, error=str(refused.exceptions[0]))
        await asyncio.sleep(PAUSE_AFTER_REFUSAL)
