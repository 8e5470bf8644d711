"""YAML documents that people write: read strictly, several to a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from towline.cli.documents import text_at
from towline.cli.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.cli.documents import Document


def read_manifests(file: str, *, kinds: Sequence[str]) -> list[Document]:
    """Return the file's documents, ``-`` is standard input; raise Failure for other kinds than these."""
    import yaml

    try:
        content = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        loaded = [each for each in yaml.safe_load_all(content) if each is not None]
    except yaml.MarkedYAMLError as error:
        # PyYAML's own text quotes the line, which may hold a password; only the place is told.
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise Failure(f"{file} is not YAML: {place}: {error.problem}", code=2) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Failure(f"{file} is not YAML text", code=2) from error
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}", code=2) from error
    if not loaded:
        raise Failure(f"{file} holds no document", code=2)
    return [
        _checked(each, at=f"{file}, document {number}", kinds=kinds) for number, each in enumerate(loaded, 1)
    ]


def _checked(document: object, *, at: str, kinds: Sequence[str]) -> Document:
    if not isinstance(document, dict):
        raise Failure(f"{at} is not a mapping", code=2)
    kind = text_at(document, "kind")
    if kind not in kinds:
        raise Failure(f"{at} is of kind {kind[:40]!a}; use {' or '.join(kinds)}", code=2)
    if not text_at(document, "metadata", "name"):
        raise Failure(f"{at} has no metadata.name", code=2)
    return document
