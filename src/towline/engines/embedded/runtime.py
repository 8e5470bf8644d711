"""Finding the OCI runtime that runs the containers, and knowing whether it may be trusted to.

``runc`` is a security boundary with a history. CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881 (container
escapes by exchanged mount targets) are fixed in runc 1.2.8, 1.3.3 and 1.4.0, and in crun 1.25; distributions
patch older versions, which their changelogs tell.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.errors import EngineFailed
from towline.domain.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAMS = ("runc", "crun")
ADVISORIES = ("CVE-2025-31133", "CVE-2025-52565", "CVE-2025-52881")

_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_VERSION = re.compile(r"\b(\d+)\.(\d+)(?:\.(\d+))?")
_CHANGELOGS = Path("/usr/share/doc")
_REMEDY = (
    "Install runc from the distribution: apt-get install runc (Debian, Ubuntu) or dnf install runc (Fedora)."
)

Version = tuple[int, int, int]


class Patched(StrEnum):
    """Whether the advisories are dealt with."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    """The version is an old one, and nothing on this machine tells what the distribution did to it."""


@dataclass(frozen=True, slots=True)
class RuntimeProgram:
    """An OCI runtime on this machine."""

    path: Path
    name: str
    version: str
    patched: Patched


async def find(search_path: str) -> RuntimeProgram:
    """Return the first runtime that runs here; raise EngineFailed with the remedy if there is none."""
    for name in PROGRAMS:
        where = shutil.which(name, path=f"{search_path}:{_SEARCH_PATH}")
        if where is not None and (said := await _version_of(where)) is not None:
            return RuntimeProgram(Path(where), name, said, patched(name, said, changelog=_changelog(name)))
    raise EngineFailed(
        Finding(
            FindingCode.ENGINE_UNREACHABLE,
            detail="no OCI runtime (runc or crun) is installed on this machine",
            fix_hint=_REMEDY,
        )
    )


def patched(name: str, version: str, *, changelog: str) -> Patched:
    """Return whether a runtime of that version, with that package changelog, has the fixes."""
    number = _number(version)
    if number is not None and _is_fixed(name, number):
        return Patched.YES
    if all(advisory in changelog for advisory in ADVISORIES):
        return Patched.YES
    return Patched.NO if changelog else Patched.UNKNOWN


def _is_fixed(name: str, number: Version) -> bool:
    if name == "crun":
        return number >= (1, 25, 0)
    least: Mapping[tuple[int, int], int] = {(1, 2): 8, (1, 3): 3}
    return number >= (1, 4, 0) or number[2] >= least.get(number[:2], number[2] + 1)


def _number(version: str) -> Version | None:
    found = _VERSION.search(version)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


async def _version_of(program: str) -> str | None:
    """Return the version that a program states; None when it does not run on this machine."""
    process = await asyncio.create_subprocess_exec(
        program,
        "--version",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    said, _ = await process.communicate()
    first = said.decode(errors="replace").partition("\n")[0].strip()
    return first.rpartition(" ")[2] if process.returncode == 0 and first else None


def _changelog(name: str) -> str:
    """Return the distribution's changelog of a runtime's package, "" where none is installed."""
    path = _CHANGELOGS / name / "changelog.Debian.gz"
    if not path.exists():
        return ""
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
        return file.read()
