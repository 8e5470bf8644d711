"""Work that several ask for at once."""

from __future__ import annotations

import asyncio

import pytest

from towline.domain.causes import FindingCode
from towline.domain.errors import PullRefused
from towline.domain.findings import Finding
from towline.engines.embedded.sharing import Shared

REFUSED = PullRefused(Finding(FindingCode.NO_PULL_PERMISSION))


async def test_one_does_the_work_and_all_have_its_outcome() -> None:
    shared, gate, starts = Shared[int](), asyncio.Event(), []

    async def work() -> int:
        starts.append(1)
        await gate.wait()
        return 7

    asked = [asyncio.create_task(shared.get("blob", work)) for _ in range(3)]
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*asked) == [7, 7, 7]
    assert len(starts) == 1
    assert not shared.keys


async def test_who_joined_a_refused_one_tries_with_a_login_of_its_own() -> None:
    shared, gate = Shared[int](), asyncio.Event()

    async def refused() -> int:
        await gate.wait()
        raise REFUSED

    async def allowed() -> int:
        return 7

    first = asyncio.create_task(shared.get("blob", refused))
    await asyncio.sleep(0)
    joined = asyncio.create_task(shared.get("blob", allowed))
    await asyncio.sleep(0)
    gate.set()
    assert await joined == 7
    with pytest.raises(PullRefused):
        await first


async def test_who_comes_between_a_refusal_and_its_telling_lets_the_loop_go_on() -> None:
    shared, gate = Shared[int](), asyncio.Event()

    async def refused() -> int:
        await gate.wait()
        raise REFUSED

    async def allowed() -> int:
        return 7

    first = asyncio.create_task(shared.get("blob", refused))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gate.set()  # the work's next step is its last
    late = asyncio.create_task(shared.get("blob", allowed))  # and this one's first step comes right after it
    assert await late == 7
    with pytest.raises(PullRefused):
        await first


async def test_work_that_nobody_wants_any_more_ends() -> None:
    shared, ended = Shared[int](), asyncio.Event()

    async def endless() -> int:
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            ended.set()

    wanting = asyncio.create_task(shared.get("blob", endless))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    wanting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wanting
    assert ended.is_set()
    assert not shared.keys
