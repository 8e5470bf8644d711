"""What the watches have shown, by generation: the newest of every object, and nothing that was deleted.

Everything belongs to a generation by its labels, so no object need be looked up by another. A pod keeps the
replica's number that it was given when it was first seen; its successor takes the lowest that is free.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from towline.engines.kubernetes import naming
from towline.engines.kubernetes.naming import Place
from towline.engines.kubernetes.rollout import Rollout
from towline.engines.kubernetes.seen import (
    SeenDeployment,
    SeenEvent,
    SeenPod,
    SeenReplicaSet,
    SeenSecret,
    slim,
)
from towline.engines.kubernetes.signs import Signs

if TYPE_CHECKING:
    from towline.engines.kubernetes.seen import Seen

MOST_EARLY_SIGNS = 2048
"""Events of pods that were not seen yet; most of them are about other people's pods."""

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Held:
    """One generation's objects, by uid; a pod's replica number; what events told of its pods."""

    deployment: SeenDeployment | None = None
    replica_sets: dict[str, SeenReplicaSet] = field(default_factory=dict)
    pods: dict[str, SeenPod] = field(default_factory=dict)
    secrets: dict[str, SeenSecret] = field(default_factory=dict)
    signs: dict[str, Signs] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing runs and nothing would: secrets alone do not count."""
        return self.deployment is None and not self.pods

    @property
    def rollout(self) -> Rollout:
        """What is judged."""
        return Rollout(self.deployment, tuple(self.replica_sets.values()), tuple(self.pods.values()))

    @property
    def namespace(self) -> str:
        """Where it is."""
        held = (self.deployment, *self.pods.values(), *self.secrets.values(), *self.replica_sets.values())
        for each in held:
            if each is not None:
                return each.metadata.namespace
        return ""

    @property
    def executables(self) -> Mapping[str, str]:
        """The executables' names by those of their containers."""
        for each in (self.deployment, *self.pods.values()):
            if each is not None and (names := naming.read(each.metadata)):
                return names
        return {}

    @property
    def replicas(self) -> int:
        """How many replicas are wanted."""
        if self.deployment is not None:
            wanted = self.deployment.spec.replicas
            return 1 if wanted is None else wanted
        return max(
            (
                int(text)
                for pod in self.pods.values()
                if (text := pod.metadata.annotation(naming.WANTED)).isdigit()
            ),
            default=0,
        )

    def number(self, pods: Iterable[SeenPod]) -> Sequence[tuple[int, SeenPod]]:
        """Return the pods with their replica's number, the oldest first; a surplus pod has none."""
        known = {pod.metadata.uid: pod for pod in pods}
        self.numbers = {uid: number for uid, number in self.numbers.items() if uid in known}
        fresh = [pod for uid, pod in known.items() if uid not in self.numbers]
        for pod in sorted(
            fresh, key=lambda each: (each.metadata.creation_timestamp or _NEVER, each.metadata.name)
        ):
            taken = set(self.numbers.values())
            told = pod.metadata.label(naming.REPLICA)
            free = next((number for number in range(self.replicas) if number not in taken), None)
            number = int(told) if told.isdigit() else free
            if number is not None:
                self.numbers[pod.metadata.uid] = number
        in_order = sorted(self.numbers.items(), key=lambda each: each[1])
        return [(number, known[uid]) for uid, number in in_order]


def _age(pod: SeenPod) -> tuple[datetime, str]:
    return (pod.metadata.creation_timestamp or _NEVER, pod.metadata.name)


class Holdings:
    """All generations of this installation in one cluster."""

    def __init__(self) -> None:
        self._held: dict[Place, Held] = {}
        self._where: dict[str, Place] = {}
        self._early: OrderedDict[str, Signs] = OrderedDict()

    def get(self, place: Place) -> Held:
        """Return what is held of a generation; of one that nothing is held of, an empty one."""
        return self._held.get(place) or Held()

    def places(self) -> Sequence[Place]:
        """Return every generation of which something runs or would run."""
        return [place for place, held in self._held.items() if not held.is_empty]

    def of_deployment(self, guid: str) -> Sequence[Place]:
        """Return the generations of a deployment, be it that only a secret is left of them."""
        return [place for place in self._held if place.deployment_guid == guid]

    def note(self, seen: Seen) -> Place | None:
        """Keep the newest of an object; return the generation that it changes something about."""
        if isinstance(seen, SeenEvent):
            return self._note_event(seen)
        place = Place.of(seen.metadata)
        if place is None:
            return None
        held = self._held.setdefault(place, Held())
        uid = seen.metadata.uid
        self._where[uid] = place
        seen = slim(seen)
        match seen:
            case SeenDeployment():
                held.deployment = seen
            case SeenReplicaSet():
                held.replica_sets[uid] = seen
            case SeenPod():
                held.pods[uid] = seen
                if uid in self._early:
                    held.signs[uid] = self._early.pop(uid)
            case SeenSecret():
                held.secrets[uid] = seen
        return place

    def forget(self, seen: Seen) -> Place | None:
        """Drop an object that was deleted; return the generation that it was of."""
        return self._drop(seen.metadata.uid)

    def replace(self, kind: type, items: Iterable[Seen], *, namespace: str | None = None) -> set[Place]:
        """Take over a whole list, of a namespace or of all: what is not in it was deleted meanwhile."""
        now = {item.metadata.uid: item for item in items}
        gone = [uid for uid in self._uids(kind, namespace) if uid not in now]
        changed = {self._drop(uid) for uid in gone} | {self.note(item) for item in now.values()}
        return {place for place in changed if place is not None}

    def _uids(self, kind: type, namespace: str | None) -> list[str]:
        found: list[str] = []
        for held in self._held.values():
            if namespace not in (None, held.namespace):
                continue
            if kind is SeenDeployment and held.deployment is not None:
                found.append(held.deployment.metadata.uid)
            elif kind is SeenReplicaSet:
                found.extend(held.replica_sets)
            elif kind is SeenPod:
                found.extend(held.pods)
            elif kind is SeenSecret:
                found.extend(held.secrets)
        return found

    def _drop(self, uid: str) -> Place | None:
        place = self._where.pop(uid, None)
        if place is None:
            return None
        held = self._held[place]
        if held.deployment is not None and held.deployment.metadata.uid == uid:
            held.deployment = None
        for kept in (held.replica_sets, held.pods, held.secrets, held.signs, held.numbers):
            kept.pop(uid, None)
        if held.is_empty and not held.secrets and not held.replica_sets:
            del self._held[place]
        return place

    def _note_event(self, event: SeenEvent) -> Place | None:
        uid = event.involved_object.uid
        place = self._where.get(uid)
        known = self._held[place].signs if place is not None else self._early
        before = known.get(uid, Signs())
        after = before.noting(event)
        if after is before:
            return None
        known[uid] = after
        while len(self._early) > MOST_EARLY_SIGNS:
            self._early.popitem(last=False)
        return place
