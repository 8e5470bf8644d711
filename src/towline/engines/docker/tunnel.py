"""The way to an Engine by ssh: the system's own ssh forwards a socket of this machine to the Engine's.

It runs as an argv, asks nobody anything (BatchMode) and connects to no host that it does not know. Who it is
and which keys it has is the business of the ssh configuration of the user that runs Towline. It is started
when a request needs it, and again when it has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from towline.dialing import system_lookup
from towline.engines.wording import cleaned

if TYPE_CHECKING:
    from towline.engines.docker.address import EngineAddress

log = structlog.get_logger("towline.engine.docker")

_CONNECT_SECONDS = 10
_LOOK_SECONDS = 0.02
_MOST_WORDS = 4096
_LONGEST_RUN = 60
"""A socket's path has at most 107 characters; in a longer folder there is no room for ours and for ssh's."""
_OPTIONS = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "ConnectTimeout": str(_CONNECT_SECONDS),
    "ExitOnForwardFailure": "yes",
    "StreamLocalBindUnlink": "yes",
    "StreamLocalBindMask": "0177",
    "ServerAliveInterval": "10",
    "ServerAliveCountMax": "2",
    "ControlPath": "none",
    "ControlMaster": "no",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "ClearAllForwardings": "no",
    "PermitLocalCommand": "no",
}


class Tunnel:
    """One ssh, forwarding ``socket``."""

    def __init__(self, address: EngineAddress) -> None:
        self._address = address
        self._folder: Path | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._saying: asyncio.Task[str] | None = None
        self._turn = asyncio.Lock()

    @property
    def path(self) -> Path:
        """Where the Engine answers on this machine while the tunnel is up; in a folder of ours alone."""
        if self._folder is None:
            run = self._address.run
            if run is not None and len(str(run)) <= _LONGEST_RUN:
                run.mkdir(mode=0o700, parents=True, exist_ok=True)
            else:
                run = None
            self._folder = Path(tempfile.mkdtemp(prefix="towline-ssh-", dir=run))
        return self._folder / "docker.sock"

    async def up(self) -> None:
        """Return once the tunnel is up; raise OSError in ssh's own words."""
        if self._is_up():
            return
        async with self._turn:
            if not self._is_up():
                await self._begin()

    async def close(self) -> None:
        """End ssh and take the socket away."""
        async with self._turn:
            await self._end()
        if self._folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
            self._folder = None

    def _is_up(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def _begin(self) -> None:
        await self._check_host()
        self.path.unlink(missing_ok=True)  # what an ssh that was killed left would be taken for the new one's
        process = await asyncio.create_subprocess_exec(
            *_argv(self._address, self.path),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        said = self._saying = asyncio.create_task(_said(process))
        try:
            async with asyncio.timeout(_CONNECT_SECONDS + 5):
                while process.returncode is None and not self.path.exists():  # noqa: ASYNC110  (ssh tells nobody)
                    await asyncio.sleep(_LOOK_SECONDS)
        except BaseException:
            self._process = process
            await self._end()
            raise
        if process.returncode is not None:
            raise OSError(f"ssh: {await said or f'it ended with code {process.returncode}'}")
        self._process = process
        log.info("tunnel.up", address=str(self._address))

    async def _check_host(self) -> None:
        """Raise AddressRefused, an OSError, where the host's name leads to an address that is not dialled."""
        guard = self._address.guard
        if guard is None:
            return
        try:
            found = await system_lookup(self._address.host, self._address.port, socket.AF_UNSPEC)
        except socket.gaierror:  # a name that only ssh's own configuration knows
            return
        for address, _ in found:
            guard.check(address)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        self.path.unlink(missing_ok=True)


def _argv(address: EngineAddress, path: Path) -> list[str]:
    """Return ssh with everything that is to hold whatever its configuration says.

    Where the system can, ssh is told to end with this process, also when that is killed.
    """
    until_we_end = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
    options = [word for name, value in _OPTIONS.items() for word in ("-o", f"{name}={value}")]
    user = ["-l", address.user] if address.user else []
    forward = ["-L", f"{path}:{address.socket}", "-p", str(address.port)]
    return [*until_we_end, "ssh", "-N", "-T", *options, *user, *forward, "--", address.host]


async def _said(process: asyncio.subprocess.Process) -> str:
    """Return the end of what a process says on standard error, cleaned."""
    kept = b""
    if process.stderr is not None:
        while chunk := await process.stderr.read(_MOST_WORDS):
            kept = (kept + chunk)[-_MOST_WORDS:]
    return cleaned(kept.strip().rpartition(b"\n")[2])
