"""Disks: made, shown, deleted with what is on them. The reconciler clears away what was."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from towline.domain.disk import NOT_RUNNING, Disk, DiskState, DiskView
from towline.domain.errors import Conflict, EngineFailed, InvalidInput, NotFound
from towline.domain.listing import Listing, Page
from towline.services.audit import entry
from towline.services.engine_choice import chosen_engine, engine_names

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from towline.domain.account import Access
    from towline.domain.audit import AuditEntry
    from towline.domain.disk import DiskDraft
    from towline.domain.listing import LabelSelector
    from towline.ports import Bell, Clock, Engines, NewGuid, Store, Transaction

LOOK_SECONDS = 2.0
"""So long an engine may take to tell how much is on a disk."""


class Disks:
    """Disks of a project. ``name`` arguments take a name or a guid.

    ``machine`` is where disks on the installation's own engine live: empty where it is no machine's own.
    """

    def __init__(
        self,
        *,
        store: Store,
        engines: Engines,
        bell: Bell,
        clock: Clock,
        new_guid: NewGuid,
        machine: str = "",
    ) -> None:
        self._store = store
        self._engines = engines
        self._bell = bell
        self._clock = clock
        self._new_guid = new_guid
        self._machine = machine

    async def create(self, access: Access, draft: DiskDraft) -> DiskView:
        """Keep a disk; raise Conflict for its name, InvalidInput for an engine that is not there.

        On an engine it is made when a deployment mounts it first.
        """
        at, guid = self._clock(), self._new_guid("disk")

        def change(tx: Transaction) -> DiskView:
            own = self._engines.own
            engine = chosen_engine(tx, access.project.guid, draft.engine, own=own) if draft.engine else ""
            disk = Disk(
                guid,
                draft.name,
                project_guid=access.project.guid,
                creator_guid=access.principal.user.guid,
                created_at=at,
                capacity=draft.capacity,
                labels=draft.labels,
                engine=engine,
                machine=self._machine if engine == own else "",
            )
            tx.disks.add(disk)
            tx.audit.append(_row(access, "disk.created", disk, at=at))
            return viewed(disk, engine_names(tx, own=own))

        return await self._store.write(change)

    async def get(self, access: Access, name: str) -> DiskView:
        """Return a disk with what is on it, as far as its engine tells in time; raise NotFound."""

        def question(tx: Transaction) -> DiskView:
            return viewed(found(tx, access, name), engine_names(tx, own=self._engines.own))

        view = await self._store.read(question)
        return replace(view, used=await self._used(view.disk))

    async def list(
        self,
        access: Access,
        page: Page,
        *,
        selector: LabelSelector,
        names: Sequence[str] = (),
        states: Collection[DiskState] = (),
    ) -> Listing[DiskView]:
        """Return a page in order of creation, of those in one of ``states`` where any are given."""

        def views(tx: Transaction, part: Page) -> Listing[DiskView]:
            known = engine_names(tx, own=self._engines.own)
            found = tx.disks.page(access.project.guid, part, selector=selector, names=names)
            return Listing(tuple(viewed(disk, known) for disk in found.items), found.next)

        def question(tx: Transaction) -> Listing[DiskView]:
            return _filled(lambda part: views(tx, part), page, states) if states else views(tx, page)

        look = self._store.survey if selector.required or states else self._store.read
        return await look(question)

    async def delete(self, access: Access, name: str) -> None:
        """Delete a disk; its data go as soon as no container mounts it. Raise Conflict while one has it."""
        at = self._clock()

        def change(tx: Transaction) -> None:
            disk = found(tx, access, name)
            if (holder := disk.holder) is not None:
                raise Conflict(
                    f"disk {disk.name!r} is used by deployment {holder.name!r}: delete that first, or update"
                    " it so that it mounts the disk no more"
                )
            tx.disks.doom(disk.guid, at=at)
            tx.audit.append(_row(access, "disk.deleted", disk, at=at))

        await self._store.write(change)
        self._bell.ring()

    async def _used(self, disk: Disk) -> int | None:
        """Ask the engine; what is on another server's machine, or does not answer in time, is not known."""
        opened = self._engines.all().get(disk.engine)
        if opened is None or not opened.health.answers or disk.machine not in ("", self._machine):
            return None
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                return await opened.host.disk_used(disk.guid)
        except (EngineFailed, TimeoutError):
            return None


def found(tx: Transaction, access: Access, name: str) -> Disk:
    """Return a project's disk by name or guid; raise NotFound."""
    disk = tx.disks.get(access.project.guid, name)
    if disk is None:
        raise NotFound("disk", name)
    return disk


def viewed(disk: Disk, engines: Collection[str]) -> DiskView:
    """Return a disk with its state; ``engines`` are the names of those that the installation has."""
    if disk.engine and disk.engine not in engines:
        return DiskView(disk, DiskState.FAILED, error_code=NOT_RUNNING)
    if disk.holder is not None:
        return DiskView(disk, DiskState.BOUND)
    return DiskView(disk, DiskState.RELEASED if disk.users else DiskState.AVAILABLE)


def _filled(
    views: Callable[[Page], Listing[DiskView]], page: Page, states: Collection[DiskState]
) -> Listing[DiskView]:
    """Return a page of those in one of ``states``; clients take one that is not full for the last."""
    found: list[DiskView] = []
    after: int | None = page.after
    last: int | None = None
    while after is not None and len(found) < page.limit:
        one = views(Page(after=after, limit=1))
        after, last = one.next, one.next or last
        found += (view for view in one.items if view.state in states)
    return Listing(tuple(found), last if found else None)


def refuse_disks_of(tx: Transaction, engine: str) -> None:
    """Raise InvalidInput where disks live on the installation's own engine, which is to be another one."""
    if count := tx.disks.on_engine(engine):
        are = "disk lives" if count == 1 else "disks live"
        raise InvalidInput(
            "engine",
            problem=f"was {engine}, and {count} {are} there",
            rule="start without the setting and add the other engine beside it (`towline engine add`), or"
            " delete those disks first: a disk never moves",
        )


def _row(access: Access, action: str, disk: Disk, *, at: datetime) -> AuditEntry:
    return entry(
        access, action, disk.guid, at=at, name=disk.name, capacity=f"{disk.capacity} GiB", engine=disk.engine
    )
