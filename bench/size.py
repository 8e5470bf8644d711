"""What an installation without extras takes on the disk, before Python writes any bytecode."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from demo import place

from bench.table import at_most

MIB = 1 << 20


def show() -> None:
    """Print the size of Towline's own files and of all libraries that it needs."""
    sizes: dict[str, int] = {}
    _add("towline", sizes)
    own = (place.HERE / "src" / "towline").rglob("*")
    total = sum(sizes.values()) + _bytes(each for each in own if each.is_file())
    at_most(f"installed with {len(sizes) - 1} libraries, without extras", 60, total / MIB, unit="MB")


def _add(name: str, sizes: dict[str, int]) -> None:
    """Add a distribution and what it needs in turn; one that is not installed is not needed here."""
    if name in sizes:
        return
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return
    sizes[name] = _bytes(Path(str(each.locate())) for each in found.files or ())
    for needed in found.requires or ():
        if "extra ==" not in needed:
            _add(re.split(r"[^\w.-]", needed, maxsplit=1)[0].lower(), sizes)


def _bytes(files: Iterable[Path]) -> int:
    return sum(each.stat().st_size for each in files if each.suffix != ".pyc" and each.exists())
