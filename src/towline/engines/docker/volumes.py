"""Disks on an Engine: a named volume each, with folders and owners as a workload wants them.

An Engine makes a volume that belongs to root, and no folders in it. Both are put right through a container
that is made for that and never started: an archive that is sent there is unpacked inside its root, whatever
links somebody left on the disk. The container brings the volume into being, so one that a killed process left
says that its work is not done.
"""

from __future__ import annotations

import io
import posixpath
import tarfile
from itertools import accumulate
from tarfile import TarInfo
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.errors import EngineFailed
from towline.domain.findings import Finding
from towline.engines.docker import places
from towline.engines.docker.daemon import Refused
from towline.engines.docker.document import volume_name
from towline.engines.docker.pulls import called
from towline.engines.identity import identify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.domain.workload import Mount, Workload, WorkloadExecutable
    from towline.engines.docker.containers import Containers
    from towline.engines.docker.daemon import Daemon
    from towline.engines.docker.document import Document
    from towline.engines.identity import Identity

SUBPATHS_SINCE = (1, 45)
_PLACE = "towline-disk"
_GONE = 404
_TAR = "application/x-tar"
_HEADERS, _NAMES = 16 << 10, 4 << 20
"""So many bytes hold an entry's headers, and a file of names."""
_NEW_MODE = 0o755


