"""The audit trail: making rows, reading them, proving that none was rewritten (mission T8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.domain.audit import AuditEntry

if TYPE_CHECKING:
    from datetime import datetime

    from towline.domain.account import Access
    from towline.domain.listing import Listing, Page
    from towline.ports import Store


def entry(
    access: Access, action: str, subject: str, *, at: datetime, outcome: str = "ok", **detail: str
) -> AuditEntry:
    """Return the row for what a member did in a project; ``detail`` holds no credential.

    Where a program's token was used, its name is told beside its owner's.
    """
    told = {"token": access.principal.token_name, **detail}
    return entry_by(
        access.actor, action, subject, at=at, outcome=outcome, project_guid=access.project.guid, **told
    )


def entry_by(
    actor: str,
    action: str,
    subject: str,
    *,
    at: datetime,
    outcome: str = "ok",
    project_guid: str = "",
    **detail: str,
) -> AuditEntry:
    """Return the row for what ``actor`` did; empty details are left out."""
    pairs = tuple((key, value) for key, value in detail.items() if value)
    return AuditEntry(at, actor, action, subject, outcome=outcome, project_guid=project_guid, detail=pairs)


class Audit:
    """Reads the trail."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def page(self, access: Access, page: Page, *, subject: str = "") -> Listing[AuditEntry]:
        """Return a page of the project's rows, oldest first; with ``subject`` only those about it."""
        guid = access.project.guid
        return await self._store.read(lambda tx: tx.audit.page(page, project_guid=guid, subject=subject))

    async def verify(self) -> int | None:
        """Return the number of the first row that does not fit the chain, None if all do."""
        return await self._store.survey(lambda tx: tx.audit.verify())
