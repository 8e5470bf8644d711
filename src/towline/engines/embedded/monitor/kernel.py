"""The few system calls that Python 3.11 has no function for: mounts, namespaces, process control.

Facts: mount(2), unshare(2), prctl(2). Errors are raised as OSError with the call's name and target.
"""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUSER = 0x1000_0000

MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_BIND = 0x1000
MS_REC = 0x4000
MS_SLAVE = 0x8_0000

_MNT_DETACH = 0x2
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Leave the namespaces that ``flags`` name for new ones."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, *, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system; without a ``kind`` bind a folder, or change how a mount propagates."""
    result = _libc.mount(
        source.encode(),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        options.encode() or None,
    )
    what = kind or ("bind" if flags & MS_BIND else "propagation")
    _check(result, f"mount {what}", target)


def unmount(target: str) -> None:
    """Take a mount out of this namespace, be it busy or not."""
    _check(_libc.umount2(os.fsencode(target), ctypes.c_int(_MNT_DETACH)), "umount", target)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, as init is for all others."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def forbid_dumps() -> None:
    """Let nobody without privilege trace this process or read its memory, and let it leave no core."""
    _prctl(_PR_SET_DUMPABLE, 0)


def name_process(name: str) -> None:
    """Show ``name`` (15 characters at most) in process lists."""
    _check(_libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0), "prctl")


def _prctl(option: int, value: int) -> None:
    arguments = (ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
    _check(_libc.prctl(ctypes.c_int(option), *arguments), "prctl")


def _check(result: int, call: str, target: str = "") -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}", target or None)
