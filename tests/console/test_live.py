"""What is alive on a page: one rendering for all who see the same, and for each of them what is their own."""

import asyncio
import re
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette

from parts.world import JANE, JANES_PASSWORD, deployment_draft, docker_draft, opaque_draft, package_draft
from towline import console
from towline.console.live import APART, CHECK, LiveParts
from towline.domain.account import ProjectRole, TokenLevel
from towline.domain.credential import Password
from towline.domain.errors import NotFound
from towline.services.bell import LocalBell

PATIENCE = 20
TOKEN = re.compile(r'name="form_token" value="([^"]*)"')


class Tab:
    """A page that stays open: the messages of its stream, one after the other."""

    def __init__(self):
        self.status = 0
        self.whole = ""
        self._told = 0
        self._more = asyncio.Event()
        self.closed = asyncio.Event()

    async def send(self, message):
        if message["type"] == "http.response.start":
            self.status = message["status"]
        self.whole += message.get("body", b"").decode()
        self._more.set()

    async def receive(self):
        await self.closed.wait()
        return {"type": "http.disconnect"}

    async def next(self):
        """Return the next message."""
        async with asyncio.timeout(PATIENCE):
            while (end := self.whole.find("\n\n", self._told)) < 0:
                self._more.clear()
                await self._more.wait()
        message, self._told = self.whole[self._told : end], end + 2
        return message


@pytest.fixture
def app(world):
    return Starlette(routes=console.routes(world, bell=world.bell, clock=world.clock, secure=False))


@pytest.fixture
def opened(world, app):
    @asynccontextmanager
    async def opened(path, email=JANE, *, token=""):
        token = token or await world.accounts.login(
            email, Password(JANES_PASSWORD), level=TokenLevel.LOW, peer=""
        )
        path, _, query = f"/projects/{world.access.project.guid}{path}".partition("?")
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": query.encode(),
            "headers": [(b"cookie", f"towline={token}".encode())],
        }
        tab = Tab()
        asking = asyncio.create_task(app(scope, tab.receive, tab.send))
        yield tab
        tab.closed.set()
        await asking

    return opened


async def _member(world, email, role=ProjectRole.ADMIN):
    await world.member(email, role=role.value)
    return email


async def test_a_secret_that_is_made_is_told_to_every_tab_with_the_token_of_its_own_session(world, opened):
    await world.secrets.create(world.access, opaque_draft("keys"))
    other = await _member(world, "other@example.com")
    async with opened("/secrets-live") as mine, opened("/secrets-live", other) as theirs:
        assert "pull" not in await mine.next() + await theirs.next()
        await world.secrets.create(world.access, docker_draft("pull"))
        told = [await mine.next(), await theirs.next()]
    tokens = [set(TOKEN.findall(each)) for each in told]
    assert [len(each) for each in tokens] == [1, 1]
    assert not tokens[0] & tokens[1]
    assert TOKEN.sub("", told[0]) == TOKEN.sub("", told[1])
    assert "pull" in told[0]


async def test_a_token_of_a_stream_is_the_one_that_its_page_has(world, opened, jane):
    await world.secrets.create(world.access, docker_draft("pull"))
    on_page = set(TOKEN.findall(await jane.see("/secrets")))
    async with opened("/secrets-live", token=jane.client.cookies["towline"]) as tab:
        assert set(TOKEN.findall(await tab.next())) == on_page
    assert len(on_page) == 1


@pytest.mark.parametrize("path", ["/live", "/secrets-live", "/deployments-live", "/secrets/pull/live"])
async def test_no_part_names_the_person_who_was_there_first(world, opened, path):
    await world.secrets.create(world.access, docker_draft("pull"))
    first = await _member(world, "first-there@example.com")
    async with opened(path, first) as tab, opened(path) as mine:
        assert "first-there" not in await tab.next()
        assert "first-there" not in await mine.next()


async def test_roles_do_not_share_what_they_may_not_both_see(world, opened):
    await world.secrets.create(world.access, docker_draft("pull"))
    viewer = await _member(world, "viewer@example.com", ProjectRole.VIEWER)
    async with opened("/secrets-live") as mine, opened("/secrets-live", viewer) as theirs:
        assert TOKEN.findall(await mine.next())
        seen = await theirs.next()
    assert "name only" in seen
    assert not TOKEN.findall(seen)


