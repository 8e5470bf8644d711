from collections.abc import AsyncIterator

import pytest

from parts.world import World, small_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with small_world() as made:
        yield made
