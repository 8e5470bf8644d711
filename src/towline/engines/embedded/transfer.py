"""Fetching one blob: streamed to disk, hashed on the way, taken up again where it broke off.

Writing and hashing run in a thread of the blob's own while the loop receives the next piece: a write can
block for long when the disk is busy, and both let go of Python's lock. The part's digest is always that of
its file: what an earlier process left is read again first.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import structlog

from towline.domain.causes import FindingCode
from towline.domain.errors import PullRefused
from towline.engines.embedded.refusals import refused, unwritten
from towline.engines.embedded.sharing import finished

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from towline.engines.embedded.content import ContentStore
    from towline.engines.embedded.manifest import Descriptor

    From = Callable[[int], AsyncIterator[bytes]]
    """Gives a blob's bytes from an offset on."""

T = TypeVar("T")

log = structlog.get_logger("towline.engine.embedded")

_BATCH = 1 << 20
_MOST_CUTS = 10
_CUTS = frozenset({FindingCode.REGISTRY_RESET, FindingCode.REGISTRY_TIMEOUT, FindingCode.BLOB_UNAVAILABLE})


async def fetch(
    blob: From, wanted: Descriptor, content: ContentStore, *, received: Callable[[int], None]
) -> Path:
    """Return the path of a blob, fetched and verified; ``received`` hears how much is here.

    Raises PullRefused. A connection that is cut is taken up again as long as that brings something.
    """
    async with _opened(content.part(wanted.digest), wanted, received=received) as part:
        resumed = await part.read_again() > 0
        await _fill(blob, part)
        if resumed and not part.fits:
            log.info("blob.begun_anew", digest=wanted.digest)
            await part.empty()
            await _fill(blob, part)
        if not part.fits:
            await part.drop()
            detail = f"the registry sent other content than {wanted.digest}"
            raise refused(FindingCode.IMAGE_CORRUPT, detail)
        await part.settle()
        return content.adopt(wanted.digest)


async def _fill(blob: From, part: _Part) -> None:
    """Receive until the part is as long as it should be."""
    for _ in range(_MOST_CUTS):
        before = part.received
        if before == part.wanted.size:
            return
        try:
            await _receive(blob, part)
        except PullRefused as cut:
            if cut.finding.code not in _CUTS or part.received == before:
                raise
            log.info("blob.cut", digest=part.wanted.digest, received=part.received, cause=cut.finding.code)
        if part.received == before:
            break
    if part.received < part.wanted.size:
        detail = f"{part.wanted.digest}: {part.received} of {part.wanted.size} bytes came"
        raise refused(FindingCode.BLOB_UNAVAILABLE, detail)


async def _receive(blob: From, part: _Part) -> None:
    stream = blob(part.received)
    try:
        async for piece in stream:
            await part.add(piece)
    finally:
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()
        await part.flush()


@asynccontextmanager
async def _opened(path: Path, wanted: Descriptor, *, received: Callable[[int], None]) -> AsyncIterator[_Part]:
    """Give a part, and let go of its file and thread whatever happens."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="towline-blob")
    part = _Part(path, wanted, thread=thread, received=received)
    try:
        yield part
    except OSError as error:
        await part.drop()
        raise unwritten(error, what=wanted.digest) from error
    finally:
        try:
            await finished(asyncio.get_running_loop().run_in_executor(thread, part.file.close))
        finally:
            thread.shutdown(wait=False)


class _Part:
    """A blob on its way. ``received`` counts what was accepted, ``fits`` says that it is the whole of it."""

    def __init__(
        self, path: Path, wanted: Descriptor, *, thread: ThreadPoolExecutor, received: Callable[[int], None]
    ) -> None:
        self.wanted = wanted
        self.received = 0
        self.file = _PartFile(path)
        self._thread = thread
        self._tell = received
        self._batch: list[bytes] = []
        self._batched = 0
        self._writing: asyncio.Future[None] | None = None

    @property
    def fits(self) -> bool:
        """Whether the content is what its name promises."""
        return self.file.digest == self.wanted.digest

    async def read_again(self) -> int:
        """Take up what an earlier try left; return how much that is."""
        self.received = await self._run(self.file.open, self.wanted.size)
        self._tell(self.received)
        return self.received

    async def add(self, piece: bytes) -> None:
        """Accept a piece; it is written while the next ones are received."""
        self.received += len(piece)
        if self.received > self.wanted.size:
            self.received -= len(piece)
            await self.drop()
            detail = f"the registry sends more of {self.wanted.digest} than its {self.wanted.size} bytes"
            raise refused(FindingCode.IMAGE_CORRUPT, detail)
        self._batch.append(piece)
        self._batched += len(piece)
        if self._batched >= _BATCH:
            await self._pass_on()
        self._tell(self.received)

    async def flush(self) -> None:
        """Wait until all that was accepted is in the file."""
        await self._pass_on()
        await self._pass_on()

    async def empty(self) -> None:
        """Begin anew."""
        await self._run(self.file.empty)
        self.received = 0
        self._tell(0)

    async def drop(self) -> None:
        """Delete the file."""
        self._batch, self._batched = [], 0
        await self._run(self.file.drop)

    async def settle(self) -> None:
        """Have the content on the disk."""
        await self._run(self.file.settle)

    async def _pass_on(self) -> None:
        """Wait for the batch before, and give this one to the thread."""
        writing, self._writing = self._writing, None
        if writing is not None:
            await asyncio.shield(writing)  # a batch left out would be a hole in the file
        if self._batch:
            batch, self._batch, self._batched = self._batch, [], 0
            self._writing = asyncio.get_running_loop().run_in_executor(self._thread, self.file.write, batch)

    async def _run(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)


class _PartFile:
    """The file and its running digest; used by one thread only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hash = hashlib.sha256()
        self._handle: int | None = None

    @property
    def digest(self) -> str:
        """The digest of what is in the file."""
        return f"sha256:{self._hash.hexdigest()}"

    def open(self, most: int) -> int:
        """Open or make the file, hash what is in it and return its length; too long a file is emptied."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._handle = os.open(self._path, flags, 0o600)
        if os.fstat(self._handle).st_size > most:
            self.empty()
        length = 0
        while piece := os.read(self._handle, _BATCH):
            self._hash.update(piece)
            length += len(piece)
        return length

    def write(self, batch: Sequence[bytes]) -> None:
        """Append and hash."""
        for piece in batch:
            self._hash.update(piece)
            view = memoryview(piece)
            while view:
                view = view[os.write(self._open, view) :]

    def empty(self) -> None:
        """Forget the content."""
        os.ftruncate(self._open, 0)
        os.lseek(self._open, 0, os.SEEK_SET)
        self._hash = hashlib.sha256()

    def drop(self) -> None:
        """Delete the file."""
        self._path.unlink(missing_ok=True)

    def settle(self) -> None:
        """Have the content on the disk."""
        os.fsync(self._open)

    def close(self) -> None:
        """Let go of the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    @property
    def _open(self) -> int:
        if self._handle is None:
            raise ValueError("the part is not open")
        return self._handle
