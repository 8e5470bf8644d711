"""Mirrors as people ask for them, and what a cluster is told to keep."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from parts.world import REGISTRY, docker_draft, opaque_draft
from towline.domain.credential import IDENTITY_USER
from towline.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from towline.domain.listing import Page
from towline.domain.mirror import MirrorDraft, MirrorOrder, MirrorPlace, PlaceState
from towline.services.mirror_keeping import MirrorKeeping
from towline.services.mirrors import Mirrors

if TYPE_CHECKING:
    from parts.world import World

DRAFT = MirrorDraft.checked(
    namespaces=("web", "shop"), selector="", accounts=("default",), object_name="", nudge=False
)


@dataclass
class KeptOrders:
    """A cluster that does what it is told at once; ``slow`` has it still hold what was given up."""

    orders: Sequence[MirrorOrder] = ()
    slow: bool = False
    defect: Exception | None = None
    running: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def order(self, orders: Sequence[MirrorOrder]) -> None:
        """Take over what is to be kept."""
        self.orders = orders

    async def is_clear_of(self, mirror_guid: str) -> bool:
        """Whether nothing of a mirror is held."""
        return not self.slow and mirror_guid not in {each.mirror.guid for each in self.orders}

    async def run(self, *, hand_out, tell) -> None:
        """Note that it runs."""
        self.hand_out, self.tell = hand_out, tell
        self.running.set()
        try:
            if self.defect is not None:
                raise self.defect
            await asyncio.Event().wait()
        finally:
            self.ended.set()


@pytest.fixture
def cluster() -> KeptOrders:
    return KeptOrders()


@pytest.fixture
def keeping(world: World, cluster: KeptOrders) -> MirrorKeeping:
    return keeping_on(world, {"kubernetes": cluster})


def keeping_on(world: World, targets: dict[str, KeptOrders]) -> MirrorKeeping:
    return MirrorKeeping(
        store=world.store,
        keychain=world.keychain,
        targets=lambda: targets,
        own="kubernetes",
        bell=world.bell,
        clock=world.clock,
    )


def mirrors_on(world: World, *clusters: str, allowed: Sequence[str]) -> Mirrors:
    """Return the mirrors of an installation that has these clusters, and calls its own ``kubernetes``."""
    numbers = itertools.count()
    return Mirrors(
        store=world.store,
        bell=world.bell,
        clock=world.clock,
        new_guid=lambda kind: f"{kind}-{next(numbers)}",
        allowed=allowed,
        clusters=lambda: clusters,
        own="kubernetes",
    )


def token_until(moment: datetime) -> str:
    """Return a JSON web token that runs out then, without a signature worth the name."""
    parts = ({"alg": "RS256"}, {"exp": int(moment.timestamp())})
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return ".".join((*encoded, "c2lnbmF0dXJl"))


async def added(world: World, draft: MirrorDraft = DRAFT):
    await world.secrets.create(world.access, docker_draft())
    return (await world.mirrors.add(world.access, "pull", draft, peer="127.0.0.1")).mirror


async def test_a_mirror_is_kept_and_written_down_as_a_door(world: World) -> None:
    mirror = await added(world)
    assert mirror.object_name == "pull"
    assert [state.mirror for state in await world.mirrors.list(world.access, "pull")] == [mirror]
    actor, action, outcome, detail = (await world.rows())[-1]
    assert (actor, action, outcome) == (world.access.actor, "mirror.added", "ok")
    assert (detail["door"], detail["namespaces"], detail["accounts"]) == ("mirror", "web shop", "default")
    await world.mirrors.remove(world.access, "pull", mirror.guid)
    assert (await world.actions())[-1] == "mirror.removed"
    await world.mirrors.remove(world.access, "pull", mirror.guid)
    assert (await world.actions()).count("mirror.removed") == 1


async def test_what_cannot_be_mirrored_is_refused_with_the_reason(world: World) -> None:
    await world.secrets.create(world.access, opaque_draft())
    with pytest.raises(InvalidInput, match="only Docker secrets are mirrored"):
        await world.mirrors.add(world.access, "keys", DRAFT, peer="")
    await world.secrets.create(world.access, docker_draft("token", username=IDENTITY_USER))
    with pytest.raises(InvalidInput, match="kubelets ignore"):
        await world.mirrors.add(world.access, "token", DRAFT, peer="")
    with pytest.raises(NotFound):
        await world.mirrors.add(world.access, "absent", DRAFT, peer="")
    elsewhere = replace(DRAFT, namespaces=("web", "finance"))
    with pytest.raises(InvalidInput) as caught:
        await world.mirrors.add(world.access, "token", elsewhere, peer="")
    assert caught.value.field == "spec.namespaces[1]"


@pytest.mark.parametrize(
    ("clusters", "allowed", "said"),
    [
        ((), ("web",), "no Kubernetes cluster"),
        (("kubernetes",), (), "kubernetes_mirror_namespaces"),
        (("kubernetes",), ("prod/web",), "kubernetes_mirror_namespaces"),
    ],
)
async def test_an_installation_that_keeps_no_mirrors_says_so(world: World, clusters, allowed, said) -> None:
    mirrors = mirrors_on(world, *clusters, allowed=allowed)
    with pytest.raises(Conflict, match=said):
        await mirrors.add(world.access, "pull", DRAFT, peer="")
    assert not mirrors.choices


async def test_a_mirror_names_its_cluster_where_there_are_several(world: World) -> None:
    await world.secrets.create(world.access, docker_draft())
    mirrors = mirrors_on(world, "prod", "lab", allowed=("prod/web", "prod/shop", "lab/*", "web"))
    assert mirrors.choices == ["lab", "prod"]
    for engine, said in (("", "there are several"), ("docker", "no engine"), ("kubernetes", "no engine")):
        with pytest.raises(InvalidInput, match=said) as caught:
            await mirrors.add(world.access, "pull", replace(DRAFT, engine=engine), peer="")
        assert caught.value.field == "spec.engine"
        assert caught.value.rule == "use one of lab, prod"
    foreign = replace(DRAFT, engine="prod", namespaces=("finance",))
    with pytest.raises(InvalidInput, match="choose among web shop"):
        await mirrors.add(world.access, "pull", foreign, peer="")
    made = await mirrors.add(world.access, "pull", replace(DRAFT, engine="prod"), peer="")
    assert (made.engine, made.mirror.engine) == ("prod", "prod")
    only = mirrors_on(world, "prod", allowed=("prod/web", "prod/shop"))
    assert (await only.add(world.access, "pull", DRAFT, peer="")).engine == "prod"
    own = mirrors_on(world, "prod", "kubernetes", allowed=("prod/web", "web", "shop"))
    assert own.choices == ["kubernetes", "prod"]
    added = await own.add(world.access, "pull", replace(DRAFT, engine="kubernetes"), peer="")
    assert (added.engine, added.mirror.engine) == ("kubernetes", "")


async def test_each_cluster_is_told_of_its_own_mirrors_and_one_that_goes_is_let_be(world: World) -> None:
    await world.secrets.create(world.access, docker_draft())
    mirrors = mirrors_on(world, "kubernetes", "prod", allowed=("web", "shop", "prod/web", "prod/shop"))
    here = (await mirrors.add(world.access, "pull", DRAFT, peer="")).mirror
    there = (await mirrors.add(world.access, "pull", replace(DRAFT, engine="prod"), peer="")).mirror
    targets = {"kubernetes": KeptOrders(), "prod": KeptOrders()}
    first = targets["prod"]
    running = asyncio.create_task(keeping_on(world, targets).run())
    for target, mirror in zip(targets.values(), (here, there), strict=True):
        await target.running.wait()
        assert [order.mirror for order in target.orders] == [mirror]
    targets["prod"] = KeptOrders()  # the engine was removed, and added again
    world.bell.ring()
    await targets["prod"].running.wait()
    await first.ended.wait()
    assert [order.mirror for order in targets["prod"].orders] == [there]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await targets["prod"].ended.wait()


async def test_what_ends_one_clusters_mirrors_ends_no_others(world: World) -> None:
    await world.secrets.create(world.access, docker_draft())
    mirrors = mirrors_on(world, "kubernetes", "prod", allowed=("web", "shop", "prod/web", "prod/shop"))
    await mirrors.add(world.access, "pull", DRAFT, peer="")
    await mirrors.add(world.access, "pull", replace(DRAFT, engine="prod"), peer="")
    targets = {"kubernetes": KeptOrders(), "prod": KeptOrders(defect=RuntimeError("the client was closed"))}
    running = asyncio.create_task(keeping_on(world, targets).run())
    await targets["prod"].ended.wait()
    targets["prod"].defect = None
    targets["prod"].running.clear()
    world.bell.ring()
    await targets["prod"].running.wait()
    assert not targets["kubernetes"].ended.is_set()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_token_needs_the_scope_for_this_secrets_password(world: World) -> None:
    await world.secrets.create(world.access, docker_draft())
    robot = await world.scoped("secrets:write", "secrets:export:other")
    with pytest.raises(NotAllowed, match="secrets:export:pull"):
        await world.mirrors.add(robot, "pull", DRAFT, peer="10.0.0.9")
    _, action, outcome, detail = (await world.rows())[-1]
    assert (action, outcome, detail["door"]) == ("credential.refused", "not-allowed", "mirror")
    able = await world.scoped("secrets:export:pull", name="able")
    await world.mirrors.add(able, "pull", DRAFT, peer="10.0.0.9")


async def test_a_secret_has_no_more_mirrors_than_people_can_look_through(world: World) -> None:
    await added(world)
    for _ in range(19):
        await world.mirrors.add(world.access, "pull", DRAFT, peer="")
    with pytest.raises(InvalidInput, match="at most 20"):
        await world.mirrors.add(world.access, "pull", DRAFT, peer="")


async def test_a_cluster_is_told_the_present_version_and_each_copy_is_an_audit_row(
    world: World, keeping: MirrorKeeping, cluster: KeptOrders
) -> None:
    mirror = await added(world)
    running = asyncio.create_task(keeping.run())
    await cluster.running.wait()
    [order] = cluster.orders
    assert (order.mirror, order.version, order.held_back) == (mirror, 1, "")
    handed = await cluster.hand_out(order, "web")
    assert handed.credential.password.reveal() == "hunter2"
    actor, action, _, detail = (await world.rows())[-1]
    assert (actor, action) == (f"mirror:{mirror.guid}", "secret.opened")
    assert (detail["door"], detail["namespace"], detail["object"]) == ("mirror", "web", "pull")

    await world.secrets.replace(world.access, "pull", docker_draft(password="rotated"))
    assert await cluster.hand_out(order, "web") is None
    await keeping.round()
    [again] = cluster.orders
    assert again.version == 2
    assert (await cluster.hand_out(again, "web")).credential.password.reveal() == "rotated"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_refused_or_outlived_credential_is_held_back(
    world: World, keeping: MirrorKeeping, cluster: KeptOrders
) -> None:
    await added(world)
    world.prover.registry(REGISTRY, robot="hunter2")
    await world.secrets.replace(world.access, "pull", docker_draft(password="wrong"))
    assert await keeping.round()
    assert "is refused by its registry (wrong-credentials)" in cluster.orders[0].held_back
    expires = world.clock() + timedelta(hours=1)
    world.prover.registries.clear()
    await world.secrets.replace(world.access, "pull", docker_draft(password=token_until(expires)))
    await keeping.round()
    assert cluster.orders[0].held_back == ""
    world.clock.advance(seconds=3601)
    await keeping.round()
    assert "version 3 of the secret ran out" in cluster.orders[0].held_back


async def test_a_mirror_is_forgotten_once_the_cluster_is_rid_of_it(
    world: World, keeping: MirrorKeeping, cluster: KeptOrders
) -> None:
    mirror = await added(world)
    await keeping.round()
    cluster.slow = True
    await world.secrets.delete(world.access, "pull")
    assert await keeping.round()
    assert cluster.orders == []
    assert await world.store.read(lambda tx: tx.mirrors.get(mirror.guid)) == mirror
    cluster.slow = False
    await keeping.round()
    assert not await keeping.round()


async def test_what_goes_wrong_is_kept_and_told_once(
    world: World, keeping: MirrorKeeping, cluster: KeptOrders
) -> None:
    mirror = await added(world)
    running = asyncio.create_task(keeping.run())
    await cluster.running.wait()
    fine = MirrorPlace(mirror.guid, "shop", PlaceState.IN_PLACE, version=1, at=world.clock())
    bad = MirrorPlace(mirror.guid, "web", PlaceState.REFUSED, reason="it is theirs", at=world.clock())
    await cluster.tell(mirror.guid, [fine, bad])
    await cluster.tell(mirror.guid, [fine, replace(bad, at=world.clock() + timedelta(seconds=9))])
    [state] = await world.mirrors.list(world.access, "pull")
    assert [place.namespace for place in state.places] == ["shop", "web"]
    events = await world.webhooks.events(world.access, Page())
    told = [event for event in events.items if event.kind.value == "secret.mirror-trouble"]
    assert [event.headline for event in told] == ["Secret pull, mirrored into web: it is theirs."]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
