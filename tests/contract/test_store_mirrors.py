"""Mirrors and how they fare, as the store keeps them."""

from __future__ import annotations

from dataclasses import replace

from store_samples import ALPHA, later

from towline.domain.mirror import Mirror, MirrorPlace, PlaceState
from towline.domain.namespace_selector import NamespaceSelector

MIRROR = Mirror(
    "mirror-a",
    ALPHA.guid,
    "secret-one",
    "prod",
    created_at=later(0),
    namespaces=("web",),
    selector=NamespaceSelector.parse("team in (web,shop),!frozen"),
    accounts=("default",),
    nudge=True,
)
OTHER = replace(MIRROR, guid="mirror-b", secret_guid="secret-two")
WEB = MirrorPlace(
    MIRROR.guid,
    "web",
    PlaceState.WAITING,
    reason="there is no such namespace",
    version=2,
    accounts=("default",),
    pods=("shop-1: wait",),
    at=later(1),
)


async def test_a_mirror_is_kept_whole_and_found_by_its_secret(store) -> None:
    for each in (OTHER, MIRROR):
        await store.write(lambda tx, each=each: tx.mirrors.put(each))
    assert await store.read(lambda tx: tx.mirrors.get(MIRROR.guid)) == MIRROR
    assert await store.read(lambda tx: tx.mirrors.of_secret("secret-one")) == (MIRROR,)
    assert await store.read(lambda tx: tx.mirrors.all()) == (MIRROR, OTHER)
    leaving = replace(MIRROR, removed_at=later(5))
    await store.write(lambda tx: tx.mirrors.put(leaving))
    assert await store.read(lambda tx: tx.mirrors.all()) == (leaving, OTHER)


async def test_how_it_fares_is_replaced_as_a_whole_and_goes_with_it(store) -> None:
    await store.write(lambda tx: tx.mirrors.put(MIRROR))
    shop = replace(WEB, namespace="shop", state=PlaceState.IN_PLACE)
    await store.write(lambda tx: tx.mirrors.set_places(MIRROR.guid, [WEB, shop]))
    assert await store.read(lambda tx: tx.mirrors.places(MIRROR.guid)) == (shop, WEB)
    await store.write(lambda tx: tx.mirrors.set_places(MIRROR.guid, [WEB]))
    assert await store.read(lambda tx: tx.mirrors.places(MIRROR.guid)) == (WEB,)
    await store.write(lambda tx: tx.mirrors.remove(MIRROR.guid))
    assert await store.read(lambda tx: tx.mirrors.get(MIRROR.guid)) is None
    assert await store.read(lambda tx: tx.mirrors.places(MIRROR.guid)) == ()
    await store.write(lambda tx: tx.mirrors.set_places(MIRROR.guid, [WEB]))
    assert await store.read(lambda tx: tx.mirrors.places(MIRROR.guid)) == ()


async def test_a_mirror_outlives_its_project_until_the_cluster_is_rid_of_it(store) -> None:
    await store.write(lambda tx: tx.mirrors.put(MIRROR))
    await store.write(lambda tx: tx.tenants.remove_project(ALPHA.guid))
    assert await store.read(lambda tx: tx.mirrors.all()) == (MIRROR,)
