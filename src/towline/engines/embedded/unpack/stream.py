"""A layer's tar stream: decompressed, hashed and counted on the way, read forward only.

Compression is told by the first bytes, as docker does, not by the media type, which often lies.
Facts: RFC 1952 (gzip), RFC 8878 (zstd).
"""

from __future__ import annotations

import gzip
import hashlib
import sys
from typing import TYPE_CHECKING, Protocol

from isal import igzip, isal_zlib

from towline.engines.embedded.unpack.refusals import Refused

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    import io

_CHUNK = 256 << 10
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"
_WINDOW_LOG = 27
"""A zstd window of 128 MiB is what the zstd program itself accepts at most."""


class Bytes(Protocol):
    """Where bytes come from."""

    def read(self, size: int, /) -> bytes: ...


class TarStream:
    """The tar stream of a layer's blob, as a file that tarfile can read forward."""

    def __init__(self, blob: io.BufferedReader, *, room: int) -> None:
        self._blob = blob
        self._room = room
        self._hash = hashlib.sha256()
        self._plain: Bytes | None = None
        self._buffer = b""
        self._at = 0
        self._before = 0

    def read(self, size: int) -> bytes:
        """Return the next ``size`` bytes, fewer at the end."""
        end = self._at + size
        if end <= len(self._buffer):
            piece = self._buffer[self._at : end]
            self._at = end
            return piece
        pieces = []
        while size and (self._at < len(self._buffer) or self._fill()):
            piece = self._buffer[self._at : self._at + size]
            self._at += len(piece)
            size -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def tell(self) -> int:
        """Return how many bytes were read."""
        return self._before + self._at

    def seek(self, position: int) -> None:
        """Skip forward to ``position``; there is no way back."""
        distance = position - self.tell()
        if distance < 0:
            raise Refused("the archive's headers lead backwards")
        while distance:
            skipped = len(self.read(min(distance, _CHUNK)))
            if not skipped:
                raise Refused("the archive ends in the middle of a file")
            distance -= skipped

    def digest(self) -> str:
        """Read to the end and return the digest of all."""
        while self._fill():
            pass
        return f"sha256:{self._hash.hexdigest()}"

    def _fill(self) -> bool:
        """Replace the used buffer by the next one; return False at the end."""
        self._before += len(self._buffer)
        self._at = 0
        self._buffer = self._next()
        self._hash.update(self._buffer)
        if self._before + len(self._buffer) > self._room:
            raise Refused(f"the layer unpacks to more than {self._room} bytes, far beyond its size")
        return bool(self._buffer)

    def _next(self) -> bytes:
        try:
            if self._plain is None:
                self._plain = _decompressed(self._blob)
            return self._plain.read(_CHUNK)
        except (gzip.BadGzipFile, isal_zlib.error, zstd.ZstdError, EOFError) as error:  # type: ignore[misc]
            raise Refused(f"the layer's compression is broken: {error}") from error


def _decompressed(blob: io.BufferedReader) -> Bytes:
    start = blob.peek(4)[:4]
    if start.startswith(_GZIP):
        return igzip.IGzipFile(fileobj=blob, mode="rb")  # type: ignore[no-untyped-call]  # theirs has no types
    if start == _ZSTD or start[1:] == _ZSTD_SKIPPABLE:
        return zstd.ZstdFile(blob, options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})
    return blob
