"""From verdicts to the facts that the control plane hears: one for each replica of each executable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from towline.domain.workload import Fact, ReplicaState
from towline.engines.kubernetes import endings, verdicts
from towline.engines.kubernetes.signs import Signs

if TYPE_CHECKING:
    from towline.domain.findings import Finding
    from towline.engines.kubernetes.endings import Words
    from towline.engines.kubernetes.holdings import Held
    from towline.engines.kubernetes.naming import Place
    from towline.engines.kubernetes.rollout import End, Verdict
    from towline.engines.kubernetes.seen import SeenPod


@dataclass(frozen=True, slots=True)
class Wanted:
    """A log's last words that a fact waits for."""

    end: End
    namespace: str
    pod: str
    container: str
    is_previous: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of a generation: a fact for every container, and the words that some of them await.

    ``ends`` are runs that ended and were started again before anybody saw them down.
    """

    facts: Sequence[Fact] = ()
    ends: Sequence[Fact] = ()
    wanted: Sequence[Wanted] = ()


def report(
    place: Place,
    held: Held,
    *,
    words: Words,
    now: datetime,
    outdated: bool = False,
    before: Mapping[tuple[str, int], Fact],
) -> Report | None:
    """Return what is known of a generation; None while what is seen speaks of an older spec."""
    current = verdicts.current_pods(held.rollout)
    if current is None:
        return None
    return _Reporter(place, held, words=words, now=now, outdated=outdated, before=before).report(current)


class _Reporter:
    """Collects one report."""

    def __init__(
        self,
        place: Place,
        held: Held,
        *,
        words: Words,
        now: datetime,
        outdated: bool,
        before: Mapping[tuple[str, int], Fact],
    ) -> None:
        self._place = place
        self._held = held
        self._words = words
        self._now = now
        self._outdated = outdated
        self._before = before
        self._is_late = verdicts.deadline_passed(held.deployment)
        self._ends: list[Fact] = []
        self._wanted: list[Wanted] = []

    def report(self, current: Sequence[SeenPod]) -> Report:
        numbered = dict(self._held.number(current))
        without_pod = verdicts.of_rollout(self._held.rollout)
        facts: list[Fact] = []
        for replica in range(max(self._held.replicas, *(number + 1 for number in numbered), 0)):
            pod = numbered.get(replica)
            for container, executable in self._held.executables.items():
                if pod is None:
                    facts.append(self._absent(executable, replica, without_pod))
                else:
                    facts.append(self._present(pod, container, executable=executable, replica=replica))
        return Report(facts, self._ends, self._wanted)

    def _absent(self, executable: str, replica: int, why: Finding | None) -> Fact:
        state = ReplicaState.PULLING if why is None else ReplicaState.FAILED
        return self._fact(executable, replica, state=state, finding=why)

    def _present(self, pod: SeenPod, container: str, *, executable: str, replica: int) -> Fact:
        verdict = verdicts.of_container(
            pod,
            container,
            signs=self._held.signs.get(pod.metadata.uid, Signs()),
            words=self._words,
            now=self._now,
            deadline_passed=self._is_late,
        )
        if verdict.awaits is not None:
            self._want(pod, container, verdict.awaits)
        self._note_a_missed_end(pod, container, verdict, executable=executable, replica=replica)
        return self._said(verdict, executable, replica)

    def _note_a_missed_end(
        self, pod: SeenPod, container: str, verdict: Verdict, *, executable: str, replica: int
    ) -> None:
        """Tell of a run that ended between two looks, as a killed container is started again at once."""
        earlier = self._before.get((executable, replica))
        if verdict.state is not ReplicaState.RUNNING or earlier is None:
            return
        if earlier.state is not ReplicaState.RUNNING or earlier.restart_count >= verdict.restart_count:
            return
        status = next(each for each in pod.status.container_statuses or () if each.name == container)
        if (ended := status.last_state.terminated) is None:
            return
        end = endings.of_end(
            pod,
            status,
            ended,
            signs=self._held.signs.get(pod.metadata.uid, Signs()),
            words={endings.end_of(pod, status, ended): ()} | dict(self._words),
        )
        self._ends.append(self._said(end, executable, replica))

    def _want(self, pod: SeenPod, container: str, end: End) -> None:
        status = next(each for each in pod.status.container_statuses or () if each.name == container)
        waits = status.state.waiting is not None
        metadata = pod.metadata
        self._wanted.append(Wanted(end, metadata.namespace, metadata.name, container, is_previous=waits))

    def _said(self, verdict: Verdict, executable: str, replica: int) -> Fact:
        return self._fact(
            executable,
            replica,
            state=verdict.state,
            finding=verdict.finding,
            started_at=verdict.started_at,
            exit_code=verdict.exit_code,
            restart_count=verdict.restart_count,
        )

    def _fact(
        self,
        executable: str,
        replica: int,
        *,
        state: ReplicaState,
        finding: Finding | None,
        started_at: datetime | None = None,
        exit_code: int | None = None,
        restart_count: int = 0,
    ) -> Fact:
        return Fact(
            self._place.deployment_guid,
            self._place.generation,
            executable=executable,
            replica=replica,
            state=state,
            at=self._now,
            started_at=started_at,
            exit_code=exit_code,
            restart_count=restart_count,
            finding=finding.about(executable=executable, at=self._now) if finding else None,
            outdated=self._outdated,
        )
