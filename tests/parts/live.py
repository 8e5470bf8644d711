"""The web application on a real socket: real services, store, vault and HTTP; registry and engine in memory.

The server runs on a loop of its own thread, so that the official SDK's blocking client can be used.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import uvicorn

from parts.world import JANE, JANES_PASSWORD, World, small_world
from towline import api, console
from towline.domain.account import OrganizationRole, ProjectRole, SubjectRef, TokenLevel
from towline.domain.credential import Password
from towline.domain.groups import GroupDraft, ServiceAccountDraft
from towline.listening import listening
from towline.wire.secrets import present, present_public

if TYPE_CHECKING:
    from starlette.types import ASGIApp

T = TypeVar("T")

PATIENCE = 30.0


@dataclass
class Live:
    """A running server. ``run`` lets a coroutine run on the server's own loop, ``token`` is Jane's."""

    url: str
    world: World
    loop: asyncio.AbstractEventLoop
    table: api.Api
    app: ASGIApp
    token: str

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what ``work`` returns, run beside the server."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    @property
    def project(self) -> str:
        """The guid of Jane's project."""
        return self.world.access.project.guid

    @property
    def organization(self) -> str:
        """The guid of Jane's organization."""
        return self.world.access.organization.guid

    def headers(self, token: str | None = None, project: str | None = None) -> dict[str, str]:
        """Return what a request of Jane's carries."""
        return {"Authorization": f"Bearer {token or self.token}", "project": project or self.project}

    def member(self, email: str, *, role: ProjectRole) -> str:
        """Return the token of a new user with this role in Jane's project."""
        self.run(self.world.member(email, role=role.value))
        return self.sign_in(email)

    def colleague(self, token: str) -> None:
        """Make who holds the token a member of Jane's organization."""
        user = self.run(self.world.accounts.authenticate(token)).user.guid
        role = (OrganizationRole.MEMBER.value,)
        self.run(self.world.store.write(lambda tx: tx.tenants.set_member(self.organization, user, role)))
        self.world.accounts.forget_access()

    def by_group(self, email: str, *, role: ProjectRole) -> str:
        """Return the token of a new member whose user group has this role in Jane's project."""
        token = self.newcomer(email)
        members = {SubjectRef("User", email): ()}
        roles = [("Project", "", self.project, role.value)]
        draft = GroupDraft(f"of-{role.value}", members=members, roles=roles)
        self.run(self.world.groups.create(self.world.access.principal, "", draft))
        return token

    def by_claim(self, email: str, *, role: ProjectRole) -> str:
        """Return the token of a new member whom the sign-in provider's claims gave this role."""
        token = self.newcomer(email)
        user = self.run(self.world.accounts.authenticate(token)).user.guid
        held = {self.project: (role.value,)}
        self.run(self.world.store.write(lambda tx: tx.identities.set_claimed(user, held)))
        self.world.accounts.forget()
        return token

    def service_account(self, name: str, *, role: ProjectRole) -> str:
        """Return the token of a new service account with this role in Jane's project."""
        jane, accounts = self.world.access.principal, self.world.service_accounts
        roles = [("Project", "", self.project, (role.value,))]
        self.run(accounts.create(jane, "", ServiceAccountDraft(name, roles=roles)))
        return self.run(accounts.create_token(jane, "", name))[1]

    def newcomer(self, email: str) -> str:
        """Return the token of a new member of Jane's organization without any role in a project."""
        made = self.world.accounts.create_user(
            email=email, password=Password(JANES_PASSWORD), organization="acme"
        )
        self.run(made)
        return self.sign_in(email)

    def stranger(self, email: str) -> str:
        """Return the token of a new user who is in another organization."""
        self.run(
            self.world.accounts.create_user(
                email=email, password=Password(JANES_PASSWORD), organization=f"of-{email}", project="other"
            )
        )
        return self.sign_in(email)

    def sign_in(self, email: str = JANE) -> str:
        """Return a fresh token of a user."""
        return self.run(_signed_in(self.world, email))


@contextmanager
def live_server() -> Iterator[Live]:
    """Serve on a free port of the loopback until the block ends."""
    ready = threading.Event()
    box: list[Live | BaseException] = []
    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(box, ready, stop)), name="live-server")
    thread.start()
    try:
        ready.wait(PATIENCE)
        [made] = box
        if isinstance(made, BaseException):
            raise made
        yield made
    finally:
        stop.set()
        thread.join(PATIENCE)


async def _serve(box: list[Live | BaseException], ready: threading.Event, stop: threading.Event) -> None:
    try:
        async with small_world(present=present, present_public=present_public) as world:
            await _serve_world(world, box, ready, stop)
    except Exception as error:
        box.append(error)
        raise
    finally:
        ready.set()


async def _serve_world(
    world: World, box: list[Live | BaseException], ready: threading.Event, stop: threading.Event
) -> None:
    table = api.build(world, checks={"store": _store_answers(world), "engine": world.engine.inventory})
    numbers = itertools.count(1)
    pages = console.routes(world, bell=world.bell, clock=world.clock, secure=False)
    app = api.framed(table, pages, new_request_id=lambda: f"request-{next(numbers)}")
    listener = listening("127.0.0.1", 0)
    port = listener.getsockname()[1]
    config = uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    token = await _signed_in(world, JANE)
    box.append(
        Live(f"http://127.0.0.1:{port}", world, asyncio.get_running_loop(), table=table, app=app, token=token)
    )
    ready.set()
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await asyncio.to_thread(stop.wait)
    server.should_exit = True
    await serving


def _store_answers(world: World) -> Any:
    return lambda: world.store.read(lambda tx: tx.accounts.count())


async def _signed_in(world: World, email: str) -> str:
    return await world.accounts.login(
        email, Password(JANES_PASSWORD), level=TokenLevel.MEDIUM, peer="127.0.0.1"
    )
