"""Keeping mirrors: what a cluster is to hold follows from the store; every copy goes through the keychain.

Each cluster is told what to keep whenever the bell rings, so that a rotated secret reaches all its namespaces
at once, and a deleted secret or project is taken away there too. A credential that its registry refuses, or
that has run out, is handed out nowhere: kubelets would try it over and over, and registries ban for that.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from towline.domain.audit import Door
from towline.domain.credential import IDENTITY_USER
from towline.domain.errors import PullRefused, SealBroken
from towline.domain.events import Event, EventKind
from towline.domain.mirror import HandedCopy, MirrorOrder, PlaceState
from towline.domain.proof import Verdict
from towline.domain.secret import DockerSecret

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from towline.domain.mirror import Mirror, MirrorPlace
    from towline.domain.secret import Secret
    from towline.ports import Bell, Clock, Keychain, MirrorTarget, Store, Transaction

log = structlog.get_logger("towline.mirrors")

LOOK_AGAIN = 30.0


@dataclass(frozen=True, slots=True)
class _Kept:
    """A cluster that is being kept as it should be."""

    target: MirrorTarget
    work: asyncio.Task[None]


class MirrorKeeping:
    """Has clusters keep what the store asks for, for ever.

    ``targets`` tells which there are now, by the names of their engines; ``own`` is the installation's own.
    """

    def __init__(
        self,
        *,
        store: Store,
        keychain: Keychain,
        targets: Callable[[], Mapping[str, MirrorTarget]],
        own: str,
        bell: Bell,
        clock: Clock,
    ) -> None:
        self._store = store
        self._keychain = keychain
        self._targets = targets
        self._own = own
        self._bell = bell
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    async def run(self) -> None:
        """Keep mirrors until cancelled; a cluster without any is not watched."""
        listener = self._bell.listen()
        try:
            while True:
                self._attend(await self.round())
                await listener.heard(LOOK_AGAIN)
        finally:
            self._attend({})

    async def round(self) -> Mapping[str, MirrorTarget]:
        """Tell clusters what to keep, forget what they are rid of; return those that mirrors name."""
        now = self._clock()
        known = await self._store.read(_known)
        named: dict[str, MirrorTarget] = {}
        for name, target in self._targets().items():
            mine = [(mirror, secret) for mirror, secret in known if (mirror.engine or self._own) == name]
            orders = [order for mirror, secret in mine if (order := _order(mirror, secret, now)) is not None]
            target.order(orders)
            kept = {order.mirror.guid for order in orders}
            for mirror, _ in mine:
                if mirror.guid not in kept and await target.is_clear_of(mirror.guid):
                    await self._forget(mirror.guid)
            if mine or name in self._kept:
                named[name] = target
        return named

    def _attend(self, named: Mapping[str, MirrorTarget]) -> None:
        """Work on these clusters and on no other: an engine may be gone, or be another by now."""
        for name, kept in tuple(self._kept.items()):
            if named.get(name) is not kept.target or kept.work.done():
                kept.work.cancel()
                del self._kept[name]
        for name, target in named.items():
            if name not in self._kept:
                self._kept[name] = _Kept(target, asyncio.create_task(self._work(name, target)))

    async def _work(self, name: str, target: MirrorTarget) -> None:
        try:
            await target.run(hand_out=self._hand_out, tell=self._tell)
        except Exception:
            # what happens to one cluster must not end the others' mirrors; it is begun anew by the clock
            log.exception("mirrors.cluster_failed", engine=name)

    async def _forget(self, guid: str) -> None:
        await self._store.write(lambda tx: tx.mirrors.remove(guid))
        log.info("mirror.gone", mirror=guid)

    async def _hand_out(self, order: MirrorOrder, namespace: str) -> HandedCopy | None:
        mirror = order.mirror
        facts = (("namespace", namespace), ("object", mirror.object_name))
        try:
            resolved = await self._keychain.login(
                mirror.project_guid,
                mirror.secret_guid,
                door=Door.MIRROR,
                actor=f"mirror:{mirror.guid}",
                facts=facts,
            )
        except (SealBroken, PullRefused):
            return None  # the keychain wrote it down
        if resolved is None or resolved.secret_version != order.version:
            return None  # it was changed or deleted meanwhile, and the next order says so
        return HandedCopy(resolved.credential, resolved.address, resolved.secret_version)

    async def _tell(self, guid: str, places: Sequence[MirrorPlace]) -> None:
        """Keep how a mirror fares; what went wrong since the last time is an event."""

        def change(tx: Transaction) -> None:
            mirror = tx.mirrors.get(guid)
            if mirror is None:
                return
            before = {place.namespace: place for place in tx.mirrors.places(guid)}
            tx.mirrors.set_places(guid, places)
            record = tx.secrets.get(mirror.project_guid, mirror.secret_guid)
            if record is None:
                return
            name = record.secret.metadata.name
            for place in places:
                if _is_trouble(place) and not place.is_as(before.get(place.namespace)):
                    tx.events.add(_event(mirror, name, place, at=self._clock()))

        await self._store.write(change)
        self._bell.ring()


def _known(tx: Transaction) -> Sequence[tuple[Mirror, Secret | None]]:
    found = []
    for mirror in tx.mirrors.all():
        record = tx.secrets.get(mirror.project_guid, mirror.secret_guid)
        found.append((mirror, record.secret if record is not None else None))
    return found


def _order(mirror: Mirror, secret: Secret | None, now: datetime) -> MirrorOrder | None:
    """Return what is to be kept of a mirror; None when it is to be taken away."""
    if mirror.removed_at is not None or not isinstance(secret, DockerSecret):
        return None
    return MirrorOrder(
        mirror, secret.metadata.version, secret.registry, held_back=_why_held_back(secret, now)
    )


def _why_held_back(secret: DockerSecret, now: datetime) -> str:
    version = f"version {secret.metadata.version} of the secret"
    if secret.username == IDENTITY_USER:
        return f"{version} is an identity token, which kubelets ignore; give it a user name and a password"
    expires_at = secret.expires_at
    if expires_at is not None and expires_at <= now:
        advice = "give it a fresh password" if secret.mint is None else "it is renewed as soon as that works"
        return f"{version} ran out at {expires_at:%Y-%m-%d %H:%M} UTC; {advice}"
    if secret.standing.verdict is Verdict.FAILING:
        finding = secret.standing.finding
        why = f" ({finding.code.value})" if finding else ""
        return f"{version} is refused by its registry{why}; correct the secret"
    return ""


def _is_trouble(place: MirrorPlace) -> bool:
    return place.state is PlaceState.REFUSED or bool(place.pods)


def _event(mirror: Mirror, secret: str, place: MirrorPlace, *, at: datetime) -> Event:
    facts = {"namespace": place.namespace, "reason": place.reason, "pods": "; ".join(place.pods)}
    said = f"{mirror.guid} {place.namespace} {at.isoformat()}"
    return Event(
        f"event-{hashlib.sha256(said.encode()).hexdigest()[:24]}",
        mirror.project_guid,
        EventKind.MIRROR_TROUBLE,
        at=at,
        subject_guid=mirror.secret_guid,
        subject_name=secret,
        facts={name: text for name, text in facts.items() if text},
    )
