"""Recordings of a real cluster, played back as the streams that the driver reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from towline.engines.kubernetes import verdicts
from towline.engines.kubernetes.rollout import End, Rollout, Verdict
from towline.engines.kubernetes.seen import SeenDeployment, SeenEvent, SeenPod, SeenReplicaSet
from towline.engines.kubernetes.signs import Signs

FOLDER = Path(__file__).parents[1] / "recordings" / "kubernetes"
KINDS = {
    "deployments": SeenDeployment,
    "replicasets": SeenReplicaSet,
    "pods": SeenPod,
    "events": SeenEvent,
}
START = datetime(2026, 11, 23, 15, 39, 15, tzinfo=UTC)


def scenarios() -> list[str]:
    """Return the names of all recorded scenarios."""
    return sorted(path.name for path in FOLDER.iterdir() if path.is_dir())


def requests(scenario: str) -> list[dict[str, Any]]:
    """Return a scenario's requests and their answers."""
    text = (FOLDER / scenario / "requests.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def stream(scenario: str) -> Iterator[tuple[float, str, str, bytes]]:
    """Yield (second, kind, event type, object) of all a scenario's watches in the order of their arrival."""
    lines = []
    for kind in KINDS:
        path = FOLDER / scenario / f"watch-{kind}.jsonl"
        for line in path.read_bytes().splitlines() if path.exists() else []:
            record = msgspec.json.decode(line)
            if "event" in record:
                event = record["event"]
                lines.append((record["t"], kind, event["type"], msgspec.json.encode(event["object"])))
    yield from sorted(lines, key=lambda line: line[0])


@dataclass
class Moment:
    """What the rules said at one moment about one Deployment's containers."""

    second: float
    verdicts: Mapping[tuple[str, str], Verdict]
    finding: Any = None


@dataclass
class Playback:
    """Plays one scenario through the rules, judging after every single event."""

    scenario: str
    words: dict[End, tuple[str, ...]] = field(default_factory=dict)
    said: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    objects: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    signs: dict[str, Signs] = field(default_factory=dict)
    moments: dict[str, list[Moment]] = field(default_factory=dict)

    def play(self) -> None:
        """Play everything; afterwards ``moments`` holds what was said, by Deployment."""
        for second, kind, change, document in stream(self.scenario):
            if change == "BOOKMARK":
                msgspec.json.decode(document, type=KINDS[kind])
                continue
            self._note(kind, change, msgspec.json.decode(document, type=KINDS[kind]))
            for deployment in list(self.objects["deployments"].values()):
                self._judge(deployment, second)

    def _note(self, kind: str, change: str, seen: Any) -> None:
        if kind == "events":
            uid = seen.involved_object.uid
            self.signs[uid] = self.signs.get(uid, Signs()).noting(seen)
        elif change == "DELETED":
            self.objects[kind].pop(seen.metadata.uid, None)
        else:
            self.objects[kind][seen.metadata.uid] = seen

    def _judge(self, deployment: SeenDeployment, second: float) -> None:
        rollout = Rollout(deployment, self._replica_sets(deployment), self._pods(deployment))
        pods = verdicts.current_pods(rollout)
        if pods is None:
            return
        late = verdicts.deadline_passed(deployment)
        judged: dict[tuple[str, str], Verdict] = {}
        for pod in pods:
            for name in _containers(pod):
                judged[(pod.metadata.name, name)] = self._container(pod, name, second, late=late)
        moment = Moment(second, judged, verdicts.of_rollout(rollout))
        self.moments.setdefault(deployment.metadata.name, []).append(moment)

    def _container(self, pod: SeenPod, name: str, second: float, *, late: bool) -> Verdict:
        signs = self.signs.get(pod.metadata.uid, Signs())
        now = START + timedelta(seconds=second)
        verdict = verdicts.of_container(
            pod, name, signs=signs, words=self.words, now=now, deadline_passed=late, is_proved=False
        )
        if verdict.awaits is None:
            return verdict
        self.words[verdict.awaits] = self.said.get(name, ())
        return self._container(pod, name, second, late=late)

    def _pods(self, deployment: SeenDeployment) -> list[SeenPod]:
        sets = {each.metadata.uid for each in self._replica_sets(deployment)}
        return [
            pod
            for pod in self.objects["pods"].values()
            if any(owner.uid in sets for owner in pod.metadata.owner_references or ())
        ]

    def _replica_sets(self, deployment: SeenDeployment) -> list[SeenReplicaSet]:
        """Return the Deployment's revisions; where they were not recorded, those that its pods name."""
        if self.objects["replicasets"]:
            return list(self.objects["replicasets"].values())
        names: dict[str, SeenReplicaSet] = {}
        for pod in self.objects["pods"].values():
            owner = pod.metadata.owner_references[0]
            if owner.name.rpartition("-")[0] == deployment.metadata.name and owner.uid not in names:
                names[owner.uid] = _revision(owner.uid, pod, number=len(names) + 1)
        return list(names.values())


def _revision(uid: str, pod: SeenPod, *, number: int) -> SeenReplicaSet:
    metadata = {
        "uid": uid,
        "annotations": {verdicts.REVISION: str(number)},
        "labels": {verdicts.HASH: pod.metadata.label(verdicts.HASH)},
    }
    return msgspec.convert({"metadata": metadata}, SeenReplicaSet)


def _containers(pod: SeenPod) -> list[str]:
    known = [status.name for status in pod.status.container_statuses or ()]
    return known or [pod.metadata.name.rsplit("-", 2)[0]]
