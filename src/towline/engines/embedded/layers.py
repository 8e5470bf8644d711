"""Unpacked layers: folders that an overlay stacks, shared by all images that have them.

::

    layers/<name>             a layer, whole; named by its diff_id
    layers/.new-<name>        one that is being unpacked
    unsettled/<name>          holds the machine's boot id until the layer's files are surely on the disk

A layer that leans on the ones below it (a hard link into them, a folder that it uses without naming it)
is good only above these, so it is named by its chain id instead. Names are short because a mount's options
are limited to one page. A power cut may lose what was written last: what was not settled under an earlier
boot id is thrown away at the next start.
"""

from __future__ import annotations

import asyncio
import base64
import ctypes
import hashlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from towline.domain.causes import FindingCode
from towline.engines.embedded.refusals import refused, unwritten
from towline.engines.embedded.sharing import ended, finished
from towline.engines.embedded.sweeping import Sweeper
from towline.engines.embedded.unpack import launch, order
from towline.engines.embedded.unpack.order import Limits, Order, Outcome

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

log = structlog.get_logger("towline.engine.embedded")

AT_ONCE = 2
_NAME_LENGTH = 26
_NEW = ".new-"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_CODES = {
    order.REFUSED: FindingCode.IMAGE_REFUSED,
    order.CORRUPT: FindingCode.IMAGE_CORRUPT,
    order.DISK_FULL: FindingCode.DISK_FULL,
    order.FAILED: FindingCode.ENGINE_ERROR,
}
_LIMITS = frozenset({-signal.SIGXCPU, -signal.SIGXFSZ})
_libc = ctypes.CDLL(None, use_errno=True)


class LayerStore:
    """The unpacked layers below ``root``. At most two are unpacked at once."""

    def __init__(self, root: Path, *, user_namespace: bool, limits: Limits | None = None) -> None:
        self._layers = root / "layers"
        self._unsettled = root / "unsettled"
        self._user_namespace = user_namespace
        self._limits = limits or Limits()
        self._sweeper = Sweeper(run=root, user_namespace=user_namespace)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._boot_id = ""
        self._settling: set[asyncio.Future[None]] = set()

    async def open(self) -> None:
        """Make the folders; throw away what was not finished, and what a power cut may have spoilt."""
        for folder in (self._layers, self._unsettled):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._boot_id = (await asyncio.to_thread(_BOOT_ID.read_text)).strip()
        doubtful = {path.name for path in self._unsettled.iterdir() if path.read_text() != self._boot_id}
        for path in list(self._layers.iterdir()):
            if path.name.startswith(_NEW) or path.name in doubtful:
                await self._sweeper.delete(path)
        for name in doubtful:
            (self._unsettled / name).unlink()

    async def close(self) -> None:
        """Wait until what was unpacked is on the disk."""
        for task in tuple(self._settling):
            await ended(task)

    def find(self, diff_id: str, chain_id: str) -> Path | None:
        """Return where a layer is unpacked."""
        candidates = (self._layers / name for name in layer_names(diff_id, chain_id))
        return next((path for path in candidates if path.is_dir()), None)

    async def unpack(
        self, blob: Path, *, diff_id: str, chain_id: str = "", lowers: Sequence[Path] | None = None
    ) -> Path | None:
        """Unpack a layer's blob and return its folder.

        Returns None when the layer leans on the ones below it: then it is to be asked for again with
        ``chain_id`` and ``lowers``, bottom first. Raises PullRefused for what must not be unpacked.
        """
        independent, dependent = layer_names(diff_id, chain_id)
        name = independent if lowers is None else dependent
        new = self._layers / f"{_NEW}{name}"
        below = None if lowers is None else [str(lower) for lower in reversed(lowers)]
        async with self._turns:
            try:
                new.mkdir(mode=0o755)
                outcome = await self._run(blob, new, diff_id=diff_id, lowers=below)
                if outcome.result == order.LOWER_NEEDED:
                    return None
                if outcome.result != order.DONE:
                    raise refused(_CODES[outcome.result], f"layer {diff_id}: {outcome.detail}")
                return self._take(new, name)
            except OSError as error:
                raise unwritten(error, what=f"layer {diff_id}") from error
            finally:
                await finished(self._sweeper.delete(new))

    async def discard(self, keep: Collection[str]) -> None:
        """Delete all layers but those of these names."""
        doomed = [path for path in self._layers.iterdir() if path.name not in keep]
        moved = [
            path.rename(self._layers / f"{_NEW}gone-{path.name}")
            for path in doomed
            if not path.name.startswith(_NEW)
        ]
        for path in moved:
            await self._sweeper.delete(path)

    def _take(self, new: Path, name: str) -> Path:
        """Give a finished layer its name, and have it written to the disk beside all else."""
        mark = self._unsettled / name
        mark.write_text(self._boot_id)
        path = new.rename(self._layers / name)
        task = asyncio.ensure_future(asyncio.to_thread(_settle, self._layers, mark))
        self._settling.add(task)
        task.add_done_callback(self._settled)
        return path

    def _settled(self, task: asyncio.Future[None]) -> None:
        self._settling.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("layer.unsettled", reason=str(error))

    async def _run(self, blob: Path, target: Path, *, diff_id: str, lowers: Sequence[str] | None) -> Outcome:
        """Have a child of its own unpack the blob; end the child when cancelled."""
        with blob.open("rb") as content:
            what = Order(
                str(target),
                diff_id,
                blob_size=os.fstat(content.fileno()).st_size,
                lowers=None if lowers is None else list(lowers),
                user_namespace=self._user_namespace,
                limits=self._limits,
            )
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-X", "utf8", launch.__file__, order.encode(what)),
                stdin=content,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={},
                cwd="/",
            )
        try:
            async with asyncio.timeout(self._limits.seconds):
                said, complaints = await child.communicate()
        except TimeoutError:
            detail = f"layer {diff_id} takes longer than {self._limits.seconds} s to unpack"
            raise refused(FindingCode.IMAGE_REFUSED, detail) from None
        finally:
            if child.returncode is None:
                child.kill()
                await finished(child.wait())
        return _outcome(said, complaints, code=child.returncode)


def layer_names(diff_id: str, chain_id: str) -> tuple[str, str]:
    """Return the names of a layer's folder: standing alone, and above the layers of its chain."""
    alone = bytes.fromhex(diff_id.removeprefix("sha256:"))
    return _short(alone), _short(hashlib.sha256(f"above {chain_id}".encode()).digest())


def _short(digest: bytes) -> str:
    return base64.b32encode(digest).decode().lower()[:_NAME_LENGTH]


def _settle(folder: Path, mark: Path) -> None:
    """Have the file system write everything to the disk, then drop the mark that says it did not."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _libc.syncfs(handle) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"syncfs: {os.strerror(number)}")
    finally:
        os.close(handle)
    mark.unlink(missing_ok=True)


def _outcome(said: bytes, complaints: bytes, *, code: int | None) -> Outcome:
    """Return what the child said; a child that was killed by its limits says nothing."""
    try:
        return order.decode_outcome(said)
    except ValueError:
        last = complaints.decode(errors="replace").strip().rpartition("\n")[2][:300]
    if code is not None and code in _LIMITS:
        return Outcome(order.REFUSED, "the layer takes more time or memory than any image needs")
    log.error("unpack.died", code=code, said=last)
    return Outcome(order.FAILED, f"the unpacking program ended with {code}: {last}")
