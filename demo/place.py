"""Where the demo keeps its things, and how it says what it does."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

HERE = Path(__file__).resolve().parent.parent
FOLDER = HERE / ".demo"
BEGAN = time.monotonic()

_PACKAGES = {
    "runc": "runc",
    "docker-registry": "docker-registry",
    "htpasswd": "apache2-utils",
    "busybox": "busybox-static",
}


class DemoFailed(Exception):
    """A step did not come true; the text says which and what was seen."""


class Unfit(DemoFailed):
    """This machine lacks something; the text says what, and the remedy. The server's log adds nothing."""


def say(text: str) -> None:
    """Print one line of progress with the time since the start."""
    print(f"{time.monotonic() - BEGAN:6.1f} s  {text}", flush=True)


def wait_for(what: str, seen: Callable[[], T | None], *, seconds: float = 60, pause: float = 0.05) -> T:
    """Return what ``seen`` returns as soon as that is not None."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (found := seen()) is not None:
            return found
        time.sleep(pause)
    raise DemoFailed(f"waited {seconds:g} s for {what}")


def need_programs() -> None:
    """Make sure that the programs are there: installed when root on Debian or Ubuntu, else named."""
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = sorted(package for program, package in _PACKAGES.items() if shutil.which(program) is None)
    if not missing:
        return
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Unfit(f"these are needed first: sudo {' '.join(command)}")
    say(f"installing {', '.join(missing)} from the distribution")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["apt-get", "update", "-qq"], command):
        done = subprocess.run(words, env=environment, capture_output=True, check=False)
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise Unfit(f"{' '.join(words)} failed: {last}")


def start(name: str, command: list[str]) -> int:
    """Start a program that outlives this one; its output goes to ``NAME.log``, its pid to ``NAME.pid``."""
    with (FOLDER / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=FOLDER
        )
    fresh = FOLDER / f"{name}.pid.new"
    fresh.write_text(f"{process.pid} {_started_at(process.pid) or 0}")
    fresh.rename(FOLDER / f"{name}.pid")
    return process.pid


def stop(name: str, *, seconds: float = 20) -> None:
    """End what ``start`` started, if it is still that very process."""
    try:
        pid, started_at = (FOLDER / f"{name}.pid").read_text().split()
    except FileNotFoundError:
        return
    if _started_at(int(pid)) == started_at:
        os.kill(int(pid), signal.SIGTERM)
        wait_for(f"{name} to end", lambda: None if _runs(int(pid), started_at) else True, seconds=seconds)
    (FOLDER / f"{name}.pid").unlink()


def end_monitors(containers: Path) -> None:
    """End containers without their server, by ending what looks after each of them."""
    for written in containers.glob("*/monitor"):
        pid = int(written.read_text())
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{pid}/comm").read_text().strip() == "towline-monitor":
                os.kill(pid, signal.SIGTERM)
    wait_for("the containers to end", lambda: None if left_over() else True, seconds=40)


def left_over() -> list[str]:
    """Return what of the demo still runs or is mounted: processes that name its folder, and mounts in it."""
    mine = str(FOLDER).encode()
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and mine in (folder / "cmdline").read_bytes():
                found.append(f"process {folder.name}")
    mounts = Path("/proc/self/mountinfo").read_bytes().splitlines()
    return found + [f"mount {line.split()[4].decode()}" for line in mounts if mine + b"/" in line]


def tail(name: str, lines: int = 15) -> str:
    """Return the last lines of a program's log."""
    try:
        return "\n".join((FOLDER / f"{name}.log").read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def _runs(pid: int, started_at: str) -> bool:
    with contextlib.suppress(ChildProcessError):  # not a child of this run: whoever adopted it reaps it
        os.waitpid(pid, os.WNOHANG)
    return _started_at(pid) == started_at


def _started_at(pid: int) -> str:
    """Return when the process started, in clock ticks since boot; empty when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] == "Z" else fields[19]


def program(name: str) -> str:
    """Return where a program is."""
    found = shutil.which(name)
    if found is None:
        raise DemoFailed(f"{name} is not installed")
    return found


def towline() -> str:
    """Return the command of this checkout's environment."""
    return str(Path(sys.executable).parent / "towline")


def serve(data: str, port: int) -> list[str]:
    """Return the command that serves a data folder with the embedded engine, whatever else is here."""
    return [towline(), "serve", "--data", data, "--port", str(port), "--engine", "embedded"]
