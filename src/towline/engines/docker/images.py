"""Deleting images that nobody needs any more, and never one that somebody else brought.

What this installation had pulled stands in a file, by reference. A reference that none of its containers
is made from is taken away without force: the Engine refuses where another's container uses the image, and
keeps the layers where the image has another name.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

import structlog

from towline.engines.docker.daemon import Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection
    from pathlib import Path

    from towline.engines.docker.daemon import Daemon

log = structlog.get_logger("towline.engine.docker")

_GONE = 404
_IN_USE = 409


class PulledImages:
    """The references in the file at ``path``, and their end."""

    def __init__(self, path: Path, daemon: Daemon) -> None:
        self._path = path
        self._daemon = daemon
        self._applying = 0
        self._turn = asyncio.Lock()

    async def note(self, reference: str) -> None:
        """Remember that a pull begins: one that is cut short may have left something."""
        async with self._turn:
            await self._keep({*await asyncio.to_thread(self._read), reference})

    @contextlib.asynccontextmanager
    async def in_use(self) -> AsyncIterator[None]:
        """Keep images from being deleted: one just pulled belongs to no container yet."""
        async with self._turn:
            self._applying += 1
        try:
            yield
        finally:
            self._applying -= 1

    async def known(self) -> frozenset[str]:
        """Return the references of all that this installation had pulled and that was not deleted since."""
        return await asyncio.to_thread(self._read)

    async def collect(self, used: Callable[[], Awaitable[Collection[str]]]) -> int:
        """Delete what is not ``used``, and return how many; none if something is being started now."""
        async with self._turn:
            if self._applying:
                return 0
            pulled = await asyncio.to_thread(self._read)
            needed = await used() if pulled else ()
            ended = {each for each in sorted(pulled) if each not in needed and await self._delete(each)}
            if ended:
                await self._keep(pulled - ended)
            return len(ended)

    async def _delete(self, reference: str) -> bool:
        """Delete one reference; return whether it is gone."""
        try:
            await self._daemon.ask("DELETE", f"/images/{reference}")
        except Refused as refused:
            if refused.status not in (_GONE, _IN_USE):
                log.warning("image.not_deleted", image=reference, why=refused.said[:200])
            return refused.status == _GONE
        log.info("image.deleted", image=reference)
        return True

    async def _keep(self, references: Collection[str]) -> None:
        await asyncio.to_thread(self._write, references)

    def _read(self) -> frozenset[str]:
        try:
            return frozenset(map(str, json.loads(self._path.read_text(encoding="utf-8"))))
        except (FileNotFoundError, ValueError):
            return frozenset()

    def _write(self, references: Collection[str]) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(sorted(references)), encoding="utf-8")
        fresh.replace(self._path)
