"""Which engine a new deployment gets: the one that it names, its project's default, or the installation's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.domain.engine import ENGINE_LABEL
from towline.domain.errors import InvalidInput

if TYPE_CHECKING:
    from towline.ports import Transaction


def engine_names(tx: Transaction, *, own: str) -> list[str]:
    """Return the names of all engines, the installation's own first."""
    return [own, *(record.name for record, _ in tx.engines.all())]


def default_engine(tx: Transaction, project_guid: str = "", *, own: str) -> str:
    """Return what is taken in a project where no engine is named; without a project, the installation's."""
    of_project = tx.engines.default(project_guid) if project_guid else ""
    return of_project or tx.engines.default() or own


def chosen_engine(tx: Transaction, project_guid: str, named: str, *, own: str) -> str:
    """Return a new deployment's engine; raise InvalidInput with the list for one that is not there."""
    if not named:
        return default_engine(tx, project_guid, own=own)
    known = engine_names(tx, own=own)
    if named not in known:
        raise InvalidInput(
            f"metadata.labels.{ENGINE_LABEL}",
            problem=f"{named[:60]!a} is no engine of this installation",
            rule=f"use one of {', '.join(known)}",
        )
    return named
