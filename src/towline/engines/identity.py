"""As whom a container's process runs: an image's USER, looked up in the image's own files.

Rules as docker's: ``user``, ``uid``, ``user:group``, ``uid:gid``; numbers need no entry. The files are read
through the unpacked layers without ever following a link out of the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.errors import EngineFailed
from towline.domain.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LARGEST_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Identity:
    """User, group and supplementary groups by number, and where the user's home is."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    home: str = "/"


def identify(
    user: str, *, passwd: str, group: str, uid: int | None = None, gid: int | None = None
) -> Identity:
    """Return whom an image's ``user`` means; ``uid`` and ``gid`` of a package stand above it.

    Raises EngineFailed when it names a user or group that the image does not have.
    """
    wanted_user, _, wanted_group = user.partition(":")
    wanted_user = str(uid) if uid is not None else wanted_user or "0"
    if uid is not None:
        wanted_group = ""
    wanted_group = str(gid) if gid is not None else wanted_group
    name, number, primary, home = _user(wanted_user, passwd)
    if wanted_group:
        return Identity(number, _group(wanted_group, group), home=home)
    return Identity(number, primary, groups=_memberships(name, group, but=primary), home=home)


def _user(wanted: str, passwd: str) -> tuple[str, int, int, str]:
    """Return name, uid, gid and home."""
    for fields in _entries(passwd, length=6):
        if (wanted in (fields[0], fields[2])) and fields[2].isdigit() and fields[3].isdigit():
            return fields[0], int(fields[2]), int(fields[3]), fields[5] or "/"
    return "", _number(wanted, what="user", file="/etc/passwd"), 0, "/"


def _group(wanted: str, group: str) -> int:
    for fields in _entries(group, length=3):
        if wanted in (fields[0], fields[2]) and fields[2].isdigit():
            return int(fields[2])
    return _number(wanted, what="group", file="/etc/group")


def _memberships(name: str, group: str, *, but: int) -> tuple[int, ...]:
    if not name:
        return ()
    found = {
        int(fields[2])
        for fields in _entries(group, length=4)
        if fields[2].isdigit() and name in fields[3].split(",")
    }
    return tuple(sorted(found - {but}))


def _entries(text: str, *, length: int) -> Iterator[Sequence[str]]:
    for line in text.splitlines():
        fields = line.strip().split(":")
        if len(fields) >= length and not line.startswith("#"):
            yield fields


def _number(wanted: str, *, what: str, file: str) -> int:
    if wanted.isascii() and wanted.isdigit() and int(wanted) <= _LARGEST_ID:
        return int(wanted)
    raise EngineFailed(
        Finding(
            FindingCode.ENGINE_ERROR,
            detail=f"the image has no {what} {wanted[:80]!r} in its {file}",
            fix_hint="Correct USER in the image, or set user and group as numbers in the package.",
        )
    )
