"""How a pull goes on: bytes of each layer, and from two looks at them the speed and what is left."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towline.domain.deployment import DeploymentStatus, LayerProgress
    from towline.ports import Clock

SPAN = 8
"""The looks over which the speed is taken."""


@dataclass(frozen=True, slots=True)
class Pull:
    """The layers of one executable's image; ``speed`` in bytes a second, 0 while it is not known."""

    layers: Sequence[LayerProgress]
    speed: float = 0.0

    @property
    def size(self) -> int:
        """All layers' bytes."""
        return sum(layer.size for layer in self.layers)

    @property
    def received(self) -> int:
        """The bytes that are here."""
        return sum(layer.received for layer in self.layers)

    @property
    def is_done(self) -> bool:
        """Whether all layers are unpacked."""
        return all(layer.unpacked for layer in self.layers)

    @property
    def left(self) -> str:
        """How long it takes on, in words; empty while the speed is not known."""
        if not self.speed or self.received >= self.size:
            return ""
        seconds = round((self.size - self.received) / self.speed)
        if seconds < 60:
            return f"about {max(seconds, 1)} s left"
        minutes, seconds = divmod(seconds, 60)
        return f"about {minutes} min {seconds:02} s left"


class Pace:
    """Remembers how many bytes were here when, for one page that is open."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[str, deque[tuple[datetime, int]]] = {}

    def speed(self, name: str, received: int) -> float:
        """Note what is here now and return the bytes a second since the oldest look that is remembered."""
        looks = self._seen.setdefault(name, deque(maxlen=SPAN))
        now = self._clock()
        if looks and received < looks[-1][1]:
            looks.clear()
        looks.append((now, received))
        then, before = looks[0]
        seconds = (now - then).total_seconds()
        return (received - before) / seconds if seconds > 0 else 0.0


def pulls_of(status: DeploymentStatus, pace: Pace) -> Mapping[str, Pull]:
    """Return the pulls by executable, those with layers to tell of."""
    pulls = {run.name: Pull(run.layers) for run in status.executables if run.layers}
    return {name: Pull(pull.layers, pace.speed(name, pull.received)) for name, pull in pulls.items()}
