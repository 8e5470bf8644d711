"""Quantities as Kubernetes writes them: ``500m``, ``512Mi``, ``10Gi``, ``1e3``.

Facts: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from decimal import Decimal

_QUANTITY = re.compile(r"([+-]?[0-9.]+)(?:(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?|[eE]([+-]?[0-9]+))")
_UNITS = {unit: Decimal(1000) ** power for power, unit in enumerate(("n", "u", "m", "", "k", *"MGTPE"), -3)}
_UNITS |= {f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)}


def amount(quantity: str) -> Decimal:
    """Return a quantity as a number; raise ValueError for a text that is none."""
    found = _QUANTITY.fullmatch(quantity)
    if found is None:
        raise ValueError(f"{quantity!r} is no quantity")
    digits, unit, exponent = found.groups()
    return Decimal(digits) * (Decimal(10) ** int(exponent) if exponent else _UNITS[unit or ""])