class Volumes:
    """The volumes of one Towline's disks. Methods raise Refused and EngineFailed."""

    def __init__(self, daemon: Daemon, containers: Containers, installation: str) -> None:
        self._daemon = daemon
        self._containers = containers
        self._installation = installation

    async def check(self, workload: Workload) -> None:
        """Raise EngineFailed where the Engine cannot mount what the workload asks for."""
        if not any(mount.sub_path for run in workload.executables for mount in run.mounts):
            return
        if self._daemon.is_podman or not await self._daemon.has_api(*SUBPATHS_SINCE):
            raise EngineFailed(
                Finding(
                    FindingCode.ENGINE_ERROR,
                    "the Engine cannot mount a folder of a disk (subPath): that takes Docker Engine 26.0",
                    fix_hint="Mount the whole disk (leave subPath out), or update the Engine to 26.0.",
                )
            )

    async def prepare(self, executable: WorkloadExecutable) -> None:
        """Make an executable's volumes, with the folders that it mounts and their owners."""
        for mount in executable.mounts:
            name = volume_name(self._installation, mount.disk)
            is_new = not await self._is_there(f"/volumes/{name}")
            is_left = await self._is_there(f"/containers/{_helper(name)}/json")
            if is_new or is_left or mount.sub_path or (mount.uid, mount.gid) != (None, None):
                await self._put_right(executable, mount, name, is_new=is_new or is_left)

    async def used(self, disk: str) -> int | None:
        """Return how many bytes a volume takes; None where the Engine does not tell, or has none."""
        name = volume_name(self._installation, disk)
        found = await self._daemon.ask("GET", "/system/df", {"type": "volume"}) or {}
        sizes = (
            int((each.get("UsageData") or {}).get("Size", -1))
            for each in found.get("Volumes") or ()
            if each.get("Name") == name
        )
        return next((size for size in sizes if size >= 0), None)

    async def delete(self, disk: str) -> None:
        """Delete a volume with all that is in it; raise Refused while a container mounts it."""
        name = volume_name(self._installation, disk)
        await self._containers.delete(_helper(name))
        try:
            await self._daemon.ask("DELETE", f"/volumes/{name}")
        except Refused as refused:
            if refused.status != _GONE:
                raise

    async def _put_right(
        self, executable: WorkloadExecutable, mount: Mount, name: str, *, is_new: bool
    ) -> None:
        helper = await self._containers.make(_helper(name), self._helper_document(executable, mount, name))
        wrong = await self._wrong(helper, mount, await self._owner(helper, executable), is_new=is_new)
        if wrong:
            query = {"path": self._top, "noOverwriteDirNonDir": "1"}
            await self._daemon.send(f"/containers/{helper}/archive", query, self._archive(wrong), kind=_TAR)
        await self._containers.delete(helper)

    def _helper_document(self, executable: WorkloadExecutable, mount: Mount, name: str) -> Document:
        labels = places.volume_labels(self._installation, mount.disk)
        volume = {"NoCopy": True, "Labels": labels}
        mounted = {"Type": "volume", "Source": name, "Target": f"/{_PLACE}", "VolumeOptions": volume}
        return {
            "Image": called(executable.image),
            "Cmd": ["never started"],
            "Labels": labels,
            "HostConfig": {"NetworkMode": "none", "Mounts": [mounted]},
        }

    @property
    def _top(self) -> str:
        """Where an archive is unpacked: Docker leaves that folder itself alone, podman no volume below it."""
        return f"/{_PLACE}" if self._daemon.is_podman else "/"

    def _archive(self, folders: Sequence[TarInfo]) -> bytes:
        """Return an archive that ends where it says so: podman reads no further and fails at the rest."""
        for folder in folders:
            folder.name = posixpath.relpath(f"/{folder.name}", self._top)
        return b"".join(folder.tobuf() for folder in folders) + bytes(2 * tarfile.BLOCKSIZE)

    async def _wrong(self, helper: str, mount: Mount, owner: Identity, *, is_new: bool) -> Sequence[TarInfo]:
        """Return the folders that are not as they should be, as they should, outer ones first."""
        wrong = []
        paths = accumulate((_PLACE, *filter(None, mount.sub_path.split("/"))), "{}/{}".format)
        for path in paths:
            known = None if is_new and path == _PLACE else await self._folder(helper, path)
            last = known or _folder(path, _NEW_MODE, owner.uid, owner.gid)
            if known is None:
                wrong.append(last)
        uid = last.uid if mount.uid is None else mount.uid
        gid = last.gid if mount.gid is None else mount.gid
        return (
            [*wrong, _folder(last.name, last.mode, uid, gid)] if (uid, gid) != (last.uid, last.gid) else wrong
        )

    async def _folder(self, helper: str, path: str) -> TarInfo | None:
        """Return a folder with mode and owner, None where it is not there; raise EngineFailed where
        something else is in its place.
        """
        entry = await self._entry(helper, f"/{path}", most=_HEADERS)
        if entry is None:
            return None
        found, _ = entry
        if not found.isdir():
            what = path.removeprefix(f"{_PLACE}/")
            detail = f"subPath {what!r} of the disk is a link or a file, where a folder must be"
            raise EngineFailed(Finding(FindingCode.ENGINE_ERROR, detail))
        return _folder(path, found.mode & 0o7777, found.uid, found.gid)

    async def _owner(self, helper: str, executable: WorkloadExecutable) -> Identity:
        """Return as whom the executable runs, by the image's own files."""
        known = await self._daemon.ask("GET", f"/containers/{helper}/json")
        return identify(
            str(known["Config"].get("User") or ""),
            passwd=await self._text(helper, "/etc/passwd"),
            group=await self._text(helper, "/etc/group"),
            uid=executable.uid,
            gid=executable.gid,
        )

    async def _text(self, helper: str, path: str) -> str:
        entry = await self._entry(helper, path, most=_NAMES)
        return entry[1].decode(errors="replace") if entry is not None and entry[0].isfile() else ""

    async def _entry(self, helper: str, path: str, *, most: int) -> tuple[TarInfo, bytes] | None:
        """Return what a path inside the helper is, and a file's content; None where there is nothing.

        With a folder the Engine sends all that is in it; no more than ``most`` bytes are read.
        """
        read = b""
        try:
            async with self._daemon.stream("GET", f"/containers/{helper}/archive", {"path": path}) as content:
                while len(read) < most and (chunk := await content.read(most - len(read))):
                    read += chunk
        except Refused as refused:
            if refused.status != _GONE:
                raise
            return None
        try:
            with tarfile.open(fileobj=io.BytesIO(read)) as archive:
                found = archive.next()
        except tarfile.TarError as error:
            detail = f"what the Engine sends of {path} is no archive"
            raise EngineFailed(Finding(FindingCode.ENGINE_ERROR, detail)) from error
        return None if found is None else (found, read[found.offset_data : found.offset_data + found.size])

    async def _is_there(self, path: str) -> bool:
        try:
            await self._daemon.ask("GET", path)
        except Refused as refused:
            if refused.status != _GONE:
                raise
            return False
        return True


def _helper(volume: str) -> str:
    return f"{volume}.folders"


def _folder(path: str, mode: int, uid: int, gid: int) -> TarInfo:
    folder = TarInfo(path)
    folder.type, folder.mode, folder.uid, folder.gid = tarfile.DIRTYPE, mode, uid, gid
    return folder
