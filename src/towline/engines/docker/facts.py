"""From what the Engine tells about a container to the fact that the control plane hears. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.findings import Finding
from towline.domain.workload import Fact, ReplicaState
from towline.engines.docker import refusals
from towline.engines.wording import cleaned, ending

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.domain.deployment import LayerProgress
    from towline.engines.docker.daemon import Json
    from towline.engines.docker.places import Kept, Place

_ENDED = ("exited", "stopped")
"""podman says the second until it has cleaned up behind the process, which its event does not wait for."""
_KILLED = 128
_LAST_SIGNAL = 64
_FROM_OUTSIDE = "the container was ended from outside; it is started again"
_NEVER_STARTED = "the container was made but not started; it is started again"
GONE = "the container is gone from the Engine; it is started again"


@dataclass(frozen=True, slots=True)
class Seen:
    """A container as the Engine described it; ``lines`` are the end of its log, where it is down.

    ``is_limited`` says whether its memory is.
    """

    kept: Kept
    ident: str
    state: Json
    restarts: int
    address: str = ""
    lines: Sequence[bytes] = ()
    is_limited: bool = False

    @property
    def is_running(self) -> bool:
        """Whether its process runs now."""
        return bool(self.state.get("Running")) and not self.state.get("Restarting")

    @property
    def is_unstarted(self) -> bool:
        """Whether it was made and never started."""
        return bool(self.state.get("Status") == "created")

    @property
    def started_at(self) -> datetime | None:
        """When its present or last process started."""
        return moment(str(self.state.get("StartedAt", "")))

    @property
    def exit_code(self) -> int:
        """With what its last process ended."""
        return int(self.state.get("ExitCode") or 0)

    @property
    def needs_start(self) -> bool:
        """Whether it is down for another reason than that its restart policy lets it rest."""
        return _state(self) is ReplicaState.FAILED


def fact(seen: Seen, *, at: datetime, out_of_memory: bool = False, unwell: str = "") -> Fact:
    """Return what was seen, as a fact; how a process ended that is down is told as in ``ended``."""
    if unwell and not seen.is_running:
        return ended(seen, exit_code=seen.exit_code, out_of_memory=False, unwell=unwell, at=at)
    state = _state(seen)
    is_up = state is ReplicaState.RUNNING
    return told(
        seen.kept,
        state,
        at=at,
        started_at=seen.started_at,
        exit_code=None if is_up or state is ReplicaState.FAILED else seen.exit_code,
        restarts=seen.restarts,
        finding=None if is_up else _finding(seen, state, out_of_memory=out_of_memory),
    )


def as_of(seen: Seen, event: datetime, *, last: Fact | None, is_start: bool) -> Seen:
    """Return a container as it was at an event, where it has gone on to a later run since.

    What cannot be seen any more is taken from the event and from what was ``last`` told.
    """
    if seen.started_at is None or seen.started_at <= event:
        return seen
    before = last.restart_count if last is not None else 0
    started = event if is_start else last and last.started_at
    state = {"Status": "restarting", "Running": True, "Restarting": True, "StartedAt": str(started or "")}
    is_next = is_start and last is not None and last.exit_code is not None
    return replace(seen, state=state, restarts=before + is_next)


def began(seen: Seen, *, at: datetime) -> Fact:
    """Return that the process had started, of a container whose process has ended since."""
    state = ReplicaState.RUNNING
    return told(seen.kept, state, at=at, started_at=seen.started_at, restarts=seen.restarts)


def ended(seen: Seen, *, exit_code: int, out_of_memory: bool, unwell: str, at: datetime) -> Fact:
    """Return that the process ended with ``exit_code``, whatever has become of the container since.

    ``unwell`` says why we ended it ourselves, empty where we did not.
    """
    rests = seen.kept.rests(exit_code) and not (unwell and not seen.kept.rests(1))
    finding = Finding(FindingCode.PROBE_FAILED, cleaned(unwell.encode()))
    if not unwell:
        finding = exit_finding(exit_code, out_of_memory=out_of_memory, lines=seen.lines)
    return told(
        seen.kept,
        ReplicaState.EXITED if rests else ReplicaState.BACKING_OFF,
        at=at,
        started_at=None if seen.is_running else seen.started_at,
        exit_code=exit_code,
        restarts=max(seen.restarts - seen.is_running, 0),
        finding=finding,
    )


def told(
    kept: Kept,
    state: ReplicaState,
    *,
    at: datetime,
    started_at: datetime | None = None,
    exit_code: int | None = None,
    restarts: int = 0,
    finding: Finding | None = None,
) -> Fact:
    """Return a fact about a place."""
    place = kept.place
    return Fact(
        place.deployment_guid,
        place.generation,
        executable=place.executable,
        replica=place.replica,
        state=state,
        at=at,
        started_at=started_at,
        exit_code=exit_code,
        restart_count=restarts,
        finding=finding.about(executable=place.executable, at=at) if finding else None,
    )


def pulling(place: Place, layers: Sequence[LayerProgress], *, at: datetime) -> Fact:
    """Return how far an image's pull is, as a fact about the place that waits for it."""
    return Fact(
        place.deployment_guid,
        place.generation,
        executable=place.executable,
        replica=place.replica,
        state=ReplicaState.PULLING,
        at=at,
        layers=tuple(layers),
    )


def are_alike(one: Fact, other: Fact) -> bool:
    """Whether two facts about a place differ in nothing but their dates."""
    finding = other.finding and replace(other.finding, checked_at=one.at)
    return one == replace(other, at=one.at, finding=finding)


def exit_finding(exit_code: int, *, out_of_memory: bool, lines: Sequence[bytes]) -> Finding:
    """Return why a process ended, from its exit code and last words."""
    last = lines[-1].decode(errors="replace") if lines else ""
    if exit_code and (refusal := refusals.ended_before_it_began(last)):
        return refusal
    number = exit_code - _KILLED if _KILLED < exit_code <= _KILLED + _LAST_SIGNAL else None
    code = FindingCode.OUT_OF_MEMORY if out_of_memory else FindingCode.EXITED
    return Finding(code, ending(exit_code, number, last_lines=lines))


def moment(text: str) -> datetime | None:
    """Return a time as the Engine writes it; None for its zero."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.year > 1 else None


def _state(seen: Seen) -> ReplicaState:
    if seen.is_running:
        return ReplicaState.RUNNING
    if seen.state.get("Restarting"):
        return ReplicaState.BACKING_OFF
    if seen.state.get("Status") in _ENDED and seen.kept.rests(seen.exit_code):
        return ReplicaState.EXITED
    return ReplicaState.FAILED


def _finding(seen: Seen, state: ReplicaState, *, out_of_memory: bool) -> Finding:
    if state is ReplicaState.FAILED:
        detail = _NEVER_STARTED if seen.is_unstarted else _FROM_OUTSIDE
        return Finding(FindingCode.ENGINE_ERROR, detail)
    return exit_finding(seen.exit_code, out_of_memory=out_of_memory, lines=seen.lines)
