"""A real PostgreSQL of the tests' own: in a temporary folder, as a normal user, on loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

import psycopg
from psycopg import sql

from towline.domain.credential import Password
from towline.store.address import DatabaseAddress
from towline.store.postgres.connection import Line
from towline.store.postgres.migrating import migrate

SUPERUSER = "towline"
PASSWORD = "obviously-a-test-password"

_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "32MB"}
"""Tests make a hundred databases; what survives a power cut is PostgreSQL's own affair."""
_ROOM = 4 << 30
"""The free bytes that their folder must have to be in memory."""


def programs() -> Path | None:
    """Return the folder of initdb and pg_ctl, None where PostgreSQL is not installed."""
    debians = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    found = [path for path in (shutil.which("initdb"), *debians) if path]
    return Path(found[0]).resolve().parent if found else None


@dataclass
class PostgresServer:
    """A server that can be stopped and started again; ``database`` makes a fresh database in it."""

    programs: Path
    folder: Path
    port: int
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _left: list[DatabaseAddress] = field(default_factory=list)

    def start(self) -> None:
        """Start it and wait until it answers."""
        options, log = f"-p {self.port} -k {self.folder} -h 127.0.0.1", str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self.data), "-l", log, "-o", options, "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: ``fast`` ends its connections, ``immediate`` is like a crash."""
        self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")

    @property
    def data(self) -> Path:
        """Where its files are."""
        return self.folder / "data"

    def address(self, database: str = "postgres") -> DatabaseAddress:
        """Return where a database of it is."""
        url = f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/{database}"
        return DatabaseAddress(url, Password(PASSWORD))

    def database(self, *, template: str = "template0") -> DatabaseAddress:
        """Return a fresh database, empty or like ``template``; its language sorts unlike SQLite."""
        name = f"t{next(self._numbers)}"
        self.run(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
        return self.address(name)

    def make_model(self) -> None:
        """Make the database ``model``, which has our tables: a template for others."""
        self.run(b"CREATE DATABASE model TEMPLATE template0")
        migrate(Line(self.address("model")))

    def drop(self, address: DatabaseAddress) -> None:
        """Delete a database with all connections to it."""
        name = address.url.rpartition("/")[2]
        self.run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def leave(self, address: DatabaseAddress) -> None:
        """Delete a database once another is left: PostgreSQL waits 0.1 s a time for connections to end."""
        self._left.append(address)
        while len(self._left) > 1:
            self.drop(self._left.pop(0))

    def run(self, statement: sql.Composed | bytes, *, database: str = "postgres") -> None:
        """Run one statement as the superuser."""
        with connected(self.address(database)) as connection:
            connection.execute(statement)

    def set_up(self, settings: dict[str, str]) -> None:
        """Make its files."""
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run(
            "initdb", "-D", str(self.data), "-U", SUPERUSER, "-A", "scram-sha-256", f"--pwfile={secret}",
            "--no-sync", "-E", "UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US",
        )  # fmt: skip
        lines = [f"{name} = '{value}'\n" for name, value in {"max_connections": "200", **settings}.items()]
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.writelines(lines)

    def _run(self, program: str, *arguments: str) -> None:
        user: dict[str, object] = {}
        if os.geteuid() == 0:
            person = pwd.getpwnam("nobody")
            user = {"user": person.pw_uid, "group": person.pw_gid, "extra_groups": []}
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
            **user,  # type: ignore[call-overload]
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.decode()}")


def connected(address: DatabaseAddress) -> psycopg.Connection[tuple[object, ...]]:
    """Return a bare connection, every statement for itself."""
    password = address.password
    return psycopg.connect(address.url, password=password.reveal() if password else "", autocommit=True)


@contextmanager
def running_server(*, durable: bool = False) -> Iterator[PostgresServer]:
    """Yield a fresh server; ``durable`` as people run it, else without waiting for the disk."""
    found = programs()
    if found is None:
        raise RuntimeError("PostgreSQL is not installed (apt-get install postgresql)")
    folder = Path(mkdtemp(prefix="towline-pg-", dir=None if durable else _in_memory()))
    try:
        if os.geteuid() == 0:
            person = pwd.getpwnam("nobody")
            os.chown(folder, person.pw_uid, person.pw_gid)
        server = PostgresServer(found, folder, _free_port())
        server.set_up({} if durable else _FAST)
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder)


def _in_memory() -> str | None:
    """Return a folder in memory if there is room: a database's hundreds of files are made quickly there."""
    shared = Path("/dev/shm")
    roomy = os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > _ROOM
    return str(shared) if roomy else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
