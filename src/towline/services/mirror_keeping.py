"""Keeping mirrors: what a cluster is to hold follows from the store; every copy goes through the keychain.

The cluster is told what to keep whenever the bell rings, so that a rotated secret reaches all its namespaces
at once, and a deleted secret or project is taken away there too. A credential that its registry refuses, or
that has run out, is handed out nowhere: kubelets would try it over and over, and registries ban for that.
"""

from __future__ import annotations

import asyncio
import hashlib
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


class MirrorKeeping:
    """Has one cluster keep what the store asks for, for ever."""

    def __init__(
        self, *, store: Store, keychain: Keychain, target: MirrorTarget, bell: Bell, clock: Clock
    ) -> None:
        self._store = store
        self._keychain = keychain
        self._target = target
        self._bell = bell
        self._clock = clock

    async def run(self) -> None:
        """Keep mirrors until cancelled; a cluster without any is not watched."""
        listener = self._bell.listen()
        while not await self.round():
            await listener.heard(LOOK_AGAIN)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._target.run(hand_out=self._hand_out, tell=self._tell))
            while True:
                await listener.heard(LOOK_AGAIN)
                await self.round()

    async def round(self) -> bool:
        """Tell the cluster what to keep, forget what it is rid of; return whether there is any mirror."""
        now = self._clock()
        known = await self._store.read(_known)
        orders = [order for mirror, secret in known if (order := _order(mirror, secret, now)) is not None]
        self._target.order(orders)
        kept = {order.mirror.guid for order in orders}
        for mirror, _ in known:
            if mirror.guid not in kept and await self._target.is_clear_of(mirror.guid):
                await self._forget(mirror.guid)
        return bool(known)

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
