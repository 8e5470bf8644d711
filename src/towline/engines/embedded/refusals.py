"""Making the error of an image that cannot be had here."""

from __future__ import annotations

import errno

from towline.domain.causes import FindingCode
from towline.domain.errors import PullRefused
from towline.domain.findings import Finding

_NOT_PULLED = "DEP_E153"
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


def refused(code: FindingCode, detail: str) -> PullRefused:
    """Return the error that carries a finding of this code; to clients it is a pull that failed."""
    return PullRefused(Finding(code, detail=detail, wire_code=_NOT_PULLED))


def unwritten(error: OSError, *, what: str) -> PullRefused:
    """Return the error for what could not be written to the store."""
    code = FindingCode.DISK_FULL if error.errno in _NO_ROOM else FindingCode.ENGINE_ERROR
    return refused(code, f"{what} could not be stored: {error.strerror or error}")
