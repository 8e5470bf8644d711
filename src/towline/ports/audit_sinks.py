"""Where rows of the audit trail are sent as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.domain.audit_chain import ChainedRow


class AuditSink(Protocol):
    """A file, a log server or a web server; ``name`` is also that of its cursor."""

    @property
    def name(self) -> str: ...

    async def deliver(self, rows: Sequence[ChainedRow]) -> None:
        """Deliver all rows in order; raise SinkFailed when it is not sure that all arrived."""
