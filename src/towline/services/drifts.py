"""What others change in an engine's objects, told as events of the deployment's project."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from towline.domain.events import Event, EventKind

if TYPE_CHECKING:
    from towline.domain.workload import Drift
    from towline.ports import Store, Transaction


class Drifts:
    """Writes drifts down; a deployment that is gone has none."""

    def __init__(self, *, store: Store, new_guid: Callable[[str], str]) -> None:
        self._store = store
        self._new_guid = new_guid

    async def note(self, drift: Drift) -> None:
        """Keep an event of a drift, with a delivery for each webhook that wants it."""
        guid = self._new_guid("event")

        def change(tx: Transaction) -> None:
            deployment = tx.deployments.get(drift.project_guid, "", guid=drift.deployment_guid)
            if deployment is None or deployment.deleted_at is not None:
                return
            facts = {"subject": drift.subject, "change": drift.change, "culprit": drift.culprit}
            tx.events.add(
                Event(
                    guid,
                    deployment.project_guid,
                    EventKind.DRIFTED,
                    at=drift.at,
                    subject_guid=deployment.guid,
                    subject_name=deployment.name,
                    facts={name: text for name, text in facts.items() if text},
                )
            )

        await self._store.write(change)
