"""Files that hold a token: whole or not at all, and at no time readable by others than their owner."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from towline.cli.failure import Failure


def write(file: Path, text: str, *, mode: int = 0o600) -> None:
    """Put ``text`` in place of what ``file`` held; make the folder, for the owner alone, where it is missing.

    The file has ``mode`` in the end. Raises OSError.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # mkstemp makes the file with mode 0600, so the token is at no time readable by others.
    handle, draft = tempfile.mkstemp(dir=file.parent, prefix=".config-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        Path(draft).chmod(mode)
        Path(draft).replace(file)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def write_new(file: Path, text: str) -> None:
    """Write a file that must not be there yet; raise Failure (4) where it is, OSError for anything else."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Failure(
            f"{file} is there already; name another --output-file, or say --force", code=4
        ) from None
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(text)
