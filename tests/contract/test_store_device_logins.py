from dataclasses import replace
from datetime import timedelta

import pytest
from store_samples import later

from towline.domain.device_login import LIFE, DeviceLogin, DeviceLoginState
from towline.domain.errors import Conflict


def login(name: str = "one", *, peer: str = "10.0.0.1", at: float = 0) -> DeviceLogin:
    digests = f"{name}-device".encode(), f"{name}-user".encode()
    return DeviceLogin.begun(*digests, client_id="rio-cli", peer=peer, at=later(at))


async def added(store, *logins):
    for each in logins:
        await store.write(lambda tx, one=each: tx.device_logins.add(one))


async def test_a_login_is_found_by_either_code_as_it_was_kept(store):
    await added(store, login(), login("two"))
    assert await store.read(lambda tx: tx.device_logins.by_device(b"one-device")) == login()
    assert await store.read(lambda tx: tx.device_logins.by_user_code(b"two-user")) == login("two")
    assert await store.read(lambda tx: tx.device_logins.by_device(b"one-user")) is None
    assert await store.read(lambda tx: tx.device_logins.by_user_code(b"one-device")) is None


async def test_a_user_code_in_use_is_refused(store):
    await added(store, login())
    with pytest.raises(Conflict):
        await added(store, replace(login(), device_digest=b"another"))


async def test_what_changes_is_saved(store):
    await added(store, login(), login("two"))
    changed = replace(
        login(),
        interval=timedelta(seconds=7),
        polled_at=later(3),
        state=DeviceLoginState.APPROVED,
        user_guid="somebody",
    )
    await store.write(lambda tx: tx.device_logins.save(changed))
    assert await store.read(lambda tx: tx.device_logins.by_device(b"one-device")) == changed
    assert await store.read(lambda tx: tx.device_logins.by_device(b"two-device")) == login("two")


async def test_a_login_is_removed_alone(store):
    await added(store, login(), login("two"))
    await store.write(lambda tx: tx.device_logins.remove(b"one-device"))
    assert await store.read(lambda tx: tx.device_logins.by_device(b"one-device")) is None
    assert await store.read(lambda tx: tx.device_logins.count()) == 1


async def test_what_has_ended_is_removed_and_the_rest_counted(store):
    await added(store, login(), login("two", at=60), login("three", peer="10.0.0.2", at=60))
    assert await store.read(lambda tx: tx.device_logins.count()) == 3
    assert await store.read(lambda tx: tx.device_logins.count(peer="10.0.0.1")) == 2
    removed = await store.write(lambda tx: tx.device_logins.remove_expired(later(0) + LIFE))
    assert removed == 1
    assert await store.read(lambda tx: tx.device_logins.count(peer="10.0.0.1")) == 1
