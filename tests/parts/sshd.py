"""A real sshd on loopback, and an ssh whose configuration lets it in: nothing of the user's own is used."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from parts.registry import free_port
from parts.require import require

PATIENCE = 20.0
SSHD = "/usr/sbin/sshd"


@dataclass
class Sshd:
    """The daemon; the first ``ssh`` on ``path`` is the system's, with a configuration of ours."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def path(self) -> str:
        """A search path for programs."""
        return f"{self.folder / 'bin'}:{os.environ['PATH']}"

    def start(self) -> None:
        """Start, and return once connections are taken."""
        command = [SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")]
        with (self.folder / "sshd.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + PATIENCE
        scan = ["ssh-keyscan", "-p", str(self.port), "127.0.0.1"]
        while not subprocess.run(scan, capture_output=True, check=False).stdout:
            assert time.monotonic() < deadline, (self.folder / "sshd.log").read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """End the daemon; what is connected stays so until ``cut``."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE)
            self.process = None

    def cut(self) -> None:
        """End everything that is connected."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.stop()
        for child in children:
            os.kill(int(child), 9)

    def know(self, *, is_known: bool) -> None:
        """Let ssh know the daemon's key, or forget it."""
        key = (self.folder / "host_key.pub").read_text()
        line = f"[127.0.0.1]:{self.port} {' '.join(key.split()[:2])}\n" if is_known else ""
        (self.folder / "known_hosts").write_text(line)


@contextmanager
def running_sshd(folder: Path) -> Iterator[Sshd]:
    """Run a daemon that lets this user in by a key, until the block ends."""
    for part in ("sshd", "ssh", "root"):
        require(part)
    made = Sshd(folder, free_port())
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    (folder / "authorized_keys").write_text((folder / "user_key.pub").read_text())
    (folder / "sshd_config").write_text(
        f"Port {made.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nPermitRootLogin prohibit-password\n"
    )
    (folder / "ssh_config").write_text(
        f"Host *\n  IdentityFile {folder}/user_key\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {folder}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
    )
    (folder / "bin").mkdir()
    program = folder / "bin" / "ssh"
    program.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {folder}/ssh_config "$@"\n')
    program.chmod(0o755)
    made.know(is_known=True)
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    try:
        made.start()
        yield made
    finally:
        made.stop()
