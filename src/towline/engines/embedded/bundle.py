"""The OCI runtime configuration of a container, as a pure function.

Spec: opencontainers/runtime-spec ``config.md`` and ``config-linux.md``. What a container gets is what
Docker gives one by default: fourteen capabilities, no new privileges, a system call filter, masked kernel
files, namespaces of its own for processes, mounts, names and IPC; but the host's network. Command and
entrypoint follow Kubernetes' rules. The result holds the environment's secret values: it goes to the
monitor's standard input and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.errors import EngineFailed
from towline.domain.findings import Finding
from towline.engines.embedded import seccomp
from towline.engines.embedded.monitor.volumes import FOLDER

if TYPE_CHECKING:
    from towline.domain.package import Limits
    from towline.domain.workload import WorkloadExecutable
    from towline.engines.embedded.images import ImageConfig
    from towline.engines.identity import Identity

Json = Mapping[str, object]

CAPABILITIES = (
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
)
"""Docker's default set without NET_RAW: on the host's own network it would show other programs' traffic."""

MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READ_ONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CPU_PERIOD = 100_000
MOST_PROCESSES = 4096
MOST_OPEN_FILES = 65_536

_NO_EXTRAS = ["nosuid", "noexec", "nodev"]


@dataclass(frozen=True, slots=True)
class Host:
    """What the machine is and allows.

    ``architecture`` is in an image's words, ``open_files`` the limit of open files; ``user_namespace`` says
    that containers run in a normal user's namespace, ``id_range`` that it knows other ids than 0.
    """

    architecture: str
    user_namespace: bool
    open_files: int
    id_range: bool = True
    limits_swap: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """How the container is called: to the runtime, to itself, and the folder its bundle is in."""

    container: str
    hostname: str
    bundle: str


def configuration(
    executable: WorkloadExecutable,
    image: ImageConfig,
    *,
    identity: Identity,
    names: Names,
    host: Host,
) -> Json:
    """Return the runtime's ``config.json``; raise EngineFailed when there is no command to run."""
    return {
        "ociVersion": "1.0.2",
        "root": {"path": "rootfs", "readonly": False},
        "hostname": names.hostname,
        "process": _process(executable, image, identity=identity, names=names, host=host),
        "mounts": [*_kernel_mounts(host), *_name_files(names), *_disks(executable, names)],
        "linux": _linux(executable.limits, names=names, host=host),
    }


def command_line(executable: WorkloadExecutable, image: ImageConfig) -> tuple[str, ...]:
    """Return what is executed: a given entrypoint drops the image's command, a given command replaces
    the image's command only.
    """
    entrypoint = executable.entrypoint or image.entrypoint
    command = executable.command or (() if executable.entrypoint else image.cmd)
    return (*entrypoint, *command)


def environment(executable: WorkloadExecutable, image: ImageConfig, *, hostname: str) -> Mapping[str, str]:
    """Return the image's variables with the executable's over them. Holds secret values."""
    merged = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname}
    merged.update(image.environment)
    merged.update({name: value.reveal() for name, value in executable.environment.items()})
    return merged


def _process(
    executable: WorkloadExecutable, image: ImageConfig, *, identity: Identity, names: Names, host: Host
) -> Json:
    arguments = command_line(executable, image)
    if not arguments:
        raise EngineFailed(_nothing_to_run(executable))
    variables = {"HOME": identity.home, **environment(executable, image, hostname=names.hostname)}
    return {
        "terminal": False,
        "user": {"uid": identity.uid, "gid": identity.gid, "additionalGids": list(identity.groups)},
        "args": list(arguments),
        "env": [f"{name}={value}" for name, value in variables.items()],
        "cwd": image.working_dir or "/",
        "capabilities": _capabilities(is_root=identity.uid == 0),
        "rlimits": _rlimits(host),
        "noNewPrivileges": True,
        **({} if host.user_namespace else {"oomScoreAdj": 0}),
    }


def _nothing_to_run(executable: WorkloadExecutable) -> Finding:
    return Finding(
        FindingCode.COMMAND_NOT_FOUND,
        detail="neither the image nor the package names a command",
        image=str(executable.image),
        executable=executable.name,
    )


