"""A real PgBouncer in front of a PostgreSQL of the tests, in one of its modes."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from parts.postgres import PASSWORD, SUPERUSER, PostgresServer
from parts.registry import free_port
from parts.require import require
from towline.domain.credential import Password
from towline.store.address import DatabaseAddress

PATIENCE = 20.0


@contextmanager
def pooling(server: PostgresServer, mode: str, *, size: int = 4) -> Iterator[int]:
    """Run it with ``pool_mode`` and ``size`` connections for each database; yield its port on loopback."""
    require("pgbouncer")
    port, folder = free_port(), Path(mkdtemp(prefix="towline-pgbouncer-"))
    (folder / "users").write_text(f'"{SUPERUSER}" "{PASSWORD}"\n')
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": folder / "users",
        "pool_mode": mode,
        "default_pool_size": size,
        "max_client_conn": 200,
    }
    lines = [f"{name} = {value}\n" for name, value in settings.items()]
    place = f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\n"
    (folder / "ini").write_text(place + "".join(lines))
    user: dict[str, object] = {}
    if os.geteuid() == 0:  # it refuses to run as root
        person = pwd.getpwnam("nobody")
        user = {"user": person.pw_uid, "group": person.pw_gid, "extra_groups": []}
        for path in (folder, folder / "users", folder / "ini"):
            os.chown(path, person.pw_uid, person.pw_gid)
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(program), folder / "ini"], stdout=log, stderr=log, **user)  # type: ignore[call-overload]
        try:
            _until_listening(port)
            yield port
        finally:
            process.terminate()
            process.wait(PATIENCE)
            shutil.rmtree(folder)


def through(port: int, address: DatabaseAddress) -> DatabaseAddress:
    """Return where the pooler answers for a database."""
    name = address.url.rpartition("/")[2]
    return DatabaseAddress(f"postgresql://{SUPERUSER}@127.0.0.1:{port}/{name}", Password(PASSWORD))


def _until_listening(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError("pgbouncer did not start")
