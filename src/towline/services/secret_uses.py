"""What a secret opened, when, for whom and from where: the rows of the audit trail about its uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.domain.errors import NotFound
from towline.domain.uses import Use

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.domain.account import Access
    from towline.domain.uses import UseFilter
    from towline.ports import Store

STEP = 500
NEWEST = 2**62


class SecretUses:
    """Looks uses up, the newest first. ``name`` takes a name, a guid, or the guid of a deleted secret."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def page(
        self, access: Access, name: str, wanted: UseFilter, *, before: int = 0, most: int = 50
    ) -> tuple[Sequence[Use], int | None]:
        """Return at most ``most`` uses before the number ``before``, and where the next page begins.

        Raises NotFound for a secret that never was.
        """
        project = access.project.guid
        subject = await self._subject(project, name)
        found, place = list[Use](), before or NEWEST
        while True:
            step = await self._store.survey(
                lambda tx, place=place: tx.audit.newest(  # type: ignore[misc]
                    project_guid=project, subject=subject, before=place, most=STEP
                )
            )
            for seq, row in step:
                if wanted.wants(row):
                    found.append(Use(seq, row))
                    if len(found) == most:
                        return found, seq
            if len(step) < STEP or (wanted.since and step[-1][1].at < wanted.since):
                return found, None
            place = step[-1][0]

    async def _subject(self, project: str, name: str) -> str:
        record = await self._store.read(lambda tx: tx.secrets.get(project, name))
        if record is not None:
            return record.secret.metadata.guid
        rows = await self._store.survey(
            lambda tx: tx.audit.newest(project_guid=project, subject=name, before=NEWEST, most=1)
        )
        if not rows or not name.startswith("secret-"):
            raise NotFound("secret", name)
        return name
