"""Rows of the engines that were added, and of which engine is taken where none is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towline.domain.engine import EngineRecord


class EngineRows(Protocol):
    """Engines by name. The installation's own has no row: it follows from the settings."""

    def add(self, record: EngineRecord, sealed: bytes) -> None:
        """Insert an engine with its keys; raise Conflict if the name is taken."""

    def all(self) -> Sequence[tuple[EngineRecord, bytes]]:
        """Return all engines with their sealed keys, by name."""

    def remove(self, name: str) -> None:
        """Delete an engine, and the defaults that name it."""

    def default(self, project_guid: str = "") -> str:
        """Return the default engine's name of a project, or of the installation; empty where none was set."""

    def set_default(self, name: str, project_guid: str = "") -> None:
        """Set a default, or take it back with an empty name."""

    def defaults_of_projects(self) -> Mapping[str, str]:
        """Return the default engine of each project that has one, by the project's guid."""
