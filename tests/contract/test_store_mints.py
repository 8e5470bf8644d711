from dataclasses import replace

import pytest
from store_samples import ALPHA, later, pull_secret

from towline.domain.errors import NotFound
from towline.ports import Binding, DueRenewal, MintRecord

SECRET, OTHER = pull_secret("pull"), pull_secret("other")
GUID, OTHER_GUID = SECRET.secret.metadata.guid, OTHER.secret.metadata.guid


def parent(guid: str = GUID, name: str = "mint-one") -> MintRecord:
    return MintRecord(guid, Binding(ALPHA.guid, name, version=1), f"sealed {name}".encode())


@pytest.fixture
async def minted(store):
    def change(tx):
        for number, (secret, guid) in enumerate(((SECRET, GUID), (OTHER, OTHER_GUID))):
            tx.secrets.add(secret)
            tx.mints.put(parent(guid), due=later(10 + number))

    await store.write(change)
    return store


async def test_a_parent_credential_is_kept_and_replaced(minted):
    assert await minted.read(lambda tx: tx.mints.get(GUID)) == parent()
    await minted.write(lambda tx: tx.mints.put(parent(name="mint-two"), due=later(5)))
    assert await minted.read(lambda tx: tx.mints.get(GUID)) == parent(name="mint-two")
    assert await minted.read(lambda tx: tx.mints.next_due()) == later(5)
    await minted.write(lambda tx: tx.mints.remove(GUID))
    assert await minted.read(lambda tx: tx.mints.get(GUID)) is None


async def test_what_is_due_is_claimed_once_and_comes_again_if_nobody_sets_it(minted):
    async def claim(now, most=9):
        return await minted.write(
            lambda tx: tx.mints.claim(now=later(now), until=later(now + 100), most=most)
        )

    assert await minted.read(lambda tx: tx.mints.waiting(later(9))) == 0
    assert await claim(9) == ()
    assert await minted.read(lambda tx: tx.mints.waiting(later(11))) == 2
    assert await claim(11, most=1) == (DueRenewal(ALPHA.guid, GUID),)
    assert await claim(11) == (DueRenewal(ALPHA.guid, OTHER_GUID),)
    assert await claim(11) == ()
    await minted.write(lambda tx: tx.mints.due(GUID, later(500)))
    assert await claim(112) == (DueRenewal(ALPHA.guid, OTHER_GUID),)


async def test_a_parent_credential_goes_with_its_secret(minted):
    await minted.write(lambda tx: tx.secrets.remove(ALPHA.guid, "pull"))
    assert await minted.read(lambda tx: tx.mints.get(GUID)) is None
    assert await minted.read(lambda tx: tx.mints.next_due()) == later(11)


async def test_a_renewal_takes_the_place_of_the_version_before(minted):
    fresh = pull_secret("pull", version=2)
    await minted.write(lambda tx: tx.secrets.renew(fresh))
    assert await minted.read(lambda tx: tx.secrets.get(ALPHA.guid, "pull")) == fresh
    await minted.write(lambda tx: tx.secrets.save(pull_secret("pull", version=3)))
    await minted.write(lambda tx: tx.secrets.renew(pull_secret("pull", version=4)))
    assert await minted.read(lambda tx: tx.secrets.document(ALPHA.guid, "pull")) == b'{"pull": 4}'


async def test_a_secret_that_is_gone_cannot_be_renewed(minted):
    gone = replace(SECRET.secret, metadata=replace(SECRET.secret.metadata, guid="secret-gone"))
    with pytest.raises(NotFound):
        await minted.write(lambda tx: tx.secrets.renew(replace(SECRET, secret=gone)))


async def test_parent_credentials_move_with_the_keys_as_all_sealed_values_do(minted):
    def sealed(tx):
        return [value.binding for value in tx.keys.sealed("parent-credential", after="", most=9)]

    assert await minted.read(sealed) == [parent().binding, parent().binding]
