"""What looks through a whole project is read beside the loop, so that nobody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from parts.world import REGISTRY, World, docker_draft
from towline.services.doors import Doors
from towline.services.views import Order, SecretFilter, Views


class Watched:
    """A store of which one sees on which threads its questions run."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.threads: set[int] = set()

    async def read(self, question: Callable[[Any], Any]) -> Any:
        return await self._store.read(self._noting(question))

    async def survey(self, question: Callable[[Any], Any]) -> Any:
        return await self._store.survey(self._noting(question))

    def _noting(self, question: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def noted(tx: Any) -> Any:
            self.threads.add(threading.get_ident())
            return question(tx)

        return noted


@pytest.fixture
async def watched(world: World) -> Watched:
    await world.secrets.create(world.access, docker_draft("pull"))
    return Watched(world.store)


async def test_the_list_of_a_credential_helper(world: World, watched: Watched) -> None:
    doors = Doors(
        store=watched,  # type: ignore[arg-type]
        keychain=world.keychain,
        service_accounts=world.doors._service_accounts,
        clock=world.clock,
    )
    assert await doors.registries(world.access) == {REGISTRY: "robot"}
    assert threading.get_ident() not in watched.threads


async def test_what_one_searches_for_and_sorts(world: World, watched: Watched) -> None:
    views = Views(store=watched)  # type: ignore[arg-type]
    await views.shelf(world.access, SecretFilter("pu"))
    await views.shelf(world.access, SecretFilter(), order=Order.UPDATED)
    await views.packages(world.access, text="app")
    await views.deployments(world.access, text="app")
    assert threading.get_ident() not in watched.threads
    await views.shelf(world.access, SecretFilter())
    assert threading.get_ident() in watched.threads
