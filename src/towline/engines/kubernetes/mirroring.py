"""Keeping copies of secrets in namespaces of a cluster: the port ``MirrorTarget``.

What is ordered and what the watch shows are compared namespace by namespace, whenever either changes; nothing
is remembered that the cluster does not hold. The Secret comes before the service account that names it, and
goes after it. Only what bears this installation's own field manager is ever changed or deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from towline.domain.mirror import MirrorPlace, PlaceState
from towline.engines.kubernetes import mirror_rules, naming
from towline.engines.kubernetes.mirror_settling import Settling
from towline.engines.kubernetes.mirror_watch import MirrorWatch

if TYPE_CHECKING:
    from towline.domain.mirror import HandedCopy, MirrorOrder
    from towline.engines.kubernetes.cluster import Cluster
    from towline.engines.kubernetes.naming import Names
    from towline.ports import Clock

log = structlog.get_logger("towline.engines.kubernetes")

AT_ONCE = 16
"""So many namespaces are worked on side by side."""
EVERY = "*"
"""In the place of the namespaces that a selector would choose, while they cannot be seen."""
LOOK_AGAIN = 30.0
"""What the watch does not show, such as a foreign Secret that is gone, is looked for so often."""


class Mirroring:
    """Mirrors on one cluster; ``allowed`` are the namespaces that projects may choose from."""

    def __init__(
        self,
        cluster: Cluster,
        names: Names,
        *,
        allowed: Sequence[str],
        clock: Clock,
        jitter: Callable[[], float],
    ) -> None:
        self._names = names
        self._clock = clock
        self._watch = MirrorWatch(cluster, names, jitter=jitter, touched=self._heard, troubled=self._tell_all)
        self._settling = Settling(cluster, names, watch=self._watch, allowed=allowed, clock=clock)
        self._orders: tuple[MirrorOrder, ...] = ()
        self._places: dict[str, dict[str, MirrorPlace]] = {}
        self._untold: set[str] = set()
        self._due: set[str] = set()
        self._busy: set[str] = set()
        self._news = asyncio.Event()
        self._room = asyncio.Semaphore(AT_ONCE)

    def order(self, orders: Sequence[MirrorOrder]) -> None:
        """Take over what is to be kept from now on; see the port."""
        before, self._orders = self._orders, tuple(orders)
        changed = {each.mirror.guid for each in set(before) ^ set(self._orders)}
        for each in (*before, *self._orders):
            if each.mirror.guid in changed:
                self._touch_all(self._chosen_by(each))
        gone = {each.mirror.guid for each in before} - {each.mirror.guid for each in self._orders}
        self._touch_all(place for guid in gone for place in self._places.get(guid, ()))

    async def is_clear_of(self, mirror_guid: str) -> bool:
        """Whether the cluster is known to hold nothing of a mirror."""
        if not self._watch.is_complete or self._places.get(mirror_guid):
            return False
        manager = self._names.mirror_manager
        return not any(
            copy.metadata.label(naming.MIRROR) == mirror_guid and mirror_rules.is_ours(copy, manager)
            for copy in self._watch.all_copies()
        )

    async def run(
        self,
        *,
        hand_out: Callable[[MirrorOrder, str], Awaitable[HandedCopy | None]],
        tell: Callable[[str, Sequence[MirrorPlace]], Awaitable[None]],
    ) -> None:
        """Keep what is ordered until cancelled; see the port. May be run again later: it looks anew then."""
        self._watch.forget()
        self._places.clear()
        self._untold.clear()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look(group))
            while True:
                if self._watch.is_complete:
                    self._begin(group, hand_out)
                if not self._busy and not (self._due and self._watch.is_complete):
                    await self._tell(tell)
                await self._news.wait()
                self._news.clear()

    async def _look(self, group: asyncio.TaskGroup) -> None:
        """See everything once, then again what the watch does not show."""
        await self._watch.run(group)
        self._touch_all(self._everywhere())
        self._tell_all()
        await self._look_again()

    def _begin(
        self,
        group: asyncio.TaskGroup,
        hand_out: Callable[[MirrorOrder, str], Awaitable[HandedCopy | None]],
    ) -> None:
        for namespace in self._due - self._busy:
            self._due.discard(namespace)
            self._busy.add(namespace)
            group.create_task(self._settle(namespace, hand_out))

    async def _settle(
        self, namespace: str, hand_out: Callable[[MirrorOrder, str], Awaitable[HandedCopy | None]]
    ) -> None:
        try:
            async with self._room:
                chosen = [each for each in self._orders if self._chooses(each, namespace)]
                places = await self._settling.settle(namespace, chosen, hand_out=hand_out)
            self._note(namespace, places)
        except Exception:
            # one namespace's defect must not end the others' mirrors; it is looked at again by the clock
            log.exception("mirror.settling_failed", namespace=namespace)
        finally:
            self._busy.discard(namespace)
            self._news.set()

    def _note(self, namespace: str, places: Sequence[MirrorPlace]) -> None:
        now = {place.mirror_guid: place for place in places}
        for guid in {*self._places, *now}:
            known = self._places.setdefault(guid, {})
            place = now.get(guid)
            if place is None:
                if known.pop(namespace, None) is not None:
                    self._untold.add(guid)
            elif not place.is_as(known.get(namespace)):
                known[namespace] = place
                self._untold.add(guid)

    async def _tell(self, tell: Callable[[str, Sequence[MirrorPlace]], Awaitable[None]]) -> None:
        """Tell of what changed, once all that is due was done: a first look is told as a whole."""
        while self._untold:
            guid = self._untold.pop()
            await tell(guid, self._shown(guid))
            if not self._places.get(guid):
                self._places.pop(guid, None)

    def _shown(self, guid: str) -> Sequence[MirrorPlace]:
        """Return how a mirror fares; where the cluster cannot be watched, that is why it waits."""
        known = self._places.get(guid, {})
        places = [known[name] for name in sorted(known)]
        if not (trouble := self._watch.trouble):
            return places
        order = next((each for each in self._orders if each.mirror.guid == guid), None)
        if not places and order is not None:
            names = order.mirror.namespaces or (EVERY,)
            places = [MirrorPlace(guid, name, PlaceState.WAITING, at=self._clock()) for name in names]
        return [replace(place, state=PlaceState.WAITING, reason=trouble) for place in places]

    def _tell_all(self) -> None:
        self._untold.update(order.mirror.guid for order in self._orders)
        self._news.set()

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AGAIN)
            self._touch_all(
                place.namespace
                for places in self._places.values()
                for place in places.values()
                if place.reason
            )

    def _chooses(self, order: MirrorOrder, namespace: str) -> bool:
        seen = self._watch.namespace(namespace)
        labels = (seen.metadata.labels or {}) if seen is not None else {}
        return order.mirror.chooses(namespace, labels)

    def _chosen_by(self, order: MirrorOrder) -> Iterable[str]:
        selected = (
            each.metadata.name
            for each in self._watch.namespaces()
            if order.mirror.selector.selects(each.metadata.labels or {})
        )
        return (*order.mirror.namespaces, *selected)

    def _everywhere(self) -> Iterable[str]:
        """Return every namespace that is ordered, or in which something of Towline's is."""
        return {
            *(name for order in self._orders for name in self._chosen_by(order)),
            *(copy.metadata.namespace for copy in self._watch.all_copies()),
            *(each.metadata.namespace for each in self._watch.marked(self._names.mirror_annotation)),
        }

    def _heard(self, namespace: str) -> None:
        """Look at a namespace that is different now, if anything of it is Towline's or shall be."""
        marked = self._names.mirror_annotation
        if (
            self._watch.copies(namespace)
            or any(self._chooses(order, namespace) for order in self._orders)
            or any(each.metadata.annotation(marked) for each in self._watch.accounts(namespace).values())
            or any(namespace in places for places in self._places.values())
        ):
            self._touch(namespace)

    def _touch_all(self, namespaces: Iterable[str]) -> None:
        for namespace in namespaces:
            self._touch(namespace)

    def _touch(self, namespace: str) -> None:
        self._due.add(namespace)
        self._news.set()
