"""What the tests of this folder begin with."""

from __future__ import annotations

from typing import Any

from towline.domain.image import ImageReference
from towline.domain.registry import RegistrySettings
from towline.domain.workload import PullAccess, WorkloadExecutable


def executable(**changes: Any) -> WorkloadExecutable:
    """Return an executable with nothing set but what ``changes`` say."""
    image = ImageReference.parse("registry.test/app:1")
    return WorkloadExecutable("main", image, PullAccess(RegistrySettings.default("registry.test")), **changes)