async def test_a_deployment_is_told_of_to_all_in_one_look(world, opened):
    await world.packages.create(world.access, package_draft())
    await world.deployments.create(world.access, deployment_draft("app"))
    async with opened("/deployments/app/live") as one, opened("/deployments/app/live") as two:
        assert await one.next() == await two.next()
        await world.deployments.update(world.access, "app", deployment_draft("app"))
        assert "<dd>2" in await one.next()
        assert "<dd>2" in await two.next()


async def test_what_is_not_there_has_no_stream(opened):
    async with opened("/deployments/none/live") as tab:
        pass
    assert tab.status == 404


async def test_a_tab_hears_that_its_session_has_ended(world, opened):
    other = await _member(world, "leaves@example.com")
    async with opened("/live", other) as tab:
        await tab.next()
        principal = await world.accounts.authenticate(
            await world.accounts.login(other, Password(JANES_PASSWORD), level=TokenLevel.LOW, peer="")
        )
        for token in await world.accounts.tokens(principal):
            await world.accounts.revoke_token(principal, token.guid)
        assert await tab.next() == "event: over\ndata: "


class Counted:
    """A part that counts how often it is rendered."""

    def __init__(self):
        self.text, self.looks, self.failure = "first", 0, None

    async def render(self):
        self.looks += 1
        if self.failure:
            raise self.failure
        return self.text


async def _yes():
    return True


async def _next(messages):
    async with asyncio.timeout(PATIENCE):
        return await anext(messages)


async def test_many_readers_cost_one_rendering():
    bell, part = LocalBell(), Counted()
    parts = LiveParts(bell)
    streams = [
        (await parts.stream("key", part.render, form_token=f"{number:02}", still_may=_yes)).body_iterator
        for number in range(50)
    ]
    assert {await _next(each) for each in streams} == {b"data: first\n\n"}
    assert part.looks == 1
    part.text = f"second {parts.blank}"
    bell.ring()
    told = await asyncio.gather(*map(_next, streams))
    assert told == [f"data: second {number:02}\n\n".encode() for number in range(50)]
    assert part.looks == 2


async def test_a_bell_that_rings_on_and_on_is_answered_a_few_times_a_second():
    bell, part = LocalBell(), Counted()
    stream = (await LiveParts(bell).stream("key", part.render, form_token="", still_may=_yes)).body_iterator
    await _next(stream)
    began = asyncio.get_running_loop().time()
    while (took := asyncio.get_running_loop().time() - began) < 5 * APART:
        bell.ring()
        await asyncio.sleep(0)
    assert 2 <= part.looks <= 2 + took / APART
    await stream.aclose()


async def test_a_part_that_nobody_reads_any_more_is_looked_at_no_more():
    bell, part = LocalBell(), Counted()
    parts = LiveParts(bell)
    first = (await parts.stream("key", part.render, form_token="", still_may=_yes)).body_iterator
    await _next(first)
    await first.aclose()
    async with asyncio.timeout(PATIENCE):
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            bell.ring()
            await asyncio.wait(others, timeout=0.05)
    assert part.looks == 1
    again = (await parts.stream("key", part.render, form_token="", still_may=_yes)).body_iterator
    assert await _next(again) == b"data: first\n\n"
    assert part.looks == 2
    await again.aclose()


async def test_the_end_of_a_part_is_told_to_its_readers_and_a_defect_is_raised_to_them():
    bell = LocalBell()
    parts = LiveParts(bell)
    for failure in (NotFound("deployment", "app"), ZeroDivisionError("a defect")):
        part = Counted()
        stream = (await parts.stream("key", part.render, form_token="", still_may=_yes)).body_iterator
        await _next(stream)
        part.failure = failure
        bell.ring()
        if isinstance(failure, NotFound):
            assert await _next(stream) == b"event: over\ndata: \n\n"
        else:
            with pytest.raises(ZeroDivisionError):
                await _next(stream)


async def test_a_reader_is_asked_after_again_while_nothing_happens():
    asked = []

    async def not_any_more():
        asked.append(asyncio.get_running_loop().time())
        return False

    began = asyncio.get_running_loop().time()
    parts = LiveParts(LocalBell())
    stream = (
        await parts.stream("key", Counted().render, form_token="", still_may=not_any_more)
    ).body_iterator
    assert await _next(stream) == b"data: first\n\n"
    assert await _next(stream) == b"event: over\ndata: \n\n"
    assert asked[0] - began >= CHECK
