"""Entering namespaces: a mount namespace as root, a user namespace and one in it as a normal user.

In the user namespace a normal user is root over a range of ids: itself as 0, and from 1 on the range that
/etc/subuid and /etc/subgid grant it, which the setuid programs newuidmap and newgidmap set up. Without
these there is only id 0. Facts: user_namespaces(7), newuidmap(1), subuid(5).
"""

from __future__ import annotations

import os
import pwd
from typing import NamedTuple

from towline.engines.embedded.monitor import kernel

_PROGRAMS = ("/usr/bin", "/bin", "/usr/local/bin", "/sbin", "/usr/sbin")


class Range(NamedTuple):
    """Ids of the host that belong to a user."""

    start: int
    length: int


class Grant(NamedTuple):
    """What a user may map besides itself, and the programs that do it."""

    users: Range
    groups: Range
    newuidmap: str
    newgidmap: str


def enter_mount_namespace() -> None:
    """Keep further mounts to this process; what the host mounts and unmounts is still followed."""
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_SLAVE)


def enter_user_namespace(grant: Grant | None) -> None:
    """Become root in a user namespace of this process's own, with mounts of its own.

    Raises OSError when this machine does not allow it.
    """
    uid, gid = os.getuid(), os.getgid()
    if grant is None:
        kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
        _map_only(uid, gid)
    else:
        _unshare_mapped(grant, uid=uid, gid=gid)
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_SLAVE)


def granted() -> Grant | None:
    """Return what this process's user may map; None when that is nothing or there are no programs for it."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # newuidmap refuses whom it cannot name
        return None
    users, groups = _range("/etc/subuid", name), _range("/etc/subgid", name)
    newuidmap, newgidmap = _program("newuidmap"), _program("newgidmap")
    if users is None or groups is None or not newuidmap or not newgidmap:
        return None
    return Grant(users, groups, newuidmap=newuidmap, newgidmap=newgidmap)


def _map_only(uid: int, gid: int) -> None:
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"0 {uid} 1")
    _write("/proc/self/gid_map", f"0 {gid} 1")


def _unshare_mapped(grant: Grant, *, uid: int, gid: int) -> None:
    """Leave the user namespace, and have a child that stayed behind map the ids."""
    pid = os.getpid()
    outside, gone = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(gone)
        os.read(outside, 1)
        os._exit(_map_all(grant, pid=pid, uid=uid, gid=gid))
    os.close(outside)
    try:
        kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
    finally:
        os.close(gone)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code != 0:
        raise PermissionError(f"newuidmap or newgidmap refused the range of ids ({code})")


def _map_all(grant: Grant, *, pid: int, uid: int, gid: int) -> int:
    for program, own, others in (
        (grant.newuidmap, uid, grant.users),
        (grant.newgidmap, gid, grant.groups),
    ):
        numbers = (pid, 0, own, 1, 1, others.start, others.length)
        mapper = os.posix_spawn(program, [program, *map(str, numbers)], {})
        code = os.waitstatus_to_exitcode(os.waitpid(mapper, 0)[1])
        if code != 0:
            return 1
    return 0


def _range(path: str, name: str) -> Range | None:
    """Return the first range that a file grants to a user, by name or number."""
    try:
        with open(path, encoding="utf-8") as file:
            entries = [line.strip().split(":") for line in file]
    except FileNotFoundError:
        return None
    for entry in entries:
        if len(entry) == 3 and entry[0] in (name, str(os.getuid())):
            return Range(int(entry[1]), int(entry[2]))
    return None


def _program(name: str) -> str:
    return next((path for folder in _PROGRAMS if os.access(path := f"{folder}/{name}", os.X_OK)), "")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
