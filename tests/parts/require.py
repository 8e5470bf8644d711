"""Real parts that tests need: they skip where one is missing, and fail where REQUIRE=all forbids that."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from parts import postgres


def require(part: str) -> None:
    """Go on if the machine has ``part``: a program on PATH, ``root`` or ``PostgreSQL``."""
    if _is_there(part):
        return
    reason = f"this test needs {part}"
    if os.environ.get("REQUIRE") == "all":
        pytest.fail(reason)
    pytest.skip(reason)


def _is_there(part: str) -> bool:
    if part == "root":
        return os.geteuid() == 0
    if part == "PostgreSQL":
        return postgres.programs() is not None
    return shutil.which(part) is not None or ("/" in part and Path(part).is_dir())
