"""Finding the OCI runtime that runs the containers, and knowing whether it may be trusted to.

``runc`` is a security boundary with a history. CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881 (container
escapes by exchanged mount targets) are fixed in runc 1.2.8, 1.3.3 and 1.4.0-rc.3; distributions patch older
versions, which their changelogs tell. Of crun nothing is assumed.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import structlog

from towline.domain.causes import FindingCode
from towline.domain.errors import EngineFailed
from towline.domain.findings import Finding
from towline.engines.embedded.sweeping import namespace_refusal

PROGRAMS = ("runc", "crun")
ADVISORIES = ("CVE-2025-31133", "CVE-2025-52565", "CVE-2025-52881")

_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:-rc\.?(\d+))?")
_FIRST_FIXED = {(1, 2): 8, (1, 3): 3}
_FINAL = 1_000
"""Stands above every release candidate."""
_CHANGELOGS = Path("/usr/share/doc")
_REMEDY = (
    "Install runc from the distribution: apt-get install runc (Debian, Ubuntu) or dnf install runc (Fedora)."
)


_USERNS_REMEDY = (
    "Run towline as root, or allow user namespaces: sysctl user.max_user_namespaces=10000, and on Ubuntu "
    "sysctl kernel.apparmor_restrict_unprivileged_userns=0."
)

log = structlog.get_logger("towline.engine.embedded")


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


class Runtime:
    """The runtime of this machine, looked for until there is one."""

    def __init__(self, search_path: str) -> None:
        self._search_path = search_path
        self._program: RuntimeProgram | None = None
        self._refusal = ""

    async def look_around(self, scratch: Path | None) -> str:
        """Say in the log what this machine offers; return the runtime's path, "" where there is none yet.

        A normal user gives ``scratch``, a folder in which to try what its containers need.
        """
        if scratch is not None:
            self._refusal = await namespace_refusal(scratch)
            _report_user(self._refusal)
        try:
            return str((await self.program()).path)
        except EngineFailed as failure:
            log.error("runtime.unusable", reason=failure.finding.detail, remedy=failure.finding.fix)  # noqa: TRY400 - the reason is all there is to say
            return ""

    async def program(self) -> RuntimeProgram:
        """Return what runs containers; raise EngineFailed with the remedy when nothing can."""
        if self._refusal:
            raise EngineFailed(_no_user_namespace(self._refusal))
        if self._program is None or not self._program.path.exists():
            self._program = await find(self._search_path)
            _report(self._program)
        return self._program


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
    if name == "runc" and _is_fixed(version):
        return Patched.YES
    if all(advisory in changelog for advisory in ADVISORIES):
        return Patched.YES
    return Patched.NO if changelog else Patched.UNKNOWN


def _is_fixed(version: str) -> bool:
    found = _VERSION.match(version)
    if found is None:
        return False
    major, minor, patch = int(found[1]), int(found[2]), int(found[3])
    candidate = int(found[4]) if found[4] else _FINAL
    if (major, minor) in _FIRST_FIXED:
        return patch >= _FIRST_FIXED[major, minor]
    return (major, minor, patch, candidate) >= (1, 4, 0, 3)


def _report(program: RuntimeProgram) -> None:
    """Say what runs the containers, louder when known holes may be open in it."""
    say = log.info if program.patched is Patched.YES else log.warning
    say(
        "runtime.found",
        runtime=program.name,
        version=program.version,
        patched=program.patched.value,
        advisories=ADVISORIES,
    )


def _report_user(refusal: str) -> None:
    if refusal:
        log.error("userns.refused", reason=refusal, remedy=_USERNS_REMEDY)
    else:
        log.warning("limits.not_enforced", reason="a normal user's containers have no control groups here")


def _no_user_namespace(reason: str) -> Finding:
    detail = f"this machine does not let a normal user run containers: {reason}"
    return Finding(FindingCode.ENGINE_UNREACHABLE, detail=detail, fix_hint=_USERNS_REMEDY)


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
