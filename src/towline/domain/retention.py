"""How long what is over is kept. The reference page is made from this table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

PROOFS_OF_A_PAIR = 200
"""How many proofs of one secret and image are kept: at four a day, seven weeks."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long rows stay once they are only history; ``events_most`` is how many events of one project."""

    deployments: timedelta = timedelta(days=30)
    events: timedelta = timedelta(days=90)
    proofs: timedelta = timedelta(days=90)
    events_most: int = 10_000
