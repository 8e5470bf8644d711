"""Bringing one namespace to what mirrors ask for: Secrets, then service accounts, then what is too much."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from towline.domain.mirror import MirrorPlace, PlaceState
from towline.engines.kubernetes import mirror_rules, naming, secret_documents, texts
from towline.engines.kubernetes.cluster import ClusterRefused, ClusterUnreachable
from towline.engines.kubernetes.mirror_seen import SeenAccount, WaitingPod
from towline.engines.kubernetes.seen import SeenSecret

if TYPE_CHECKING:
    from towline.domain.mirror import HandedCopy, MirrorOrder
    from towline.engines.kubernetes.cluster import Cluster
    from towline.engines.kubernetes.mirror_watch import MirrorWatch
    from towline.engines.kubernetes.naming import Names
    from towline.ports import Clock

log = structlog.get_logger("towline.engines.kubernetes")

HandOut = Callable[["MirrorOrder", str], Awaitable["HandedCopy | None"]]

MOST_REPAIRS = 5
REPAIR_WINDOW = 60.0
"""Who undoes a repair again and again is told of, and not fought with."""
MOST_NUDGES = 3
MOST_REMEMBERED = 4096
MOST_PODS_TOLD = 10


@dataclass(frozen=True, slots=True)
class _Standing:
    """How a copy is: the version in place (0: none), and what stands in the way of the wanted one."""

    version: int = 0
    written_at: datetime | None = None
    reason: str = ""
    is_refused: bool = False


@dataclass(slots=True)
class _Repairs:
    """When something in a namespace was put right that somebody had changed."""

    moments: deque[float] = field(default_factory=deque)

    def may(self) -> bool:
        """Whether there were not too many of late; counts one if so."""
        now = time.monotonic()
        while self.moments and now - self.moments[0] > REPAIR_WINDOW:
            self.moments.popleft()
        if len(self.moments) >= MOST_REPAIRS:
            return False
        self.moments.append(now)
        return True


class Settling:
    """Settles namespaces, each by one at a time."""

    def __init__(
        self, cluster: Cluster, names: Names, *, watch: MirrorWatch, allowed: Sequence[str], clock: Clock
    ) -> None:
        self._cluster = cluster
        self._names = names
        self._watch = watch
        self._allowed = allowed
        self._clock = clock
        self._repairs: dict[str, _Repairs] = {}
        self._written: set[tuple[str, str]] = set()
        self._nudged: OrderedDict[tuple[str, str], int] = OrderedDict()

    async def settle(
        self, namespace: str, orders: Sequence[MirrorOrder], *, hand_out: HandOut
    ) -> Sequence[MirrorPlace]:
        """Do what is to be done in a namespace for the mirrors that choose it; return how each fares."""
        refusals = {each.mirror.guid: self._refusal(each, namespace) for each in orders}
        wanted = _first_of_each_name([each for each in orders if not refusals[each.mirror.guid]])
        standings: dict[str, _Standing] = {}
        for order in wanted:
            standings[order.mirror.guid] = await self._copy(order, namespace, hand_out)
        trouble = await self._accounts(namespace, wanted, standings)
        if not trouble:
            trouble = await self._take_away(namespace, wanted)
        places = []
        for order in orders:
            place = MirrorPlace(order.mirror.guid, namespace, PlaceState.REFUSED, at=self._clock())
            if refusals[order.mirror.guid]:
                places.append(replace(place, reason=refusals[order.mirror.guid]))
            elif order.mirror.guid not in standings:
                reason = f"another mirror keeps a Secret named {order.mirror.object_name} there"
                places.append(replace(place, reason=reason))
            else:
                places.append(await self._place(order, namespace, standings[order.mirror.guid], trouble))
        return places

    def _refusal(self, order: MirrorOrder, namespace: str) -> str:
        return mirror_rules.why_not(
            order,
            namespace,
            self._watch.namespace(namespace),
            allowed=self._allowed,
            names=self._names,
        )

    async def _copy(  # noqa: PLR0911  (one line a reason)
        self, order: MirrorOrder, namespace: str, hand_out: HandOut
    ) -> _Standing:
        """Bring the Secret up to date."""
        seen = self._watch.namespace(namespace)
        if seen is None:
            alone = self._names.namespace
            outside = f"; Towline was given {alone} alone" if alone else ""
            return _Standing(reason=f"there is no such namespace{outside}")
        if seen.metadata.deletion_timestamp is not None:
            held = f": {texts.shown(seen.held_by)}" if seen.held_by else ""
            return _Standing(reason=f"the namespace is being deleted{held}")
        manager = self._names.mirror_manager
        copy = self._watch.copies(namespace).get(order.mirror.object_name)
        if copy is not None and copy.metadata.deletion_timestamp is not None:
            return _Standing(reason="the Secret is being deleted" + _held_by(copy))
        if copy is not None and not mirror_rules.is_ours(copy, manager):
            return _not_ours(order)
        now = _standing_of(copy)
        if copy is not None and mirror_rules.is_intact(copy, manager) and _tag(copy) == _wanted_tag(order):
            return now
        if order.held_back:
            return replace(now, reason=order.held_back)
        if (others := self._who_undid_it(order, namespace, copy)) and not self._may_repair(namespace):
            return _Standing(reason=f"{others} undoes it again and again; it is put right once a minute")
        return await self._write(order, namespace, copy, hand_out)

    def _who_undid_it(self, order: MirrorOrder, namespace: str, copy: SeenSecret | None) -> str:
        """Return who changed or deleted what was written, empty where nobody did."""
        name, manager = order.mirror.object_name, self._names.mirror_manager
        if copy is None:
            others = "somebody" if (namespace, name) in self._written else ""
        elif mirror_rules.is_intact(copy, manager):
            return ""
        else:
            others = mirror_rules.others_at(copy, manager) or "somebody"
        if others:
            log.warning("mirror.drift", namespace=namespace, secret=name, culprit=others)
        return others

    async def _write(
        self, order: MirrorOrder, namespace: str, copy: SeenSecret | None, hand_out: HandOut
    ) -> _Standing:
        now = _standing_of(copy)
        handed = await hand_out(order, namespace)
        if handed is None:
            return replace(now, reason="the secret's value could not be had; it is tried again")
        at = self._clock()
        mirror = order.mirror
        document = secret_documents.mirror_secret(
            handed,
            name=mirror.object_name,
            namespace=namespace,
            labels=self._names.mirror_labels(mirror),
            annotations={
                naming.MIRRORED: f"{mirror.secret_guid}:{handed.version}",
                naming.MIRRORED_AT: at.isoformat(),
            },
            uid=copy.metadata.uid if copy is not None else "",
        )
        send = self._cluster.create if copy is None else self._cluster.apply
        try:
            metadata = await send(document, plural="secrets", manager=self._names.mirror_manager)
        except ClusterRefused as refusal:
            if refusal.reason == "AlreadyExists":
                return _not_ours(order)
            return replace(now, reason=_said(refusal), is_refused=not refusal.may_pass)
        except ClusterUnreachable as trouble:
            return replace(now, reason=texts.shown(f"the cluster is out of reach: {trouble}"))
        self._watch.learn(SeenSecret(metadata))
        self._written.add((namespace, mirror.object_name))
        log.info("mirror.written", mirror=mirror.guid, namespace=namespace, version=handed.version)
        return _Standing(handed.version, at)

    async def _accounts(
        self, namespace: str, orders: Sequence[MirrorOrder], standings: Mapping[str, _Standing]
    ) -> str:
        """Give service accounts what mirrors ask for and take back what they do not; say the trouble."""
        here = [each for each in orders if standings[each.mirror.guid].version]
        for account in list(self._watch.accounts(namespace).values()):
            name = account.metadata.name
            wanted = frozenset(each.mirror.object_name for each in here if name in each.mirror.accounts)
            changes = self._changes(account, wanted)
            if changes is None or account.metadata.deletion_timestamp is not None:
                continue
            undone = account.added(self._names.mirror_annotation).keys() & (wanted - {*account.entries})
            if undone and not self._may_repair(namespace):
                return f"somebody takes it from service account {name} again and again"
            try:
                self._watch.learn(await self._amend(account, wanted))
            except ClusterRefused as refusal:
                if refusal.status != 404:
                    return f"service account {name}: {_said(refusal)}"
            except ClusterUnreachable as trouble:
                return texts.shown(f"the cluster is out of reach: {trouble}")
        return ""

    def _changes(self, account: SeenAccount, wanted: frozenset[str]) -> Mapping[str, object] | None:
        return mirror_rules.account_changes(
            account, wanted=wanted, annotation=self._names.mirror_annotation, now=self._clock()
        )

    async def _amend(self, account: SeenAccount, wanted: frozenset[str]) -> SeenAccount:
        """Change a service account; where it was changed meanwhile, look again and change that."""
        name, namespace = account.metadata.name, account.metadata.namespace
        for _ in range(MOST_REPAIRS):
            changes = self._changes(account, wanted)
            if changes is None:
                return account
            try:
                return await self._cluster.amend(
                    SeenAccount,
                    name,
                    namespace=namespace,
                    changes=changes,
                    manager=self._names.mirror_manager,
                )
            except ClusterRefused as refusal:
                if refusal.status != 409:
                    raise
            fresh = await self._cluster.get(SeenAccount, name, namespace=namespace)
            if fresh is None:
                raise ClusterRefused(404, reason="NotFound", message=f"service account {name} is gone")
            account = fresh
        raise ClusterRefused(409, reason="Conflict", message="others change it at the same time")

    async def _take_away(self, namespace: str, orders: Sequence[MirrorOrder]) -> str:
        """Delete the copies that no mirror asks for any more; say the trouble."""
        wanted = {(each.mirror.object_name, each.mirror.guid) for each in orders}
        for name, copy in list(self._watch.copies(namespace).items()):
            is_wanted = (name, copy.metadata.label(naming.MIRROR)) in wanted
            if is_wanted or not mirror_rules.is_ours(copy, self._names.mirror_manager):
                continue
            try:
                self._written.discard((namespace, name))
                await self._cluster.delete(SeenSecret, name, namespace=namespace, uid=copy.metadata.uid)
            except ClusterRefused as refusal:
                return _said(refusal)
            except ClusterUnreachable as trouble:
                return texts.shown(f"the cluster is out of reach: {trouble}")
            log.info("mirror.taken_away", namespace=namespace, secret=name)
        return ""

    async def _place(
        self, order: MirrorOrder, namespace: str, standing: _Standing, trouble: str
    ) -> MirrorPlace:
        mirror, accounts = order.mirror, self._watch.accounts(namespace)
        has = [
            name
            for name in mirror.accounts
            if name in accounts and mirror.object_name in accounts[name].entries
        ]
        reason = standing.reason or trouble
        missing = [name for name in mirror.accounts if name not in accounts]
        if not reason and missing:
            reason = f"there is no service account {', '.join(missing)} yet"
        pods = await self._waiting(order, namespace, standing) if standing.version else ()
        waits = PlaceState.REFUSED if standing.is_refused else PlaceState.WAITING
        return MirrorPlace(
            mirror.guid,
            namespace,
            waits if reason else PlaceState.IN_PLACE,
            reason=reason,
            version=standing.version,
            accounts=tuple(has),
            pods=tuple(pods),
            at=self._clock(),
        )

    async def _waiting(self, order: MirrorOrder, namespace: str, standing: _Standing) -> Sequence[str]:
        """Return what is to be done about pods that wait for want of the secret; nudge those that may be."""
        given_at = {
            name: at
            for name, account in self._watch.accounts(namespace).items()
            if (at := account.added(self._names.mirror_annotation).get(order.mirror.object_name))
        }
        told = []
        for pod in self._watch.pods(namespace):
            found = mirror_rules.stuck(pod, order, given_at=given_at, written_at=standing.written_at)
            if found is not None and not await self._nudge(order, pod, found, standing.version):
                told.append(found.advice)
        return sorted(told)[:MOST_PODS_TOLD]

    async def _nudge(
        self, order: MirrorOrder, pod: WaitingPod, found: mirror_rules.Stuck, version: int
    ) -> bool:
        """Delete a pod that something makes anew, a few times for each maker; return whether it goes."""
        owner = pod.owner
        is_helped = found.is_made_anew and found.why is not mirror_rules.Wait.HAS_OWN_SECRETS
        if not order.mirror.nudge or not is_helped or owner is None:
            return False
        key = (owner.uid, f"{order.mirror.guid}:{version}")
        times = self._nudged.get(key, 0)
        if times >= MOST_NUDGES:
            return False
        try:
            await self._cluster.delete(
                WaitingPod, pod.metadata.name, namespace=pod.metadata.namespace, uid=pod.metadata.uid
            )
        except (ClusterRefused, ClusterUnreachable) as trouble:
            log.warning("mirror.not_nudged", pod=pod.metadata.name, trouble=str(trouble))
            return False
        self._nudged[key] = times + 1
        while len(self._nudged) > MOST_REMEMBERED:
            self._nudged.popitem(last=False)
        log.info(
            "mirror.pod_nudged",
            mirror=order.mirror.guid,
            namespace=pod.metadata.namespace,
            pod=pod.metadata.name,
            why=found.why.value,
        )
        return True

    def _may_repair(self, namespace: str) -> bool:
        return self._repairs.setdefault(namespace, _Repairs()).may()


def _first_of_each_name(orders: Sequence[MirrorOrder]) -> Sequence[MirrorOrder]:
    """Return the orders, of those with one name for the Secret the oldest mirror's."""
    first: dict[str, MirrorOrder] = {}
    for order in sorted(orders, key=lambda each: (each.mirror.created_at, each.mirror.guid)):
        first.setdefault(order.mirror.object_name, order)
    return tuple(first.values())


def _not_ours(order: MirrorOrder) -> _Standing:
    reason = f"a Secret named {order.mirror.object_name} is there that is not Towline's; it is left as it is"
    return _Standing(reason=reason, is_refused=True)


def _standing_of(copy: SeenSecret | None) -> _Standing:
    if copy is None:
        return _Standing()
    version = _tag(copy).rpartition(":")[2]
    try:
        written_at = datetime.fromisoformat(copy.metadata.annotation(naming.MIRRORED_AT))
    except ValueError:
        written_at = None
    return _Standing(int(version) if version.isdigit() else 0, written_at)


def _tag(copy: SeenSecret) -> str:
    return copy.metadata.annotation(naming.MIRRORED)


def _wanted_tag(order: MirrorOrder) -> str:
    return f"{order.mirror.secret_guid}:{order.version}"


def _held_by(copy: SeenSecret) -> str:
    held = ", ".join(copy.metadata.finalizers or ())
    return f", held by the finalizers {held}" if held else ""


def _said(refusal: ClusterRefused) -> str:
    return texts.shown(f"the cluster answered {refusal.status} {refusal.reason}: {refusal.message}")