def _capabilities(*, is_root: bool) -> Json:
    """Root may use all of the list at once; others gain one only from a file, which no_new_privs forbids."""
    usable = list(CAPABILITIES) if is_root else []
    return {
        "bounding": list(CAPABILITIES),
        "effective": usable,
        "permitted": usable,
        "inheritable": [],
        "ambient": [],
    }


def _rlimits(host: Host) -> Sequence[Json]:
    open_files = min(host.open_files, MOST_OPEN_FILES)
    return [
        {"type": "RLIMIT_NOFILE", "soft": open_files, "hard": open_files},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
    ]


def _kernel_mounts(host: Host) -> Sequence[Json]:
    terminals = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
    mounts = [
        _mount("/proc", "proc", _NO_EXTRAS),
        _mount("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        _mount("/dev/pts", "devpts", [*terminals, *(["gid=5"] if host.id_range else [])]),
        _mount("/dev/shm", "tmpfs", [*_NO_EXTRAS, "mode=1777", "size=65536k"], source="shm"),  # noqa: S108 - a container's own
        _mount("/dev/mqueue", "mqueue", _NO_EXTRAS),
    ]
    if host.user_namespace:  # the kernel gives a user namespace no sysfs of its own without a network
        return [*mounts, _mount("/sys", "none", ["rbind", *_NO_EXTRAS, "ro"], source="/sys")]
    return [
        *mounts,
        _mount("/sys", "sysfs", [*_NO_EXTRAS, "ro"]),
        _mount("/sys/fs/cgroup", "cgroup", [*_NO_EXTRAS, "relatime", "ro"]),
    ]


def _name_files(names: Names) -> Sequence[Json]:
    """Return mounts of name service files; the runtime resolves targets inside the root file system."""
    return [
        _mount(f"/etc/{file}", "bind", ["bind", *_NO_EXTRAS, "ro"], source=f"{names.bundle}/{file}")
        for file in ("hosts", "resolv.conf")
    ]


def _disks(executable: WorkloadExecutable, names: Names) -> Sequence[Json]:
    """Return mounts of the disks, which the monitor has bound into the bundle by then."""
    return [
        _mount(mount.path, "bind", ["bind", "nosuid", "nodev"], source=f"{names.bundle}/{FOLDER}/{number}")
        for number, mount in enumerate(executable.mounts)
    ]


def _mount(target: str, kind: str, options: Sequence[str], *, source: str = "") -> Json:
    return {"destination": target, "type": kind, "source": source or kind, "options": list(options)}


def _linux(limits: Limits, *, names: Names, host: Host) -> Json:
    kinds = ["pid", "ipc", "uts", "mount"]
    masked = list(MASKED_PATHS)
    common: Json = {
        "readonlyPaths": list(READ_ONLY_PATHS),
        "seccomp": seccomp.profile(host.architecture),
    }
    if host.user_namespace:
        return {**common, "namespaces": _namespaces(kinds), "maskedPaths": [*masked, "/sys/fs/cgroup"]}
    return {
        **common,
        "namespaces": _namespaces([*kinds, "cgroup"]),
        "maskedPaths": masked,
        "cgroupsPath": f"/towline/{names.container}",
        "resources": _resources(limits, host=host),
    }


def _namespaces(kinds: Sequence[str]) -> Sequence[Json]:
    return [{"type": kind} for kind in kinds]


def _resources(limits: Limits, *, host: Host) -> Json:
    """Devices: none but those that the runtime itself always allows."""
    resources: dict[str, object] = {
        "devices": [{"allow": False, "access": "rwm"}],
        "pids": {"limit": MOST_PROCESSES},
    }
    if limits.memory is not None:
        size = limits.memory << 20
        resources["memory"] = {"limit": size, **({"swap": size} if host.limits_swap else {})}
    if limits.cpu is not None:
        resources["cpu"] = {"quota": max(1000, int(limits.cpu * CPU_PERIOD)), "period": CPU_PERIOD}
    return resources
