"""A container's log through the API: what is there, and what comes, across restarts.

The API's own follow ends with the run that it began in, or when something on the way grows tired of it. It
refuses a container that was not started yet, and tells the old run again while a crashed one waits. Here it
goes on, tells every run once, waits, and gives signs of life while nothing is logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING

from towline.domain.workload import ReplicaState
from towline.engines.kubernetes import refusals
from towline.engines.kubernetes.cluster import ClusterRefused, ClusterUnreachable
from towline.engines.kubernetes.told import Told

if TYPE_CHECKING:
    from towline.domain.workload import Fact
    from towline.engines.kubernetes.cluster import Cluster
    from towline.engines.kubernetes.naming import Place
    from towline.engines.kubernetes.observing import Observing
    from towline.engines.kubernetes.seen import SeenPod

SIGN_OF_LIFE = 10.0
MOST_FAILURES = 5
"""So often the stream of one run may break off without an end."""
_PREVIOUS: Sequence[Mapping[str, str]] = ({"previous": "true"},)
_NEWEST: Sequence[Mapping[str, str]] = ({}, *_PREVIOUS)
"""This run, or the one before while the container waits."""


async def read(  # noqa: PLR0913  (what a log is asked by, by name)
    cluster: Cluster,
    observing: Observing,
    deployment_guid: str,
    *,
    executable: str,
    replica: int,
    follow: bool,
    tail: int | None,
    timestamps: bool,
    previous: bool,
) -> AsyncGenerator[bytes, None]:
    """Yield the log of the newest generation's container in chunks that end at line ends.

    ``previous``: that of the run before the present one, nothing where there was none.
    """
    try:
        await observing.synced()
        reader = _Reader(
            cluster,
            observing,
            deployment_guid,
            executable=executable,
            replica=replica,
            timestamps=timestamps,
        )
        found = reader.find()
        if found is None:
            return
        if follow:
            chunks = reader.follow(found, tail=tail)
        else:
            chunks = reader.whole(found, tail=tail, runs=_PREVIOUS if previous else _NEWEST)
        async for chunk in _with_signs_of_life(chunks):
            yield chunk
    except (ClusterRefused, ClusterUnreachable) as trouble:
        raise refusals.engine_failed(trouble) from trouble


class _Reader:
    """Reads one container's log."""

    def __init__(
        self,
        cluster: Cluster,
        observing: Observing,
        deployment_guid: str,
        *,
        executable: str,
        replica: int,
        timestamps: bool,
    ) -> None:
        self._cluster = cluster
        self._observing = observing
        self._guid = deployment_guid
        self._executable = executable
        self._replica = replica
        self._timestamps = timestamps
        self._stamps = {"timestamps": "true"} if timestamps else {}

    def find(self) -> tuple[Place, str, str] | None:
        """Return the generation, pod and container that are meant."""
        holdings = self._observing.holdings
        places = [place for place in holdings.of_deployment(self._guid) if not holdings.get(place).is_empty]
        for place in sorted(places, key=lambda each: each.generation, reverse=True):
            self._observing.facts_of(place)  # numbers the pods
            held = holdings.get(place)
            name = next((own for own, theirs in held.executables.items() if theirs == self._executable), None)
            uid = next((uid for uid, number in held.numbers.items() if number == self._replica), None)
            if name is not None and uid is not None:
                return place, uid, name
        return None

    async def whole(
        self, found: tuple[Place, str, str], *, tail: int | None, runs: Sequence[Mapping[str, str]]
    ) -> AsyncGenerator[bytes, None]:
        """Yield what is there of the first of the ``runs`` that there is."""
        pod = self._pod(found)
        if pod is None:
            return
        for which in runs:
            try:
                async for line in self._lines(pod, found[2], tail=tail, **which, **self._stamps):
                    yield line
            except ClusterRefused as refusal:
                if refusal.status not in (400, 404):
                    raise
                continue
            return

    async def follow(self, found: tuple[Place, str, str], *, tail: int | None) -> AsyncGenerator[bytes, None]:
        """Yield this run and the next ones, each once, until the container rests or is gone.

        A stream that ends before the container does is opened anew, and goes on behind the last line.
        """
        place, _, container = found
        done, told = -1, Told(-1, is_stamped=self._timestamps)
        while (pod := self._pod(found)) is not None:
            run = _run_of(pod, container)
            if run is None or run == done:
                if pod.is_leaving or self._rests(place):
                    return
                await self._observing.change_of(place)
                continue
            if told.run != run:
                told = Told(run, is_stamped=self._timestamps)
            async for line in self._followed(pod, container, told, tail=tail):
                yield line
            tail = None if told.has_told else tail
            if self._runs_on(found, run):  # or the watch is later than the log
                await self._observing.change_of(place)
            if not self._runs_on(found, run):
                done = run

    async def _followed(
        self, pod: SeenPod, container: str, told: Told, *, tail: int | None
    ) -> AsyncGenerator[bytes, None]:
        """Yield what a stream tells that was not told before; raise once it fails again and again."""
        if told.has_told:
            tail = None
        try:
            options = {"follow": "true", "timestamps": "true", **told.resumed()}
            async for line in self._lines(pod, container, tail=tail, **options):
                if shown := told.shown(line):
                    yield shown
        except ClusterRefused as refusal:
            if refusal.status not in (400, 404):
                raise
        except ClusterUnreachable:
            told.failures += 1
            if told.failures > MOST_FAILURES:
                raise

    def _runs_on(self, found: tuple[Place, str, str], run: int) -> bool:
        """Whether a run has not ended, as far as the watch has told."""
        pod = self._pod(found)
        status = pod.status_of(found[2]) if pod is not None else None
        return status is not None and status.restart_count == run and status.state.running is not None

    def _rests(self, place: Place) -> bool:
        """Whether the container has ended for good."""
        return any(
            fact.state in (ReplicaState.EXITED, ReplicaState.FAILED)
            for fact in self._observing.facts_of(place) or ()
            if self._is_meant(fact)
        )

    def _is_meant(self, fact: Fact) -> bool:
        return fact.executable == self._executable and fact.replica == self._replica

    def _pod(self, found: tuple[Place, str, str]) -> SeenPod | None:
        return self._observing.holdings.get(found[0]).pods.get(found[1])

    async def _lines(
        self, pod: SeenPod, container: str, *, tail: int | None, **options: str
    ) -> AsyncGenerator[bytes, None]:
        if tail is not None:
            options["tailLines"] = str(tail)
        metadata = pod.metadata
        async for line in self._cluster.log(
            metadata.name, namespace=metadata.namespace, container=container, **options
        ):
            yield line


def _run_of(pod: SeenPod, container: str) -> int | None:
    """Return which run a kubelet gives the log of: this one, or the one before while it waits; None: none."""
    status = pod.status_of(container)
    if status is None:
        return None
    has_begun = status.state.running or status.state.terminated or status.last_state.terminated
    return status.restart_count if has_begun else None


async def _with_signs_of_life(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Yield the chunks, and an empty one for every pause that is long."""
    coming: asyncio.Task[bytes] | None = None
    try:
        while True:
            if coming is None:
                coming = asyncio.ensure_future(anext(chunks))
            done, _ = await asyncio.wait({coming}, timeout=SIGN_OF_LIFE)
            if not done:
                yield b""
                continue
            try:
                chunk = coming.result()
            except StopAsyncIteration:
                return
            finally:
                coming = None
            yield chunk
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        await chunks.aclose()
