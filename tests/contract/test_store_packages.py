from dataclasses import replace

import pytest
from store_samples import ALPHA, BETA, all_pages, package, spec

from towline.domain.errors import Conflict
from towline.domain.listing import LabelSelector, Page

ANY = LabelSelector()


async def with_packages(store, *packages):
    def change(tx):
        for each in packages:
            tx.packages.add(each)

    await store.write(change)


async def get(store, name, version="", *, project=ALPHA):
    return await store.read(lambda tx: tx.packages.get(project.guid, name, version=version))


async def test_a_package_comes_back_as_it_was_by_name_and_by_guid(store):
    made = package("talker", labels={"a": "b"})
    await with_packages(store, made)
    assert await get(store, "talker") == made
    assert await get(store, made.guid) == made
    assert await get(store, made.guid, "v1") == made
    assert await get(store, made.guid, "v2") is None
    assert await get(store, "talker", project=BETA) is None


async def test_without_a_version_the_newest_created_is_meant(store):
    await with_packages(store, package("talker", "v2"), package("talker", "v1"), package("other", "v3"))
    assert (await get(store, "talker")).version == "v1"
    assert (await get(store, "talker", "v2")).version == "v2"
    assert await get(store, "talker", "v3") is None


async def test_a_name_wins_over_a_guid(store):
    await with_packages(store, package("first", guid="pkg-first"), package("pkg-first", guid="pkg-second"))
    assert (await get(store, "pkg-first")).guid == "pkg-second"


async def test_name_and_version_are_taken_once(store):
    await with_packages(store, package("talker"))
    with pytest.raises(Conflict, match="'talker' 'v1' exists"):
        await with_packages(store, package("talker", guid="pkg-other"))


async def test_one_version_is_removed_and_returned(store):
    await with_packages(store, package("talker", "v1"), package("talker", "v2"))
    gone = await store.write(lambda tx: tx.packages.remove(ALPHA.guid, "talker", version="v1"))
    assert gone == package("talker", "v1")
    assert await get(store, "talker", "v1") is None
    assert await get(store, "talker") == package("talker", "v2")
    assert await store.write(lambda tx: tx.packages.remove(ALPHA.guid, "talker", version="v1")) is None


async def test_pages_come_in_order_of_creation_and_can_be_narrowed(store):
    made = [package("b", labels={"team": "red"}), package("a"), package("b", "v2", labels={"team": "red"})]
    await with_packages(store, *made)

    def ask(tx, **which):
        which = {"selector": ANY, **which}
        return all_pages(lambda page: tx.packages.page(ALPHA.guid, page, **which), limit=2)

    assert await store.read(ask) == [made[:2], made[2:]]
    assert await store.read(lambda tx: ask(tx, name="b")) == [[made[0], made[2]]]
    red = LabelSelector((("team", "red"),))
    assert await store.read(lambda tx: ask(tx, selector=red)) == [[made[0], made[2]]]
    assert (await store.read(lambda tx: tx.packages.page(BETA.guid, Page(), selector=ANY))).next is None


async def test_packages_that_mention_a_word_are_counted_and_found_by_the_whole_of_it(store):
    def change(tx):
        tx.packages.add(package("talker"))
        tx.packages.add(replace(package("quiet"), spec=spec(secrets=['pull"er'])))

    await store.write(change)
    assert await store.read(lambda tx: tx.packages.count(ALPHA.guid)) == 2
    assert await store.read(lambda tx: tx.packages.count(BETA.guid)) == 0

    async def mentioning(*words):
        found = await store.read(lambda tx: tx.packages.mentioning(ALPHA.guid, words))
        return [each.name for each in found]

    assert await mentioning("pull") == ["talker"]
    assert await mentioning('pull"er') == ["quiet"]
    assert await mentioning("pull", 'pull"er') == ["talker", "quiet"]
    assert await mentioning("pul") == []
    assert await mentioning() == []
