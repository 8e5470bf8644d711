"""The one-time set-up link, on a store without any user."""

from collections.abc import AsyncIterator

import pytest

from parts.fakes import CountedGuids, CountedTokens, ManualClock, QuickHasher
from towline.domain.account import OrganizationRole
from towline.domain.credential import Password
from towline.domain.errors import InvalidInput, NotSignedIn
from towline.services.accounts import Accounts
from towline.store.sqlite import SqliteStore


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def accounts(clock: ManualClock) -> AsyncIterator[Accounts]:
    store = SqliteStore.memory()
    yield Accounts(
        store=store, hasher=QuickHasher(), clock=clock, new_guid=CountedGuids(), new_token=CountedTokens()
    )
    await store.close()


async def _complete(
    accounts: Accounts, token: str, *, password: str = "long enough", project: str = "demo"
) -> str:
    return await accounts.complete_setup(
        token,
        email="first@example.com",
        password=Password(password),
        first_name="Fi",
        last_name="Rst",
        organization="acme",
        project=project,
    )


async def _token(accounts: Accounts) -> str:
    token = await accounts.setup_token()
    assert token is not None
    return token


async def test_the_set_up_makes_the_first_user_admin_of_everything_and_signs_in(accounts: Accounts) -> None:
    signed_in = await _complete(accounts, await _token(accounts))
    profile = await accounts.me(await accounts.authenticate(signed_in))
    assert [roles for _, roles in profile.organizations] == [(OrganizationRole.ADMIN.value,)]
    assert [project.name for project, _, _ in profile.projects] == ["demo"]
    assert await accounts.setup_token() is None


async def test_the_link_works_once(accounts: Accounts) -> None:
    token = await _token(accounts)
    await _complete(accounts, token)
    with pytest.raises(NotSignedIn):
        await _complete(accounts, token)


async def test_the_link_ends_after_a_day(accounts: Accounts, clock: ManualClock) -> None:
    token = await _token(accounts)
    clock.advance(hours=24)
    with pytest.raises(NotSignedIn, match="restart"):
        await _complete(accounts, token)


async def test_a_fresh_link_replaces_the_one_before(accounts: Accounts) -> None:
    old, new = await _token(accounts), await _token(accounts)
    with pytest.raises(NotSignedIn):
        await _complete(accounts, old)
    assert await _complete(accounts, new)


async def test_a_guessed_link_does_not_fit(accounts: Accounts) -> None:
    await _token(accounts)
    for guess in ("", "tow_guess", "x" * 54, "\u00e9" * 54):
        with pytest.raises(NotSignedIn):
            await _complete(accounts, guess)


async def test_a_password_too_short_does_not_burn_the_link(accounts: Accounts) -> None:
    token = await _token(accounts)
    with pytest.raises(InvalidInput, match="at least 8 characters"):
        await _complete(accounts, token, password="short")
    assert await _complete(accounts, token)


async def test_the_first_user_needs_a_project(accounts: Accounts) -> None:
    with pytest.raises(InvalidInput) as caught:
        await _complete(accounts, await _token(accounts), project="")
    assert caught.value.field == "project"
