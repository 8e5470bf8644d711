"""From a monitor's status to the fact that the control plane hears, and its way to everyone who listens."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.findings import Finding
from towline.domain.workload import Fact, ReplicaState
from towline.engines.embedded.monitor import status as words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from towline.engines.embedded.containers import Place
    from towline.engines.embedded.monitor.status import Status

_STATES = {
    words.STARTING: ReplicaState.STARTING,
    words.RUNNING: ReplicaState.RUNNING,
    words.BACKING_OFF: ReplicaState.BACKING_OFF,
    words.EXITED: ReplicaState.EXITED,
    words.FAILED: ReplicaState.FAILED,
    words.STOPPED: ReplicaState.FAILED,
    words.LOST: ReplicaState.FAILED,
}
_ENDED = frozenset({words.BACKING_OFF, words.EXITED})
_LONGEST_LINE = 200


def fact(place: Place, status: Status, *, last_lines: Sequence[bytes]) -> Fact:
    """Return what a status means; ``last_lines`` are the end of the log, for those who ended."""
    state = _STATES[status.state]
    return Fact(
        place.deployment_guid,
        place.generation,
        executable=place.executable,
        replica=place.replica,
        state=state,
        at=_time(status.at),
        started_at=_time(status.started_at) if status.started_at is not None else None,
        exit_code=status.exit_code if status.state in _ENDED else None,
        restart_count=status.restarts,
        finding=finding(status, executable=place.executable, last_lines=last_lines),
    )


def finding(status: Status, *, executable: str, last_lines: Sequence[bytes] = ()) -> Finding | None:
    """Return why a container is not up; None for one that is."""
    at = _time(status.at)
    if status.state in _ENDED:
        code = FindingCode.OUT_OF_MEMORY if status.out_of_memory else FindingCode.EXITED
        return Finding(code, detail=_ending(status, last_lines), executable=executable, checked_at=at)
    if status.state == words.FAILED:
        code = FindingCode(status.problem or FindingCode.ENGINE_ERROR)
        return Finding(code, detail=cleaned(status.detail.encode()), executable=executable, checked_at=at)
    if status.state in (words.LOST, words.STOPPED):
        detail = status.detail or "the container was ended from outside; it is started again"
        return Finding(FindingCode.ENGINE_ERROR, detail=detail, executable=executable, checked_at=at)
    return None


def cleaned(line: bytes) -> str:
    """Return foreign text fit to be shown: one line, printable, not endless."""
    text = line.decode(errors="replace")
    printable = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return printable if len(printable) <= _LONGEST_LINE else f"{printable[: _LONGEST_LINE - 1]}…"


class Facts:
    """Brings every fact to every listener."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Fact | None]] = set()

    def publish(self, news: Fact) -> None:
        """Hand a fact to everyone who listens now."""
        for queue in self._listeners:
            queue.put_nowait(news)

    def close(self) -> None:
        """End every listener's stream."""
        for queue in self._listeners:
            queue.put_nowait(None)

    def listen(self) -> AsyncIterator[Fact]:
        """Return the facts from now on."""
        queue: asyncio.Queue[Fact | None] = asyncio.Queue()
        self._listeners.add(queue)
        return self._stream(queue)

    async def _stream(self, queue: asyncio.Queue[Fact | None]) -> AsyncIterator[Fact]:
        try:
            while (news := await queue.get()) is not None:
                yield news
        finally:
            self._listeners.discard(queue)


def _ending(status: Status, last_lines: Sequence[bytes]) -> str:
    how = f"exit code {status.exit_code}"
    if status.signal is not None:
        how = f"killed by {_signal_name(status.signal)} (exit code {status.exit_code})"
    said = " | ".join(text for line in last_lines if (text := cleaned(line)))
    return f"{how}; last lines: {said}" if said else f"{how}; it logged nothing"


def _signal_name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
