"""The part of the installation that one reconciler has in hand: a condition on ``machine`` and ``engine``."""

from __future__ import annotations

from towline.ports import Part
from towline.store.rows.codec import listed

OF_ENGINES = "(:only = '' OR engine = :only) AND NOT engine IN (SELECT value FROM json_each(:but))"


def part_named(part: Part) -> dict[str, object]:
    """Return the parameters ``machine``, ``only`` and ``but``."""
    return {"machine": part.machine, "only": part.engine, "but": listed(part.but)}
