"""Libraries that a plain installation does not have, and what to say where one is missing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from towline.domain.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def libraries_of(extra: str) -> Iterator[None]:
    """Import what an extra brings; raise InvalidInput that says how to install it where it is not there."""
    try:
        yield
    except ImportError as error:
        rule = f"install it: pip install 'towline[{extra}]'"
        raise InvalidInput(extra, problem=f"needs the library {error.name}", rule=rule) from error
