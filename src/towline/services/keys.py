"""The keys of the installation: told, made, rotated, retired, and what is lost with a lost one.

A rewrap walks over all sealed values in batches while the server writes on. Each value is put back only
in place of exactly the bytes that were read, so that nothing written meanwhile is lost; the rows themselves
say what is left to do, so that a rewrap that was killed goes on where it was.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from towline.domain.errors import Conflict, NotFound, SealBroken
from towline.domain.keys import KeyState, Progress, Rewrapped, Unreadable
from towline.services.audit import entry_by

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from towline.domain.keys import HeldKey
    from towline.ports import Clock, KeyCustody, SealedValue, Store, Transaction

T = TypeVar("T")

BATCH = 256
AT_ONCE = 16
_UNDER_WAY = "keys.rotation"


class Keys:
    """The keys, for those who administer the installation; ``actor`` is who that is."""

    def __init__(self, *, store: Store, custody: KeyCustody, clock: Clock) -> None:
        self._store = store
        self._custody = custody
        self._clock = clock

    async def list(self) -> Sequence[KeyState]:
        """Return the keys that are held, the active one first, and those that only values name: lost ones."""
        held = {key.id: key for key in await self._custody.keys()}
        await self._store.write(lambda tx: tx.keys.name_all())
        uses = await self._store.survey(lambda tx: tx.keys.uses())
        lost = sorted(key_id for key_id in uses if key_id not in held)
        return tuple(_state(key_id, held.get(key_id), uses.get(key_id, {})) for key_id in (*held, *lost))

    async def add(self, *, actor: str) -> str:
        """Make a key that waits to be rotated to; return its id."""
        key_id = await self._custody.add()
        await self._note("key.added", key_id, actor=actor)
        return key_id

    async def unfinished(self) -> str:
        """Return the key of a rotation that was begun and not ended; empty where there is none."""
        return await self._store.read(lambda tx: tx.settings.get(_UNDER_WAY)) or ""

    async def rotate(
        self, *, actor: str, to: str = "", told: Callable[[Progress], None] = lambda _: None
    ) -> Rewrapped:
        """Seal new values under another key and move all others to it; goes on with what was begun.

        With ``to`` that key becomes the active one, else a new one is made. A keyring that others keep is
        taken as it is, and values are moved to the key that it names.
        """
        if not await self.unfinished() or to:
            await self._switch(to, actor=actor)
        active = await self._custody.active()
        outcome = await self._rewrap(active, told)
        await self._store.write(lambda tx: tx.settings.put(_UNDER_WAY, None))
        facts = {"moved": str(outcome.moved), "unreadable": str(len(outcome.unreadable))}
        await self._note("keys.rewrapped", active, actor=actor, **facts)
        return outcome

    async def retire(self, key_id: str, *, actor: str) -> str:
        """Destroy a key that nothing stands under; return what is left to do by hand, empty for nothing.

        Raises Conflict while a value stands under it or it is the active one, NotFound for an unknown one.
        """
        held = {key.id: key for key in await self._custody.keys()}
        known = key_id in held or key_id in await self._store.read(lambda tx: tx.keys.uses())
        if not known and key_id not in await self._store.read(lambda tx: tx.keys.retired()):
            raise NotFound("key", key_id)
        if key_id in held and held[key_id].active:
            raise Conflict(f"key {key_id} is the active one: run towline admin keys rotate first")
        falling, at = await self._custody.falls_with(key_id), self._clock()

        def change(tx: Transaction) -> None:
            for each in falling:
                tx.keys.retire(each, at=at)
            tx.audit.append(entry_by(actor, "key.retired", key_id, at=at))

        await self._store.write(change)
        if key_id not in held:
            return ""
        try:
            await self._custody.forget(key_id)
        except Conflict as kept_elsewhere:
            return f"nothing stands under {key_id} any more, take it out where it is kept ({kept_elsewhere})"
        return ""

    async def unreadable(self, *, told: Callable[[Progress], None] = lambda _: None) -> Sequence[Unreadable]:
        """Try every sealed value; return those that do not open. Nothing of what opens is kept."""
        total = sum(state.used for state in await self.list())
        found: list[Unreadable] = []
        done = 0
        async for batch in self._batches():
            found += [each for each in await _each(batch, self._broken) if each is not None]
            done += len(batch)
            told(Progress(done, max(total, done)))
        return found

    async def lost(self) -> Sequence[Unreadable]:
        """Return the values whose key is not held, by their rows alone: cheap enough to ask often."""
        lost = [state.id for state in await self.list() if state.is_lost]
        found: list[Unreadable] = []
        async for batch in self._batches(only=lost):
            found += [_unreadable(value, f"its key {value.key_id!r} is not held") for value in batch]
        return found

    async def _switch(self, to: str, *, actor: str) -> None:
        try:
            key_id = await self._custody.activate(to)
        except Conflict:
            key_id = await self._custody.active()
            if to or not key_id or not await self._stand_elsewhere(key_id):
                raise  # nothing else is there to be moved to the key that others made active
        at = self._clock()

        def change(tx: Transaction) -> None:
            tx.settings.put(_UNDER_WAY, key_id)
            tx.audit.append(entry_by(actor, "key.activated", key_id, at=at))

        await self._store.write(change)

    async def _stand_elsewhere(self, key_id: str) -> bool:
        uses = await self._store.survey(lambda tx: tx.keys.uses())
        return any(other != key_id for other in uses)

    async def _rewrap(self, active: str, told: Callable[[Progress], None]) -> Rewrapped:
        await self._store.write(lambda tx: tx.keys.name_all())
        uses = await self._store.survey(lambda tx: tx.keys.uses())
        total = sum(sum(kinds.values()) for kinds in uses.values())
        done = sum(uses.get(active, {}).values())
        told(Progress(done, total))
        moved, unreadable = 0, list[Unreadable]()
        async for batch in self._batches(other_than=active):
            renewed = await _each(batch, self._renewed)
            unreadable += [each for each in renewed if isinstance(each, Unreadable)]
            pairs = [
                (value, new) for value, new in zip(batch, renewed, strict=True) if isinstance(new, bytes)
            ]
            moved += await self._put_back(pairs)
            told(Progress(min(total, done + moved), total))
        return Rewrapped(active, moved, unreadable=unreadable)

    async def _renewed(self, value: SealedValue) -> bytes | Unreadable:
        try:
            return await self._custody.rewrap(value.sealed, value.binding)
        except SealBroken as broken:
            return _unreadable(value, str(broken))

    async def _put_back(self, pairs: Sequence[tuple[SealedValue, bytes]]) -> int:
        """Put renewed values back; return how many. What changed meanwhile was sealed anew, and stays so."""
        return await self._store.write(
            lambda tx: sum(tx.keys.rewrapped(value, sealed) for value, sealed in pairs)
        )

    async def _broken(self, value: SealedValue) -> Unreadable | None:
        try:
            await self._custody.check(value.sealed, value.binding)
        except SealBroken as broken:
            return _unreadable(value, str(broken))
        return None

    async def _batches(
        self, *, other_than: str = "", only: Sequence[str] | None = None
    ) -> AsyncIterator[Sequence[SealedValue]]:
        for kind in await self._store.read(lambda tx: tx.keys.kinds()):
            after = ""
            while batch := await self._batch(kind, after, other_than=other_than, only=only):
                yield batch
                after = batch[-1].place

    async def _batch(
        self, kind: str, after: str, *, other_than: str, only: Sequence[str] | None
    ) -> Sequence[SealedValue]:
        return await self._store.survey(
            lambda tx: tx.keys.sealed(kind, after=after, most=BATCH, other_than=other_than, only=only)
        )

    async def _note(self, action: str, key_id: str, *, actor: str, **facts: str) -> None:
        row = entry_by(actor, action, key_id, at=self._clock(), **facts)
        await self._store.write(lambda tx: tx.audit.append(row))


async def _each(batch: Sequence[SealedValue], do: Callable[[SealedValue], Awaitable[T]]) -> Sequence[T]:
    """Return what ``do`` answers for each value, some at a time: Vault is a network away."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(value: SealedValue) -> T:
        async with room:
            return await do(value)

    return await asyncio.gather(*(one(value) for value in batch))


def _state(key_id: str, held: HeldKey | None, uses: Mapping[str, int]) -> KeyState:
    return KeyState(key_id, held.place if held else "", active=bool(held and held.active), uses=uses)


def _unreadable(value: SealedValue, reason: str) -> Unreadable:
    return Unreadable(
        value.kind,
        value.name,
        value.project,
        guid=value.binding.secret_guid,
        key_id=value.key_id,
        reason=reason,
    )
