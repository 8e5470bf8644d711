"""Real parts that tests need: they skip where one is missing, and fail where REQUIRE=all forbids that."""

from __future__ import annotations

import os
import shutil

import pytest


def require(part: str) -> None:
    """Go on if the machine has ``part``: a program on PATH, or ``root``."""
    there = os.geteuid() == 0 if part == "root" else shutil.which(part) is not None
    if there:
        return
    reason = f"this test needs {part}"
    if os.environ.get("REQUIRE") == "all":
        pytest.fail(reason)
    pytest.skip(reason)
