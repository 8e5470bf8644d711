"""Shutting this process into a folder: after ``confine`` there is no other file system for it.

Facts: chroot(2), capabilities(7), prctl(2), setrlimit(2).
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from typing import TYPE_CHECKING

from towline.engines.embedded.monitor import namespaces

if TYPE_CHECKING:
    from towline.engines.embedded.unpack.order import Order

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x2008_0522
_CHOWN, _DAC_OVERRIDE, _FOWNER, _FSETID = 0, 1, 3, 4
_KEPT = 1 << _CHOWN | 1 << _DAC_OVERRIDE | 1 << _FOWNER | 1 << _FSETID
_OPEN_FILES = 1024

_libc = ctypes.CDLL(None, use_errno=True)


def confine(order: Order) -> bool:
    """Leave this process nothing but the target folder, files that are open, and what writing there takes.

    Return whether files can be given to other owners than this process's own.
    """
    parent = os.getppid()
    can_give = True
    if order.user_namespace:
        grant = namespaces.granted()
        namespaces.enter_user_namespace(grant)
        can_give = grant is not None
    os.chroot(order.target)
    os.chdir("/")
    os.umask(0)
    _limit(order)
    _drop_capabilities()
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above, so nobody waits for this layer
        raise ChildProcessError("the engine has gone")
    return can_give


def _limit(order: Order) -> None:
    limits = order.limits
    for kind, most in (
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_FSIZE, limits.room(order.blob_size)),
        (resource.RLIMIT_CPU, limits.seconds),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (allowed, hard))


def _drop_capabilities() -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    effective_permitted_inheritable = (ctypes.c_uint32 * 6)(_KEPT, _KEPT, 0, 0, 0, 0)
    if _libc.capset(header, effective_permitted_inheritable) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"capset: {os.strerror(number)}")


def _prctl(option: int, value: int) -> None:
    arguments = (ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
    if _libc.prctl(ctypes.c_int(option), *arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl: {os.strerror(number)}")
