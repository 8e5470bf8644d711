"""Workloads for tests of the Kubernetes engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from towline.domain.credential import Credential, Password
from towline.domain.image import ImageReference
from towline.domain.registry import RegistrySettings
from towline.domain.workload import PullAccess, Workload, WorkloadExecutable

GUID = "dep-abcdefghijklmnopqrstuvwx"
REGISTRY = "registry.example.com"
DIGEST = "sha256:" + "1" * 64
FOREVER = ("/bin/sh", "-c", "exec sleep 1000")
LOGIN = Credential("robot", Password("s3cret:wörd"))


def executable(name: str = "main", *, login: Credential | None = LOGIN, **changes: Any) -> WorkloadExecutable:
    """Return an executable of a private image."""
    image = ImageReference.parse(changes.pop("image", f"{REGISTRY}/team/app:1")).pinned(DIGEST)
    access = PullAccess(RegistrySettings.default(image.registry), login)
    return replace(WorkloadExecutable(name, image, access, entrypoint=FOREVER), **changes)


def workload(*executables: WorkloadExecutable, **changes: Any) -> Workload:
    """Return a workload."""
    made = Workload(
        GUID,
        "shop",
        project_guid="project-zyxwvutsrqponmlkjihgfedc",
        generation=1,
        executables=executables or (executable(),),
        stop_seconds=0,
    )
    return replace(made, **changes)
