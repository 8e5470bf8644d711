"""The content store: what was pulled, named by its digest, as an OCI image layout.

::

    blobs/sha256/…   verified content; a name here is a promise that the bytes fit it
    index.json       which indexes and images are wholly here (image-spec, ``image-layout.md``)
    tmp/             what is on its way, ``<digest>.part``; kept so that a pull can go on where it broke off
    lock             held while a server uses the store

The folder is closed to everybody else (0700).
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.errors import EngineFailed
from towline.domain.findings import Finding
from towline.engines.embedded.refusals import unwritten

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from towline.engines.embedded.manifest import Descriptor

_LAYOUT = {"imageLayoutVersion": "1.0.0"}
_PART = ".part"
_DOOMED = ".gone"
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class ContentStore:
    """Blobs on disk. Reads and writes of small documents only: blobs are written by ``transfer``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._blobs = root / "blobs" / "sha256"
        self._tmp = root / "tmp"
        self._numbers = itertools.count()
        self._lock: int | None = None

    def open(self) -> None:
        """Make the folders and lock them; raise EngineFailed when another server has them."""
        for folder in (self._root, self._blobs, self._tmp):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root.chmod(0o700)
        self._lock = _locked(self._root)
        for path in self._tmp.iterdir():
            if path.suffix != _PART:
                path.unlink()
        self._replace(self._root / "oci-layout", json.dumps(_LAYOUT).encode())

    def close(self) -> None:
        """Let go of the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def has(self, digest: str) -> bool:
        """Whether a blob is here."""
        return self.path(digest).exists()

    def path(self, digest: str) -> Path:
        """Return where a blob is, or would be."""
        return self._blobs / digest.removeprefix("sha256:")

    def part(self, digest: str) -> Path:
        """Return where a blob is collected until it is whole."""
        return self._tmp / f"{digest.removeprefix('sha256:')}{_PART}"

    def adopt(self, digest: str) -> Path:
        """Take a blob's part, whole, verified and flushed to disk, into the store; return its path."""
        path = self.path(digest)
        self.part(digest).rename(path)
        return path

    def doubt(self, digest: str) -> None:
        """Make a blob a part again, so that it must be verified anew before it is used."""
        with suppress(FileNotFoundError):
            self.path(digest).rename(self.part(digest))

    def read(self, digest: str) -> bytes | None:
        """Return a document, verified anew; None if it is not here or has gone bad."""
        try:
            content = self.path(digest).read_bytes()
        except FileNotFoundError:
            return None
        return content if digest_of(content) == digest else None

    def put(self, content: bytes) -> None:
        """Store a document under its digest."""
        self._replace(self.path(digest_of(content)), content)

    def complete(self, descriptor: Descriptor) -> None:
        """Write down that an image, or the index that led to it, is wholly here."""
        entries = [entry for entry in self._index() if entry["digest"] != descriptor.digest]
        entry = {
            "mediaType": descriptor.media_type,
            "digest": descriptor.digest,
            "size": descriptor.size,
        }
        self._write_index([*entries, entry])

    def completed(self) -> Sequence[str]:
        """Return the digests of all indexes and images that were written down."""
        return [str(entry["digest"]) for entry in self._index()]

    def discard(self, keep: Collection[str], *, parts: Collection[str]) -> Sequence[Path]:
        """Take out all blobs but ``keep``, and all parts but those of ``parts``.

        Returns what is left to be deleted, which is slow; from now on nobody finds it.
        """
        self._write_index([entry for entry in self._index() if entry["digest"] in keep])
        kept = {self.path(digest).name for digest in keep}
        parted = {self.part(digest).name for digest in parts}
        doomed = [path for path in self._blobs.iterdir() if path.name not in kept]
        doomed += [path for path in self._tmp.glob(f"*{_PART}") if path.name not in parted]
        return [path.rename(self._tmp / f"{next(self._numbers)}{_DOOMED}") for path in doomed]

    def _index(self) -> Sequence[Mapping[str, object]]:
        """Return the entries of ``index.json``; it only speeds things up, so a broken one is begun anew."""
        with suppress(FileNotFoundError, ValueError):
            found = json.loads((self._root / "index.json").read_bytes())
            entries = found.get("manifests") if isinstance(found, dict) else None
            known = entries if isinstance(entries, list) else []
            return [entry for entry in known if isinstance(entry, dict) and "digest" in entry]
        return []

    def _write_index(self, entries: Sequence[Mapping[str, object]]) -> None:
        media_type = "application/vnd.oci.image.index.v1+json"
        index = {"schemaVersion": 2, "mediaType": media_type, "manifests": list(entries)}
        self._replace(self._root / "index.json", json.dumps(index).encode())

    def _replace(self, path: Path, content: bytes) -> None:
        """Write a file whole or not at all."""
        fresh = self._tmp / f"{next(self._numbers)}.new"
        try:
            with os.fdopen(os.open(fresh, _NEW_FILE, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(path)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise unwritten(error, what=path.name) from error


def digest_of(content: bytes) -> str:
    """Return the name of some content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _locked(root: Path) -> int:
    handle = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        detail = f"another towline process uses the image store {root}"
        raise EngineFailed(Finding(FindingCode.ENGINE_UNREACHABLE, detail=detail)) from error
    return handle
