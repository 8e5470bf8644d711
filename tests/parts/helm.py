"""The real helm, as ``make .venv/.helm`` unpacks it, and what it renders of Towline's chart."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from parts.require import require

CHART = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "towline"


def helm(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run helm."""
    unpacked = Path(sys.prefix) / "helm" / "helm"
    if not unpacked.exists():
        require("helm")
    program = str(unpacked) if unpacked.exists() else str(shutil.which("helm"))
    return subprocess.run([program, *words], capture_output=True, text=True, check=check)


def rendered(folder: Path, values: Mapping[str, Any], *, namespace: str = "towline") -> list[dict[str, Any]]:
    """Return the objects of the chart with these values; values go through its schema."""
    file = folder / "values.json"
    file.write_text(json.dumps(values))
    done = helm("template", "release", str(CHART), "--namespace", namespace, "--values", str(file))
    return [document for document in yaml.safe_load_all(done.stdout) if document]
