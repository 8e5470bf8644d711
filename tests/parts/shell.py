"""The command ``towline`` as somebody types it who has a home of their own."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from parts.forks import towline


@dataclass(frozen=True)
class Shell:
    """Where ``towline`` is typed."""

    home: Path

    @property
    def config(self) -> Path:
        """Where it is kept who is signed in."""
        return self.home / "towline" / "config.json"

    def towline(
        self, *words: str, stdin: str | bytes = "", **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Return how a command ended; of Towline's settings it knows ``environ`` alone."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("TOWLINE_")}
        return towline(*words, stdin=stdin, env={**kept, "XDG_CONFIG_HOME": str(self.home), **environ})
