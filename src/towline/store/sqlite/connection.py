"""Connections to one SQLite database, all set up alike.

https://www.sqlite.org/pragma.html
"""

from __future__ import annotations

import os
import sqlite3
import uuid
from pathlib import Path

from towline.domain.errors import StoreFailed
from towline.store.migrations import migrate

LEAST_VERSION = (3, 37, 0)
"""The first SQLite with STRICT tables."""

READER_PATIENCE = 5.0
WRITER_PATIENCE = 30.0
"""Seconds to wait for another process (``towline admin`` beside the server) to end its transaction."""

_SETTINGS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",  # a replaced sealed value is overwritten, not only forgotten
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA cache_size = -16000",
)


def memory_address() -> str:
    """Return the address of a fresh database that lives as long as a connection to it is open."""
    return f"file:/towline-{uuid.uuid4().hex}?vfs=memdb"


def file_address(path: Path) -> str:
    """Return the address of a database file; makes it, readable by its owner alone, where it is missing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)
    return f"{path.absolute().as_uri()}?mode=rw"


def reading(address: str) -> sqlite3.Connection:
    """Return a connection that refuses to write."""
    connection = _connected(address, READER_PATIENCE)
    connection.execute("PRAGMA query_only = ON")
    return connection


def writing(address: str) -> sqlite3.Connection:
    """Return a connection for the writer, the schema brought up to date."""
    connection = _connected(address, WRITER_PATIENCE)
    try:
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _connected(address: str, patience: float) -> sqlite3.Connection:
    if sqlite3.sqlite_version_info < LEAST_VERSION:
        least = ".".join(map(str, LEAST_VERSION))
        raise StoreFailed(f"this Python has SQLite {sqlite3.sqlite_version}; use one with {least} or newer")
    connection = sqlite3.connect(
        address,
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=patience,
        cached_statements=256,
    )
    try:
        for setting in _SETTINGS:
            connection.execute(setting)
    except BaseException:
        connection.close()
        raise
    return connection
