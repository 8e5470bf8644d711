"""What the engine was last seen to hold, in memory: the newest fact about every container."""

from __future__ import annotations

from collections.abc import Mapping

from towline.domain.progress import Place
from towline.domain.workload import Fact, ReplicaState

_WORTH_A_LOOK = frozenset(
    {ReplicaState.RUNNING, ReplicaState.BACKING_OFF, ReplicaState.EXITED, ReplicaState.FAILED}
)


class Observed:
    """Facts by deployment and generation."""

    def __init__(self) -> None:
        self._facts: dict[str, dict[int, dict[Place, Fact]]] = {}

    def note(self, fact: Fact) -> bool:
        """Keep ``fact``; return whether somebody should look at its deployment because of it."""
        containers = self._facts.setdefault(fact.deployment_guid, {}).setdefault(fact.generation, {})
        place = (fact.executable, fact.replica)
        before = containers.get(place)
        if before is not None and before.at > fact.at:
            return False
        containers[place] = fact
        news = before is None or _essence(before) != _essence(fact)
        return news and fact.state in _WORTH_A_LOOK

    def of(self, guid: str, generation: int) -> Mapping[Place, Fact]:
        """Return the facts about one generation of a deployment."""
        return self._facts.get(guid, {}).get(generation, {})

    def has_older(self, guid: str, generation: int) -> bool:
        """Whether containers of an earlier generation are known."""
        return any(known < generation for known in self._facts.get(guid, {}))

    def forget(self, guid: str, *, below: int | None = None) -> None:
        """Drop what is known of a deployment, or of its generations before ``below``."""
        if below is None:
            self._facts.pop(guid, None)
            return
        generations = self._facts.get(guid, {})
        for generation in [known for known in generations if known < below]:
            del generations[generation]

    def forget_generation(self, guid: str, generation: int) -> None:
        """Drop the facts about one generation of a deployment."""
        self._facts.get(guid, {}).pop(generation, None)

    def deployments(self) -> frozenset[str]:
        """Return the guids of all deployments with containers."""
        return frozenset(self._facts)


def _essence(fact: Fact) -> tuple[object, ...]:
    cause = fact.finding and fact.finding.code
    return (fact.state, fact.started_at, fact.exit_code, fact.restart_count, cause, fact.outdated)
