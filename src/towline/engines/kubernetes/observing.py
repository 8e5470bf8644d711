"""From the cluster's streams to facts: what is new is judged and told once, what others did is noticed."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from towline.domain.causes import FindingCode
from towline.domain.errors import EngineFailed
from towline.domain.findings import Finding
from towline.domain.workload import Drift, Fact, ReplicaState
from towline.engines.broadcast import Facts
from towline.engines.kubernetes import drift, facts, naming, texts
from towline.engines.kubernetes.holdings import Holdings
from towline.engines.kubernetes.last_words import LastWords
from towline.engines.kubernetes.seen import (
    SeenDeployment,
    SeenEvent,
    SeenPod,
    SeenReplicaSet,
    SeenSecret,
    version_of,
)
from towline.engines.kubernetes.watching import Sink, Stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

    from towline.engines.kubernetes.cluster import Cluster
    from towline.engines.kubernetes.drift import Fingerprint
    from towline.engines.kubernetes.naming import Names, Place
    from towline.engines.kubernetes.seen import ManagedMetadata, Seen
    from towline.ports import Clock

log = structlog.get_logger("towline.engines.kubernetes")

FIRST_LISTS = 20.0
"""Seconds in which every kind must have been listed once."""
LOOK_AGAIN = 5.0
SILENT_FOR = timedelta(seconds=60)

_Stream = tuple[type, str | None]
"""A kind, and the namespace in which it is watched; None: in all."""
_KINDS = (SeenDeployment, SeenReplicaSet, SeenPod, SeenEvent, SeenSecret)
_EVENTS = (
    "involvedObject.kind=Pod,reason!=Scheduled,reason!=Created,reason!=Started,reason!=BackOff,"
    "reason!=SuccessfulCreate,reason!=FailedScheduling"
)


class Observing:
    """Holds what is seen and tells what is new."""

    def __init__(
        self,
        cluster: Cluster,
        names: Names,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        tell: Callable[[Drift], Awaitable[None]],
        patience: float = FIRST_LISTS,
    ) -> None:
        self._patience = patience
        self.holdings = Holdings()
        self._cluster = cluster
        self._names = names
        self._clock = clock
        self._jitter = jitter
        self._tell = tell
        self._facts = Facts()
        self._words = LastWords(cluster, self._look)
        self._told: dict[Place, dict[tuple[str, int], Fact]] = {}
        self._listed: dict[_Stream, asyncio.Event] = {
            (kind, namespace): asyncio.Event() for namespace in names.watched for kind in _KINDS
        }
        self._trouble: dict[_Stream, str] = {}
        self._silent_since: dict[_Stream, Any] = {}
        self._applied: dict[str, tuple[Fingerprint | None, int]] = {}
        self._outdated: dict[str, Place] = {}
        self._applying: set[Place] = set()
        self._leaving: set[Place] = set()
        self._lost: set[Place] = set()
        self._news: dict[Place, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Open every stream."""
        for kind, namespace in self._listed:
            replace, health = partial(self._replace, namespace), partial(self._health, namespace)
            stream = Stream(
                self._cluster,
                kind,
                Sink(replace, self._note, self._forget, health),
                namespace=namespace,
                labels="" if kind is SeenEvent else self._names.selector,
                fields=_EVENTS if kind is SeenEvent else "",
                jitter=self._jitter,
            )
            self._spawn(stream.run())
        self._spawn(self._look_again())

    async def close(self) -> None:
        """Close every stream and end every listener's."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._words.close()
        self._facts.close()

    def listen(self) -> AsyncIterator[Fact]:
        """Return the facts from now on."""
        return self._facts.listen()

    async def synced(self) -> None:
        """Return once everything was listed; raise EngineFailed when that, or a stream, fails for long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                for listed in self._listed.values():
                    await listed.wait()
        missing = [stream for stream, listed in self._listed.items() if not listed.is_set()]
        now = self._clock()
        silent = [stream for stream, since in self._silent_since.items() if now - since > SILENT_FOR]
        for kind, namespace in (*missing, *silent):
            said = self._trouble.get((kind, namespace)) or "no answer yet"
            where = f"namespace {namespace}" if namespace else "the cluster"
            detail = texts.shown(f"{kind.PLURAL} of {where} cannot be watched: {said}")  # type: ignore[attr-defined]
            raise EngineFailed(Finding(FindingCode.ENGINE_UNREACHABLE, detail))

    def facts_of(self, place: Place) -> Sequence[Fact] | None:
        """Return the facts about a generation; None while nothing certain is known."""
        if place in self._lost or self.holdings.get(place).is_empty:
            return ()
        report = self._report(place)
        if report is None:
            return None
        told = self._told.get(place, {})
        return [_as_told(told.get((fact.executable, fact.replica)), fact) for fact in report.facts]

    def is_lost(self, place: Place) -> bool:
        """Whether somebody else deleted what runs of a generation."""
        return place in self._lost

    async def change_of(self, place: Place) -> None:
        """Return when something about a generation has changed, or might mean something else by now."""
        event = self._news.setdefault(place, asyncio.Event())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_AGAIN):
                await event.wait()

    @contextlib.contextmanager
    def applying(self, place: Place) -> Any:  # noqa: ANN401
        """While a generation is applied its changes are ours; afterwards it is as it should be."""
        self._applying.add(place)
        try:
            yield
            self._outdated = {uid: where for uid, where in self._outdated.items() if where != place}
        finally:
            self._applying.discard(place)
            self._look(place)

    @contextlib.contextmanager
    def leaving(self, places: Sequence[Place]) -> Any:  # noqa: ANN401
        """While generations are removed, their disappearance is no news."""
        self._leaving.update(places)
        try:
            yield
            for place in places:
                self._told.pop(place, None)
                self._news.pop(place, None)
                self._lost.discard(place)
            self._outdated = {uid: where for uid, where in self._outdated.items() if where not in places}
        finally:
            self._leaving.difference_update(places)

    def applied(self, metadata: ManagedMetadata) -> None:
        """Remember which fields Towline holds right after an apply."""
        self._applied[metadata.uid] = (drift.fingerprint(metadata), version_of(metadata))

    def _replace(self, namespace: str | None, kind: type, items: Iterable[Seen]) -> None:
        seen = [item for item in items if self._is_ours(item)]
        for item in seen:
            self._check(item)
        before = set(self.holdings.places())
        changed = self.holdings.replace(kind, seen, namespace=namespace)
        if kind is SeenDeployment:
            for place in (before & changed) - set(self.holdings.places()):
                self._lose(place, "its Deployment was deleted in the cluster")
        self._listed[kind, namespace].set()
        for place in changed:
            self._look(place)

    def _is_ours(self, seen: Seen) -> bool:
        """Whether an object is where Towline puts it: somebody may have copied one, labels and all."""
        if isinstance(seen, SeenEvent):
            return True
        project = seen.metadata.label(naming.PROJECT)
        return seen.metadata.namespace == self._names.namespace_of(project)

    def _note(self, seen: Seen) -> None:
        if not self._is_ours(seen):
            return
        self._check(seen)
        if (place := self.holdings.note(seen)) is not None:
            if isinstance(seen, SeenDeployment):
                self._lost.discard(place)
            self._look(place)

    def _forget(self, seen: Seen) -> None:
        place = self.holdings.forget(seen)
        if place is None:
            return
        self._applied.pop(seen.metadata.uid, None)
        ours = place in self._leaving
        bare = isinstance(seen, SeenPod) and bool(seen.metadata.label(naming.REPLICA))
        if not ours and (isinstance(seen, SeenDeployment) or bare):
            self._report_drift(seen, place, change="deleted")
            self._lose(place, f"its {seen.PLURAL[:-1]} {seen.metadata.name} was deleted in the cluster")
        elif not ours and isinstance(seen, SeenSecret) and self._still_needs(place):
            self._outdated[seen.metadata.uid] = place
            self._report_drift(seen, place, change="deleted")
        self._look(place)

    def _still_needs(self, place: Place) -> bool:
        """Whether a generation's secrets are missed: they go by themselves with what they belong to."""
        deployment = self.holdings.get(place).deployment
        is_going = deployment is not None and deployment.metadata.deletion_timestamp is not None
        return not (place in self._lost or is_going or self.holdings.get(place).is_empty)

    def _check(self, seen: Seen) -> None:
        """Notice that somebody else took over what Towline wrote."""
        if not isinstance(seen, SeenDeployment | SeenSecret):
            return
        place = naming.Place.of(seen.metadata)
        if place is None or place in self._applying or seen.metadata.deletion_timestamp is not None:
            return
        applied, version = self._applied.get(seen.metadata.uid, (None, 0))
        if version_of(seen.metadata) < version:
            return
        if not drift.is_drifted(seen, applied=applied):
            self._outdated.pop(seen.metadata.uid, None)
        elif seen.metadata.uid not in self._outdated:
            self._outdated[seen.metadata.uid] = place
            self._report_drift(seen, place, change="changed")

    def _report_drift(self, seen: Any, place: Place, *, change: str) -> None:  # noqa: ANN401
        metadata = seen.metadata
        culprits = drift.culprits(seen) if change == "changed" else ()
        news = Drift(
            place.deployment_guid,
            metadata.label(naming.PROJECT),
            subject=f"{seen.PLURAL[:-1]} {metadata.namespace}/{metadata.name}",
            change=change,
            culprit=", ".join(culprits),
            at=self._clock(),
        )
        log.warning("kubernetes.drift", subject=news.subject, change=change, culprit=news.culprit)
        self._spawn(self._tell_of(news))

    async def _tell_of(self, news: Drift) -> None:
        await self._tell(news)

    def _lose(self, place: Place, why: str) -> None:
        """Tell of every container that it is gone, so that it is started again."""
        if place in self._leaving:
            return
        self._lost.add(place)
        finding = Finding(FindingCode.ENGINE_ERROR, f"{why}; it is applied again", checked_at=self._clock())
        for executable, replica in self._told.pop(place, {}):
            self._facts.publish(
                Fact(
                    place.deployment_guid,
                    place.generation,
                    executable=executable,
                    replica=replica,
                    state=ReplicaState.FAILED,
                    at=self._clock(),
                    finding=finding.about(executable=executable),
                )
            )

    def _look(self, place: Place) -> None:
        """Judge a generation anew and tell what is new about it."""
        if (event := self._news.pop(place, None)) is not None:
            event.set()
        if place in self._leaving or place in self._lost or self.holdings.get(place).is_empty:
            return
        report = self._report(place)
        if report is None:
            return
        self._words.want(place, report.wanted)
        told = self._told.setdefault(place, {})
        for key in told.keys() - {(fact.executable, fact.replica) for fact in report.facts}:
            del told[key]
        for fact in (*report.ends, *report.facts):
            key = (fact.executable, fact.replica)
            if key not in told or _essence(told[key]) != _essence(fact):
                told[key] = fact
                self._facts.publish(fact)

    def _report(self, place: Place) -> facts.Report | None:
        return facts.report(
            place,
            self.holdings.get(place),
            words=self._words.known,
            now=self._clock(),
            outdated=place in self._outdated.values(),
            before=self._told.get(place, {}),
        )

    async def _look_again(self) -> None:
        """Judge again by the clock what could not be judged when it was seen."""
        while True:
            await asyncio.sleep(LOOK_AGAIN)
            unsettled = [
                place
                for place, told in self._told.items()
                if any(fact.state is ReplicaState.PULLING for fact in told.values())
            ]
            for place in unsettled:
                self._look(place)

    def _health(self, namespace: str | None, kind: type, trouble: str) -> None:
        stream = (kind, namespace)
        if not trouble:
            self._trouble.pop(stream, None)
            self._silent_since.pop(stream, None)
            return
        self._trouble[stream] = trouble
        self._silent_since.setdefault(stream, self._clock())

    def _spawn(self, work: Any) -> None:  # noqa: ANN401
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (defect := task.exception()) is not None:
            log.error("kubernetes.task_failed", exc_info=defect)


def _as_told(before: Fact | None, fact: Fact) -> Fact:
    """Return a fact with the time at which it became so."""
    return before if before is not None and _essence(before) == _essence(fact) else fact


def _essence(fact: Fact) -> tuple[object, ...]:
    said = (fact.finding.code, fact.finding.detail) if fact.finding else None
    return (fact.state, fact.started_at, fact.exit_code, fact.restart_count, said, fact.outdated)
