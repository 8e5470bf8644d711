"""A finding: a cause that was met, and what was seen this time."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from towline.domain.causes import CAUSES, Cause, FindingCode
from towline.domain.provider_pages import command_of, page_of


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, or why there was none: a line of evidence. Holds no credential.

    ``origin`` is ``scheme://host[:port]``, ``path`` is without query; ``error`` is the registry's own
    error code or a cleaned short text; ``sent`` names the kind of authorization, never its value.
    """

    method: str
    origin: str
    path: str
    sent: str = "none"
    status: int | None = None
    error: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    milliseconds: int = 0

    def __str__(self) -> str:
        outcome = str(self.status) if self.status is not None else "no answer"
        error = f" {self.error}" if self.error else ""
        return f"{self.method} {self.origin}{self.path} (authorization: {self.sent}) -> {outcome}{error}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause that was met: the row of the table, and what was seen this time."""

    code: FindingCode
    detail: str = ""
    evidence: tuple[Exchange, ...] = ()
    image: str = ""
    executable: str = ""
    fix_hint: str = ""
    wire_code: str = ""
    checked_at: datetime | None = None
    secret: str = ""
    provider: str = ""
    likely_here: tuple[str, ...] = ()
    platform: str = ""

    @property
    def cause(self) -> Cause:
        """The row of the table."""
        return CAUSES[self.code]

    @property
    def error_code(self) -> str:
        """rapyuta.io's error code: the one of this case where it has its own, else the row's."""
        return self.wire_code or self.cause.error_code

    @property
    def title(self) -> str:
        """The cause in words that a newcomer understands."""
        return self.cause.title

    @property
    def fix(self) -> str:
        """What to do: the hint for this case where there is one, else the row's."""
        return self.fix_hint or self.cause.fix

    @property
    def likely(self) -> tuple[str, ...]:
        """What is usually behind it, the likeliest first: what was found out this time, else the row's."""
        return self.likely_here or self.cause.likely

    @property
    def command(self) -> str:
        """The fix as a command line, empty where there is none; capitals stand for what is not known here."""
        host = self._host
        known = {
            "secret": self.secret or "SECRET",
            "image": self.image or "IMAGE",
            "host": host or "HOST",
            "platform": self.platform or "linux/amd64",
        }
        command = command_of(self.provider, self.code, host=host) or self.cause.command
        return command.format_map({name: shlex.quote(text) for name, text in known.items()})

    @property
    def _host(self) -> str:
        """The registry's host and port: the one that was asked first, else the image's where it names one."""
        if self.evidence:
            return self.evidence[0].origin.partition("://")[2]
        first = self.image.partition("/")[0]
        return first if "/" in self.image and any(mark in first for mark in ".:") else ""

    @property
    def link(self) -> str:
        """Where at the provider the fix is made or explained; empty where no page is known."""
        return page_of(self.provider, self.code)

    def about(
        self, *, image: str = "", executable: str = "", secret: str = "", at: datetime | None = None
    ) -> Self:
        """Return the finding with the image, executable, secret and time it belongs to."""
        return replace(
            self,
            image=image or self.image,
            secret=secret or self.secret,
            executable=executable or self.executable,
            checked_at=at or self.checked_at,
        )
