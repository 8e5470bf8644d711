"""What events told about one pod, folded: enough to judge by, so that no event need be kept.

The same event grows by MODIFIED with its count and is rate-limited; the scheduler's have no count at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from towline.engines.kubernetes import texts

if TYPE_CHECKING:
    from towline.engines.kubernetes.seen import SeenEvent


AT_ONCE = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Kill:
    """A probe that failed, or that a kubelet ended a container for one."""

    at: datetime | None
    said: str


@dataclass(frozen=True, slots=True)
class Signs:
    """Counts by event name, so that a repeated event counts once; the newest texts by container.

    ``secretless`` are attempts without the pull secret, ``pulls`` failed pulls, ``pull_text`` the
    newest of those. ``probe`` is the newest failed probe, ``kills`` the newest end for one. ``pulling``
    are containers whose pull neither failed nor succeeded yet, ``trouble`` is the newest other warning.
    """

    secretless: Mapping[str, int] = field(default_factory=dict)
    pulls: Mapping[str, int] = field(default_factory=dict)
    pull_text: Mapping[str, str] = field(default_factory=dict)
    probe: Mapping[str, Kill] = field(default_factory=dict)
    kills: Mapping[str, Kill] = field(default_factory=dict)
    pulling: frozenset[str] = frozenset()
    trouble: str = ""

    def noting(self, event: SeenEvent) -> Self:  # noqa: PLR0911  (one line a reason)
        """Return the signs with one more event; one that is about nothing here changes nothing."""
        container = _container(event)
        count = max(event.count or 1, 1)
        match event.reason:
            case "FailedToRetrieveImagePullSecret":
                return replace(self, secretless={**self.secretless, event.metadata.name: count})
            case "Failed" if texts.is_about_pulling(event.message):
                return replace(
                    self,
                    pulls={**self.pulls, f"{container} {event.metadata.name}": count},
                    pull_text={**self.pull_text, container: event.message},
                    pulling=self.pulling - {container},
                )
            case "Pulling":
                return replace(self, pulling=self.pulling | {container})
            case "Pulled":
                return replace(self, pulling=self.pulling - {container})
            case "Unhealthy":
                failed = Kill(event.last_timestamp, texts.shown(event.message))
                return replace(self, probe={**self.probe, container: failed})
            case "Killing" if "probe" in event.message or self._is_for_a_probe(container, event):
                kill = Kill(event.last_timestamp, texts.shown(event.message))
                return replace(self, kills={**self.kills, container: kill})
            case "FailedMount" | "FailedAttachVolume" | "FailedCreatePodSandBox" | "NetworkNotReady":
                return replace(self, trouble=texts.shown(event.message))
            case _:
                return self

    def said_of_probe(self, container: str) -> str:
        """Return what was said of the newest failed probe; empty where none failed."""
        failed = self.probe.get(container)
        return failed.said if failed is not None else ""

    def _is_for_a_probe(self, container: str, event: SeenEvent) -> bool:
        """Whether a container is ended right after its liveness probe failed.

        Where it is not to be started again, the kubelet ends the whole pod, and says no more than that.
        """
        failed = self.probe.get(container)
        if failed is None or failed.at is None or event.last_timestamp is None:
            return False
        return failed.said.startswith("Liveness") and event.last_timestamp - failed.at <= AT_ONCE

    def times_secretless(self) -> int:
        """Return how often a pull was tried without the pull secret."""
        return sum(self.secretless.values())

    def failed_pulls(self, container: str) -> int:
        """Return how often the container's image was not pulled."""
        return sum(count for key, count in self.pulls.items() if key.partition(" ")[0] == container)


def _container(event: SeenEvent) -> str:
    """Return the container in ``spec.containers{app}``."""
    return event.involved_object.field_path.partition("{")[2].rstrip("}")
