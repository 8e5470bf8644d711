"""Which key each sealed value stands under, on every database."""

from dataclasses import replace

import pytest
from store_samples import ALPHA, later, opaque_secret, pull_secret

from towline.domain.errors import Conflict
from towline.domain.events import NoticeFormat, Webhook


def sealed_under(key_id: str, tail: bytes = b"...") -> bytes:
    return bytes((2, len(key_id))) + key_id.encode() + tail


HOOK = Webhook(
    "webhook-1",
    "hook",
    project_guid=ALPHA.guid,
    url="https://hooks.example.com/x",
    format=NoticeFormat.JSON,
    kinds=(),
    created_at=later(0),
)


@pytest.fixture
async def keyed(store):
    def fill(tx):
        tx.secrets.add(replace(pull_secret("a"), sealed=sealed_under("old")))
        tx.secrets.add(replace(opaque_secret("b"), sealed=sealed_under("old")))
        tx.secrets.add(replace(opaque_secret("c"), sealed=sealed_under("new")))
        tx.webhooks.add(HOOK, sealed_under("old"))

    await store.write(fill)
    return store


async def test_uses_are_counted_by_key_and_kind(keyed):
    assert await keyed.read(lambda tx: tx.keys.uses()) == {
        "old": {"secret": 2, "webhook": 1},
        "new": {"secret": 1},
    }


async def test_values_are_walked_in_batches_by_key(keyed):
    def walk(tx, **which):
        found, after = [], ""
        while batch := tx.keys.sealed("secret", after=after, most=1, **which):
            found.append((batch[0].name, batch[0].project, batch[0].key_id))
            after = batch[0].place
        return found

    assert await keyed.read(walk) == [
        ("a", "alpha", "old"),
        ("b", "alpha", "old"),
        ("c", "alpha", "new"),
    ]
    assert await keyed.read(lambda tx: walk(tx, other_than="old")) == [("c", "alpha", "new")]
    assert [name for name, *_ in await keyed.read(lambda tx: walk(tx, only=["old"]))] == ["a", "b"]
    assert await keyed.read(lambda tx: walk(tx, only=[])) == []


async def test_a_value_is_put_back_only_in_place_of_what_was_read(keyed):
    (first, *_) = await keyed.read(lambda tx: tx.keys.sealed("secret", after="", most=9))
    (hook,) = await keyed.read(lambda tx: tx.keys.sealed("webhook", after="", most=9))
    for value in (first, hook):
        assert await keyed.write(lambda tx, value=value: tx.keys.rewrapped(value, sealed_under("new")))
        assert not await keyed.write(lambda tx, value=value: tx.keys.rewrapped(value, sealed_under("new")))
    assert (await keyed.read(lambda tx: tx.keys.uses()))["new"] == {"secret": 2, "webhook": 1}


async def test_a_used_key_is_not_retired_and_a_retired_one_takes_no_value_any_more(keyed):
    with pytest.raises(Conflict, match="3 values still stand under it"):
        await keyed.write(lambda tx: tx.keys.retire("old", at=later(1)))
    await keyed.write(lambda tx: tx.keys.retire("spare", at=later(1)))
    await keyed.write(lambda tx: tx.keys.retire("spare", at=later(2)))
    assert await keyed.read(lambda tx: tx.keys.retired()) == ("spare",)
    late = replace(opaque_secret("d"), sealed=sealed_under("spare"))
    with pytest.raises(Conflict, match="spare was retired"):
        await keyed.write(lambda tx: tx.secrets.add(late))
    with pytest.raises(Conflict, match="spare was retired"):
        await keyed.write(
            lambda tx: tx.webhooks.add(replace(HOOK, guid="w2", name="two"), sealed_under("spare"))
        )


async def test_replaced_versions_stand_under_no_key(keyed):
    record = await keyed.read(lambda tx: tx.secrets.get(ALPHA.guid, "b"))
    metadata = record.secret.metadata.replaced(labels={}, at=later(9))
    newer = replace(record, secret=replace(record.secret, metadata=metadata), sealed=sealed_under("new"))
    await keyed.write(lambda tx: tx.secrets.save(newer))
    same = replace(newer, sealed=sealed_under("newer"))
    await keyed.write(lambda tx: tx.secrets.save(same))
    assert await keyed.read(lambda tx: tx.keys.uses()) == {
        "old": {"secret": 1, "webhook": 1},
        "new": {"secret": 1},
        "newer": {"secret": 1},
    }


async def test_values_of_an_older_towline_get_their_key_noted(keyed):
    def forget(tx):
        tx.keys._connection.execute("UPDATE secret_versions SET key_id = NULL")
        tx.keys._connection.execute("UPDATE webhooks SET key_id = NULL")

    before = await keyed.read(lambda tx: tx.keys.uses())
    await keyed.write(forget)
    assert await keyed.read(lambda tx: tx.keys.uses()) == {}
    await keyed.write(lambda tx: tx.keys.name_all())
    assert await keyed.read(lambda tx: tx.keys.uses()) == before
