"""Looking after the keys while the server runs: a lost one is told, and every secret that it takes with it.

Each secret whose key is not held gets the finding ``secret-unreadable``, without being tried at a registry;
once the key is back the finding goes, and a docker secret is tried again at once.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

import structlog

from towline.domain.causes import FindingCode
from towline.domain.errors import InvalidInput, KeysUnreachable
from towline.domain.proof import Answer, Verdict
from towline.domain.reproof import DueProof
from towline.domain.secret import DockerSecret, OpaqueSecret
from towline.services.people import organization_of
from towline.services.refusals import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from towline.domain.secret import Secret
    from towline.ports import Clock, KeyCustody, Present, SealedValue, Store, Transaction

log = structlog.get_logger("towline.keys")

PAUSE = 60.0
BATCH = 256
_LOST = "keys.lost"


class KeyWatch:
    """Compares what is held with what is used, for ever."""

    def __init__(
        self,
        *,
        store: Store,
        custody: KeyCustody,
        present: Present,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._custody = custody
        self._present = present
        self._clock = clock
        self._sleep = sleep

    async def run(self) -> None:
        """Look now and every minute; does not return."""
        await self._store.write(lambda tx: tx.keys.name_all())
        while True:
            try:
                await self.round()
            except (KeysUnreachable, InvalidInput) as trouble:
                log.warning("keys.unreachable", trouble=str(trouble))
            await self._sleep(PAUSE)

    async def round(self) -> None:
        """Look once; raise KeysUnreachable or InvalidInput when the keys cannot be told."""
        held = {key.id for key in await self._custody.keys()}
        uses = await self._store.survey(lambda tx: tx.keys.uses())
        lost = set(uses) - held
        known = set((await self._store.read(lambda tx: tx.settings.get(_LOST)) or "").split())
        if lost == known:
            return
        for key_id in sorted(lost - known):
            log.error("key.lost", key=key_id, **uses[key_id], advice="towline admin keys check tells which")
        await self._mark(sorted(lost - known), is_lost=True)
        await self._mark(sorted(known - lost), is_lost=False)
        await self._store.write(lambda tx: tx.settings.put(_LOST, " ".join(sorted(lost)) or None))

    async def _mark(self, keys: Sequence[str], *, is_lost: bool) -> None:
        after = ""
        while batch := await self._batch(keys, after):
            await self._store.write(lambda tx, batch=batch: self._each(tx, batch, is_lost=is_lost))  # type: ignore[misc]
            after = batch[-1].place

    async def _batch(self, keys: Sequence[str], after: str) -> Sequence[SealedValue]:
        return await self._store.survey(
            lambda tx: tx.keys.sealed("secret", after=after, most=BATCH, only=keys)
        )

    def _each(self, tx: Transaction, batch: Sequence[SealedValue], *, is_lost: bool) -> None:
        at = self._clock()
        for value in batch:
            record = tx.secrets.get(value.binding.project_guid, value.binding.secret_guid)
            project = tx.tenants.project(value.binding.project_guid)
            if record is None or project is None or record.secret.metadata.version != value.binding.version:
                continue
            secret = _lost(record.secret, at) if is_lost else _found(record.secret)
            document = self._present(secret, project, organization_of(tx, project))
            tx.secrets.save(replace(record, secret=secret, document=document))
            if isinstance(secret, DockerSecret) and not is_lost:
                tx.schedule.put(DueProof(project.guid, secret.metadata.guid, "", at))


def _lost(secret: Secret, at: datetime) -> Secret:
    finding = UNREADABLE.about(secret=secret.metadata.name, at=at)
    match secret:
        case DockerSecret():
            return secret.stands(secret.standing.after(Answer(Verdict.UNKNOWN, finding), at=at))
        case OpaqueSecret():
            return secret.found(finding)
        case _:
            assert_never(secret)


def _found(secret: Secret) -> Secret:
    match secret:
        case DockerSecret(standing=standing):
            known = standing.finding
            if known is None or known.code is not FindingCode.SECRET_UNREADABLE:
                return secret
            return secret.stands(replace(standing, finding=None))
        case OpaqueSecret():
            return secret.found(None)
        case _:
            assert_never(secret)
