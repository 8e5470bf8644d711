"""What the rows of the audit trail tell about a use of a door: who came, from where, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.services.audit import entry

if TYPE_CHECKING:
    from datetime import datetime

    from towline.domain.account import Access
    from towline.domain.audit import AuditEntry, Door
    from towline.ports import Facts


def facts_of(access: Access, peer: str, **more: str) -> Facts:
    """Return what an audit row of a door tells of its caller."""
    told = {"token": access.principal.token_name, "peer": peer, **more}
    return tuple((name, text) for name, text in told.items() if text)


def refusal_row(
    access: Access, door: Door, subject: str, *, at: datetime, outcome: str, facts: Facts
) -> AuditEntry:
    """Return the row for a credential that did not leave."""
    told = {"door": door.value, **dict(facts)}
    return entry(access, "credential.refused", subject, at=at, outcome=outcome, **told)
