"""What engines say whose log of a container goes on over all its runs."""

from __future__ import annotations

from towline.domain.errors import InvalidInput


def refuse_previous(*, previous: bool) -> None:
    """Raise InvalidInput where the log of the run before is asked for: it is not kept apart."""
    if previous:
        raise InvalidInput(
            "previous",
            problem="cannot be told apart here: this engine keeps one log over all runs of a container",
            rule="leave it out, the earlier runs stand before the present one",
        )
