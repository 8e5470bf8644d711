"""The file of a backup: JSON lines, compressed as gzip does.

The first line is the manifest, the last one the SHA-256 of all lines before it; between them are the
tables' rows, table after table in the manifest's order, each row a list of cells. Bytes are base64::

    {"format": "towline-backup/1", "towline": "0.1.0", "taken_at": ..., "contents": {...}}
    [1, "user-1", "jane@example.com", ...]
    {"sha256": "9f86d0..."}

A backup is put in place whole or not at all: it is written beside its place, flushed to the disk, read
back and renamed. https://www.rfc-editor.org/rfc/rfc1952
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any, cast

import msgspec
from isal import igzip, isal_zlib

from towline.domain.backup import (
    FORMAT,
    ColumnKind,
    Contents,
    Manifest,
    Progress,
    Receipt,
    Row,
    Table,
)
from towline.domain.errors import BackupDamaged, Conflict
from towline.ports.backups import Snapshot

REPORT_EVERY = 1000
LONGEST_LINE = 256 << 20
_FAST = 1
_UNPACKING: Any = (EOFError, zlib.error, isal_zlib.error, igzip.BadGzipFile)  # theirs has no types
_READING = (msgspec.MsgspecError, binascii.Error, UnicodeDecodeError, IndexError, TypeError, ValueError)


class _Head(msgspec.Struct, frozen=True):
    towline: str
    taken_at: datetime
    contents: Contents
    format: str = FORMAT


class _Tail(msgspec.Struct, frozen=True):
    sha256: str


def write_backup(
    path: Path, snapshot: Snapshot, *, towline: str, taken_at: datetime, progress: Progress
) -> Receipt:
    """Write a backup to ``path``, in place of an older backup there; return what was read back of it.

    Raises Conflict where something else than a backup is there, OSError when the disk does not take it:
    then an older backup is still what it was.
    """
    _refuse_other_files(path)
    manifest = Manifest(towline, taken_at, snapshot.contents)
    with _draft_of(path) as (draft, file):
        with _packing(file) as packed:
            _write(packed, manifest, snapshot, progress)
        file.flush()
        os.fsync(file.fileno())
        receipt = read_through(draft)
        draft.replace(path)
    sync_folder(path.parent)
    return receipt


def read_through(path: Path) -> Receipt:
    """Read a backup to its end; raise BackupDamaged when it is not whole, as ``BackupFile.rows`` does."""
    with BackupFile.opened(path) as backup:
        for _ in backup.rows():
            pass
        return backup.receipt()


class BackupFile:
    """An open backup, to be read once from its beginning to its end."""

    def __init__(self, path: Path, lines: Iterator[bytes]) -> None:
        self._path = path
        self._lines = lines
        self._hash = hashlib.sha256()
        self.manifest = self._head()

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Iterator[BackupFile]:
        """Open a backup; raise BackupDamaged for a file that is none, OSError for one that is not there."""
        with path.open("rb") as file, _unpacking(file) as lines:
            yield cls(path, _lines(lines))

    def rows(self, progress: Progress = lambda _done, _of: None) -> Iterator[tuple[Table, Row]]:
        """Yield every row with its table; raise BackupDamaged where the file is cut or was changed."""
        contents, done = self.manifest.contents, 0
        for table in contents.tables:
            packed = [at for at, column in enumerate(table.columns) if column.kind is ColumnKind.BYTES]
            for _ in range(table.rows):
                yield table, self._row(table, packed)
                done += 1
                if done % REPORT_EVERY == 0:
                    progress(done, contents.rows)
        self._check_end()
        progress(done, contents.rows)

    def receipt(self) -> Receipt:
        """Return what is known once all rows were read."""
        return Receipt(self.manifest, self._hash.hexdigest(), self._path.stat().st_size)

    def _head(self) -> Manifest:
        line = self._line()
        try:
            head = msgspec.json.decode(line, type=_Head)
        except msgspec.MsgspecError as error:
            raise self._damaged("it does not begin like a backup of Towline's") from error
        if head.format != FORMAT:
            raise self._damaged(f"its format is {head.format[:40]!a}, and this program reads {FORMAT}")
        return Manifest(head.towline, head.taken_at, head.contents)

    def _row(self, table: Table, packed: list[int]) -> Row:
        line = self._line()
        try:
            cells: list[Any] = msgspec.json.decode(line, type=list)
            for at in packed:
                if cells[at] is not None:
                    cells[at] = base64.b64decode(cells[at], validate=True)
        except _READING as error:
            raise self._damaged(f"a row of {table.name} is not readable") from error
        if len(cells) != len(table.columns):
            raise self._damaged(f"a row of {table.name} has {len(cells)} cells, not {len(table.columns)}")
        return cells

    def _check_end(self) -> None:
        told = self._hash.hexdigest()
        line = self._line(hashed=False)
        try:
            tail = msgspec.json.decode(line, type=_Tail)
        except msgspec.MsgspecError as error:
            raise self._damaged("it holds other rows than its first line says") from error
        if tail.sha256 != told:
            raise self._damaged("its checksum does not fit: something in it was changed")
        if self._next_or_none() is not None:
            raise self._damaged("something follows after its end")

    def _line(self, *, hashed: bool = True) -> bytes:
        line = self._next_or_none()
        if line is None or not line.endswith(b"\n"):
            raise self._damaged("it ends too early")
        if hashed:
            self._hash.update(line)
        return line

    def _next_or_none(self) -> bytes | None:
        try:
            return next(self._lines, None)
        except _UNPACKING as error:
            raise self._damaged(f"it cannot be unpacked ({error})") from error

    def _damaged(self, reason: str) -> BackupDamaged:
        return BackupDamaged(f"{self._path} is not a whole backup: {reason}")


def _packing(file: IO[bytes]) -> IO[bytes]:
    packed = igzip.IGzipFile(filename="", fileobj=file, mode="wb", compresslevel=_FAST, mtime=0)  # type: ignore[no-untyped-call]  # theirs has no types
    return cast("IO[bytes]", packed)


def _unpacking(file: IO[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", igzip.IGzipFile(fileobj=file, mode="rb"))  # type: ignore[no-untyped-call]  # likewise


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(LONGEST_LINE):
        yield line


def _write(file: IO[bytes], manifest: Manifest, snapshot: Snapshot, progress: Progress) -> None:
    contents, done, checksum = manifest.contents, 0, hashlib.sha256()

    def put(value: object) -> None:
        line = msgspec.json.encode(value) + b"\n"
        checksum.update(line)
        file.write(line)

    put(_Head(manifest.towline, manifest.taken_at, contents))
    for table in contents.tables:
        for row in snapshot.rows(table):
            put(row)
            done += 1
            if done % REPORT_EVERY == 0:
                progress(done, contents.rows)
    file.write(msgspec.json.encode(_Tail(checksum.hexdigest())) + b"\n")
    progress(done, contents.rows)


def _refuse_other_files(path: Path) -> None:
    """Let a backup replace a backup and nothing else."""
    if not path.exists():
        return
    try:
        with BackupFile.opened(path):
            return
    except (BackupDamaged, OSError) as error:
        raise Conflict(f"{path} is there and is no backup; name another file") from error


@contextmanager
def _draft_of(path: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """Yield a locked file beside ``path`` that is gone afterwards unless it was renamed.

    What killed programs left there is removed: nobody holds its lock any more.
    """
    prefix = f".{path.name}."
    for left in path.parent.glob(f"{prefix}*.part"):
        if _is_left(left):
            left.unlink(missing_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=prefix, suffix=".part", dir=path.parent)  # mode 0600
    draft = Path(name)
    with os.fdopen(descriptor, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield draft, file
        finally:
            draft.unlink(missing_ok=True)


def _is_left(draft: Path) -> bool:
    with suppress(OSError), draft.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
