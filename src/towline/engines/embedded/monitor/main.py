"""The monitor's beginning and end: read the instructions, set up, supervise, clean up."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING

from towline.engines.embedded.monitor import kernel, namespaces, rootfs, status, volumes
from towline.engines.embedded.monitor.events import Announcer
from towline.engines.embedded.monitor.instructions import Instructions, decode
from towline.engines.embedded.monitor.liveness import Liveness, Probe, asker
from towline.engines.embedded.monitor.logfile import Lines, LogFile
from towline.engines.embedded.monitor.oci import ENGINE_ERROR
from towline.engines.embedded.monitor.process import Process
from towline.engines.embedded.monitor.status import Status
from towline.engines.embedded.monitor.supervise import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable

_STARTED = frozenset({status.RUNNING, status.FAILED, status.EXITED, status.STOPPED})


def main() -> int:
    """Be the monitor of the container that the instructions on standard input describe."""
    instructions = decode(sys.stdin.buffer.read())
    _settle_in(instructions)
    report = _reporter(instructions.folder)
    announcer = Announcer(instructions.events, instructions.container)
    try:
        bundle = _enter(instructions)
    except OSError as error:
        report(Status(status.FAILED, problem=ENGINE_ERROR, detail=str(error)))
        announcer.announce()
        return 1
    log = LogFile(f"{instructions.folder}/log", limit=instructions.log_bytes, keep=instructions.log_parts)
    lines = Lines(log)
    Supervisor(
        instructions,
        new_process=lambda: Process(instructions, bundle=bundle, lines=lines),
        new_liveness=_questions(instructions),
        announcer=announcer,
        report=report,
    ).run()
    log.close()
    return 0


def _settle_in(instructions: Instructions) -> None:
    """Cut what ties this process to the one that started it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.set_inheritable(instructions.lock, False)  # noqa: FBT003 - the standard library's signature
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    with open(f"{instructions.folder}/monitor", "w", encoding="ascii") as file:
        file.write(str(os.getpid()))


def _enter(instructions: Instructions) -> str:
    """Enter the namespaces, mount the root file system and return the bundle's folder."""
    if instructions.user_namespace:
        namespaces.enter_user_namespace(namespaces.granted())
    else:
        namespaces.enter_mount_namespace()
    bundle = rootfs.mount_root(instructions)
    volumes.mount_all(bundle, [volumes.Volume(*each) for each in instructions.volumes or ()])
    kernel.name_process("towline-monitor")
    kernel.adopt_orphans()
    kernel.forbid_dumps()
    return bundle


def _questions(instructions: Instructions) -> Callable[[], Liveness | None]:
    """Return what makes the questions to a new run."""
    if instructions.probe is None:
        return lambda: None
    probe = Probe(**instructions.probe)  # type: ignore[arg-type]
    return lambda: Liveness(probe, asker(probe, instructions))


def _reporter(folder: str) -> Callable[[Status], None]:
    """Return what writes a status down, and says on standard output, once, that the start is over."""
    waiting = [os.dup(1)]
    os.dup2(2, 1)

    def report(now: Status) -> None:
        status.write(folder, now)
        if waiting and now.state in _STARTED:
            with contextlib.suppress(BrokenPipeError):
                os.write(waiting[0], b"\n")
            os.close(waiting.pop())

    return report
