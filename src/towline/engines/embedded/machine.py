"""What this machine is and allows, found out once when the engine is made."""

from __future__ import annotations

import os
import platform as python_platform
import resource
from pathlib import Path

from towline.domain.proof import Platform
from towline.engines.embedded.bundle import Host
from towline.engines.embedded.monitor import namespaces

_ARCHITECTURES = {
    "x86_64": Platform("linux", "amd64"),
    "aarch64": Platform("linux", "arm64", "v8"),
    "armv7l": Platform("linux", "arm", "v7"),
    "armv6l": Platform("linux", "arm", "v6"),
    "i686": Platform("linux", "386"),
    "riscv64": Platform("linux", "riscv64"),
    "ppc64le": Platform("linux", "ppc64le"),
    "s390x": Platform("linux", "s390x"),
}
_SWAP_FILES = (
    Path("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes"),
    Path("/sys/fs/cgroup/system.slice/memory.swap.max"),
)


def platform() -> Platform:
    """Return this machine's platform in the words of image indexes."""
    machine = python_platform.machine()
    return _ARCHITECTURES.get(machine, Platform("linux", machine))


def host() -> Host:
    """Return what containers can be given here, by this process's user."""
    is_user = os.geteuid() != 0
    return Host(
        platform().architecture,
        user_namespace=is_user,
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        id_range=not is_user or namespaces.granted() is not None,
        limits_swap=any(path.exists() for path in _SWAP_FILES),
    )
