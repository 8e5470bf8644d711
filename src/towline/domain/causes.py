"""The table of causes: every way in which a deployment can fail, one row each.

The page ``docs/reference/findings.md`` is generated from this table. A cause's code travels beside
rapyuta.io's error code (``DEP_E153`` stays in ``error_codes``).
"""

from __future__ import annotations

from towline.domain.cause import Cause, FindingCode, Remedy
from towline.domain.causes_of_minting import MINTING
from towline.domain.causes_of_pulls import CREDENTIALS, IMAGES, REGISTRIES
from towline.domain.causes_of_runs import RUNS

CAUSES: dict[FindingCode, Cause] = {**CREDENTIALS, **MINTING, **IMAGES, **REGISTRIES, **RUNS}

__all__ = ["CAUSES", "Cause", "FindingCode", "Remedy"]
