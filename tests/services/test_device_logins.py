"""A program that waits to be signed in: services on the real store, a clock by hand."""

from dataclasses import replace

import pytest

from parts.fakes import CountedNumbers, CountedTokens
from parts.world import JANE
from towline.domain.account import Permission
from towline.domain.device_login import INTERVAL, LIFE, DeviceLoginState, Granted, PollAnswer
from towline.domain.errors import InvalidInput, NotAllowed, Throttled
from towline.services.device_logins import MOST_OF_PEER, DeviceLogins
from towline.services.throttle import LoginThrottle
from towline.services.tokens import digest_of

APPROVED, DENIED = DeviceLoginState.APPROVED, DeviceLoginState.DENIED
CLIENT = "rio-cli"


async def begun(world, peer="10.0.0.1"):
    return await world.device_logins.begin(CLIENT, peer=peer)


async def answered(world, user_code, state=APPROVED):
    return await world.device_logins.answer(world.access.principal, user_code, state)


async def test_an_approved_program_gets_a_token_that_works_once(world):
    one = await begun(world)
    assert await world.device_logins.poll(one.device_code, CLIENT) is PollAnswer.PENDING
    await answered(world, one.user_code)
    world.clock.advance(seconds=INTERVAL.total_seconds())
    granted = await world.device_logins.poll(one.device_code, CLIENT)
    assert isinstance(granted, Granted)
    assert (await world.accounts.authenticate(granted.token)).user.email == JANE
    world.clock.advance(seconds=INTERVAL.total_seconds())
    assert await world.device_logins.poll(one.device_code, CLIENT) is PollAnswer.UNKNOWN


async def test_who_approves_and_what_comes_of_it_is_in_the_trail(world):
    one, two = await begun(world), await begun(world)
    await answered(world, one.user_code)
    await answered(world, two.user_code, DENIED)
    await world.device_logins.poll(one.device_code, CLIENT)
    rows = (await world.rows())[-3:]
    facts = {"client": CLIENT, "peer": "10.0.0.1"}
    assert rows[0] == (JANE, "device-login.approved", "ok", facts)
    assert rows[1] == (JANE, "device-login.denied", "ok", facts)
    assert rows[2][:3] == (JANE, "user.signed-in", "ok")
    assert rows[2][3] == {"peer": "10.0.0.1", "level": "med", "door": f"device {CLIENT}"}


async def test_a_denied_program_hears_so_and_gets_nothing(world):
    one = await begun(world)
    await answered(world, one.user_code, DENIED)
    assert await world.device_logins.poll(one.device_code, CLIENT) is PollAnswer.DENIED
    with pytest.raises(InvalidInput):
        await answered(world, one.user_code, APPROVED)


async def test_codes_are_nowhere_in_the_store_but_as_digests(world):
    one = await begun(world)
    kept = await world.store.read(lambda tx: tx.device_logins.by_device(digest_of(one.device_code)))
    assert one.device_code.encode() not in repr(kept).encode()
    assert one.user_code.replace("-", "") not in repr(kept)
    assert one.user_code not in repr(kept)


async def test_a_restarted_server_goes_on_with_what_waits(world):
    one = await begun(world)
    world.device_logins = DeviceLogins(
        store=world.store,
        issuing=world.accounts.issuing,
        clock=world.clock,
        new_code=CountedTokens(),
        below=CountedNumbers(),
        throttle=LoginThrottle(clock=world.clock, what="wrong codes"),
    )
    await answered(world, one.user_code)
    assert isinstance(await world.device_logins.poll(one.device_code, CLIENT), Granted)


async def test_an_expired_code_is_over_for_both(world):
    one = await begun(world)
    world.clock.advance(seconds=LIFE.total_seconds())
    assert await world.device_logins.poll(one.device_code, CLIENT) is PollAnswer.EXPIRED
    with pytest.raises(InvalidInput, match="no program waits"):
        await answered(world, one.user_code)


async def test_the_code_of_one_program_is_nothing_to_another(world):
    one = await begun(world)
    await answered(world, one.user_code)
    assert await world.device_logins.poll(one.device_code, "another") is PollAnswer.UNKNOWN
    assert await world.device_logins.poll("guessed", CLIENT) is PollAnswer.UNKNOWN
    assert await world.device_logins.poll("x" * 500, CLIENT) is PollAnswer.UNKNOWN
    assert await world.device_logins.poll("gu\u00e9ssed", CLIENT) is PollAnswer.UNKNOWN


async def test_guessing_codes_is_stopped_though_right_ones_come_between(world):
    mine = await begun(world)
    for number in range(10):
        with pytest.raises(InvalidInput):
            await world.device_logins.find(world.access.principal, f"BCDF-GHJ{'KLMNPQRSTV'[number]}")
        if number < 9:
            await world.device_logins.find(world.access.principal, mine.user_code)
    with pytest.raises(Throttled, match="too many wrong codes; try again in"):
        await world.device_logins.find(world.access.principal, mine.user_code)
    assert (await world.rows())[-1][:3] == (JANE, "device-login.found", "refused")
    world.clock.advance(minutes=5)
    assert await world.device_logins.find(world.access.principal, mine.user_code) == mine.login


async def test_who_came_with_a_limited_token_lets_nobody_in(world):
    one = await begun(world)
    limited = replace(world.access.principal, ceiling=Permission.DEPLOY)
    with pytest.raises(NotAllowed):
        await world.device_logins.answer(limited, one.user_code, APPROVED)


async def test_one_peer_cannot_fill_the_store_and_what_has_ended_makes_room(world):
    for _ in range(MOST_OF_PEER):
        await begun(world)
    with pytest.raises(Throttled, match="too many logins wait"):
        await begun(world)
    await begun(world, peer="10.0.0.2")
    world.clock.advance(seconds=(2 * LIFE).total_seconds())
    await begun(world)
