"""A browser without scripts on the console of a small world: real services and store, no network."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import httpx
import pytest
from starlette.applications import Starlette

from parts.world import JANE, JANES_PASSWORD, World, small_world
from towline import console


@dataclass
class Visitor:
    """Somebody with a browser that runs no script."""

    client: httpx.AsyncClient
    world: World

    @property
    def home(self) -> str:
        """Where Jane's project is."""
        return f"/projects/{self.world.access.project.guid}"

    async def sign_in(self, email: str = JANE) -> httpx.Response:
        """Sign in; return the answer."""
        answer = await self.client.post("/sign-in", data={"email": email, "password": JANES_PASSWORD})
        assert answer.status_code == 303
        return answer

    async def see(self, path: str, *, status: int = 200) -> str:
        """Return a page of the project."""
        answer = await self.client.get(self.home + path)
        assert answer.status_code == status, answer.text
        return answer.text

    async def send(self, path: str, fields: Mapping[str, object] | None = None) -> httpx.Response:
        """Send a form of the project, as a page of this session would."""
        token = re.search(r'name="form_token" value="([0-9a-f]+)"', await self.see(""))
        assert token is not None
        return await self.client.post(self.home + path, data={"form_token": token[1], **(fields or {})})


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with small_world() as made:
        yield made


@pytest.fixture
async def visitor(world: World) -> AsyncIterator[Visitor]:
    pages = console.routes(world, bell=world.bell, clock=world.clock, secure=False)
    transport = httpx.ASGITransport(app=Starlette(routes=pages))
    async with httpx.AsyncClient(transport=transport, base_url="http://towline.test") as client:
        yield Visitor(client, world)


@pytest.fixture
async def jane(visitor: Visitor) -> Visitor:
    """Return the visitor, signed in as the project's admin."""
    await visitor.sign_in()
    return visitor
