"""Webhooks: what is told, to whom, how it is signed, and what happens when nobody takes it."""

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from parts.world import REGISTRY, World, docker_draft, small_world
from towline.dialing import Guard
from towline.domain.credential import Password
from towline.domain.errors import Conflict, InvalidInput, NotFound
from towline.domain.events import MOST_ATTEMPTS, EventKind, WebhookDraft
from towline.domain.listing import Page
from towline.notices import MailServer, NoticeCourier
from towline.ports import WebhookState
from towline.services.deliveries import Deliveries

KEY = b"twh_obviously-a-test-key"


@dataclass
class Receiver:
    """A web server that takes what is posted, or answers ``status`` instead."""

    url: str = ""
    status: int = 204
    location: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        headers = {"Location": self.location} if self.location else {}
        return web.Response(status=self.status, headers=headers)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver, app = Receiver(), web.Application()
    app.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        yield receiver
    finally:
        await runner.cleanup()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with small_world() as made:
        made.prover.registry(REGISTRY, robot="hunter2")
        yield made


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


@asynccontextmanager
async def deliveries(world: World, guard: Guard | None = None, mail: MailServer | None = None):
    courier = NoticeCourier(guard or Guard(), mail=mail, clock=lambda: world.clock().timestamp())
    try:
        yield Deliveries(
            store=world.store, vault=world.vault, courier=courier, bell=world.bell, clock=world.clock
        )
    finally:
        await courier.close()


async def hook(world: World, url: str, *, form: str = "", kinds: tuple[str, ...] = ()) -> WebhookState:
    draft = WebhookDraft.checked("ops", url=url, form=form, kinds=kinds)
    state, _ = await world.webhooks.create(world.access, draft)
    return state


async def turned(world: World) -> None:
    """Let a secret's verdict turn from verified to failing."""
    await world.secrets.create(world.access, docker_draft())
    world.prover.registries[REGISTRY].users["robot"] = Password("rotated")
    await world.proofs.stored(world.access.project.guid, "pull", actor="test")


async def test_a_change_of_verdict_is_posted_signed_and_once(world: World, receiver: Receiver) -> None:
    await hook(world, receiver.url)
    await turned(world)
    async with deliveries(world) as carrying:
        assert await carrying.round() == 1
        assert await carrying.round() == 0
    ((headers, body),) = receiver.got
    document = json.loads(body)
    assert document["kind"] == "secret.verdict-changed"
    assert document["facts"]["after"] == "failing"
    assert document["facts"]["finding"] == "wrong-credentials"
    assert headers["X-Towline-Event-Id"] == document["id"]
    at, _, signed = headers["X-Towline-Signature"].partition(",v1=")
    expected = hmac.new(KEY, at.removeprefix("t=").encode() + b"." + body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(signed, expected)
    assert b"hunter2" not in body


async def test_a_password_replaced_by_a_refused_one_is_told(world: World, receiver: Receiver) -> None:
    await hook(world, receiver.url)
    await world.secrets.create(world.access, docker_draft())
    await world.secrets.replace(world.access, "pull", docker_draft(password="mistyped"))
    await world.secrets.replace(world.access, "pull", docker_draft(password="mistyped again"))
    async with deliveries(world) as carrying:
        assert await carrying.round() == 1
    facts = json.loads(receiver.got[0][1])["facts"]
    assert (facts["before"], facts["after"], facts["finding"]) == ("verified", "failing", "wrong-credentials")
    assert world.tally.counts["verdict_changes", (("verdict", "failing"),)] == 1


async def test_a_verdict_that_stays_is_told_to_nobody(world: World, receiver: Receiver) -> None:
    await hook(world, receiver.url)
    await world.secrets.create(world.access, docker_draft())
    await world.proofs.stored(world.access.project.guid, "pull", actor="test")
    async with deliveries(world) as carrying:
        assert await carrying.round() == 0


async def test_what_is_not_taken_is_brought_again_under_the_same_id_and_given_up_in_the_end(
    world: World, receiver: Receiver
) -> None:
    await hook(world, receiver.url)
    await turned(world)
    receiver.status = 503
    async with deliveries(world) as carrying:
        for _ in range(MOST_ATTEMPTS + 2):
            await carrying.round()
            world.clock.advance(seconds=24 * 3600)
    assert len(receiver.got) == MOST_ATTEMPTS
    assert len({headers["X-Towline-Event-Id"] for headers, _ in receiver.got}) == 1
    state = await world.webhooks.get(world.access, "ops")
    assert (state.waiting, state.given_up, state.last) == (0, 1, "answered 503")


async def test_a_server_that_died_while_carrying_brings_it_again(world: World, receiver: Receiver) -> None:
    await hook(world, receiver.url)
    await turned(world)
    now = world.clock()
    await world.store.write(lambda tx: tx.events.claim(now=now, until=now, most=9))
    async with deliveries(world) as carrying:
        assert await carrying.round() == 1
    assert len(receiver.got) == 1


async def test_slack_gets_a_text_with_its_own_letters_escaped(world: World, receiver: Receiver) -> None:
    await hook(world, receiver.url, form="slack")
    await turned(world)
    async with deliveries(world) as carrying:
        await carrying.round()
    text = json.loads(receiver.got[0][1])["text"]
    assert text.startswith("Secret pull: verified -&gt; failing (wrong-credentials).")


async def test_only_the_kinds_that_were_asked_for_are_told(world: World, receiver: Receiver) -> None:
    await hook(world, receiver.url, kinds=("deployment.phase-changed",))
    await turned(world)
    async with deliveries(world) as carrying:
        assert await carrying.round() == 0


async def test_a_test_event_goes_to_its_webhook_alone(world: World, receiver: Receiver) -> None:
    await hook(world, receiver.url, kinds=("secret.verdict-changed",))
    other = WebhookDraft.checked("other", url=receiver.url, form="", kinds=())
    await world.webhooks.create(world.access, other)
    await world.webhooks.test(world.access, "ops")
    async with deliveries(world) as carrying:
        assert await carrying.round() == 1
    assert json.loads(receiver.got[0][1])["kind"] == "webhook.test"


async def test_a_redirect_is_not_followed(world: World, receiver: Receiver) -> None:
    receiver.status, receiver.location = 302, receiver.url
    await hook(world, receiver.url)
    await turned(world)
    async with deliveries(world) as carrying:
        await carrying.round()
    assert len(receiver.got) == 1
    assert (await world.webhooks.get(world.access, "ops")).last == "answered 302"


async def test_an_address_that_is_forbidden_is_not_dialled(world: World, receiver: Receiver) -> None:
    await hook(world, receiver.url)
    await turned(world)
    async with deliveries(world, Guard(allow_loopback=False)) as carrying:
        await carrying.round()
    assert receiver.got == []
    assert (await world.webhooks.get(world.access, "ops")).last.startswith("not dialled: 127.0.0.1")


async def test_metadata_addresses_are_never_dialled(world: World) -> None:
    await hook(world, "http://169.254.169.254/latest")
    await turned(world)
    async with deliveries(world) as carrying:
        await carrying.round()
    assert "metadata" in (await world.webhooks.get(world.access, "ops")).last


async def test_the_signing_key_is_shown_once_and_rests_sealed(world: World) -> None:
    draft = WebhookDraft.checked("ops", url="https://hooks.example.com/x", form="", kinds=())
    state, key = await world.webhooks.create(world.access, draft)
    assert key.reveal().encode() == KEY
    assert KEY.decode() not in repr(state)
    with pytest.raises(Conflict):
        await world.webhooks.create(world.access, draft)
    await world.webhooks.delete(world.access, "ops")
    with pytest.raises(NotFound):
        await world.webhooks.get(world.access, "ops")
    assert (await world.actions())[-2:] == ["webhook.created", "webhook.deleted"]


async def test_events_are_streamed_as_they_come_and_from_where_one_left_off(world: World) -> None:
    stream = world.webhooks.stream(world.access, None)
    assert (await anext(stream)).items == ()
    waiting = asyncio.ensure_future(anext(stream))
    await turned(world)
    listing = await waiting
    while not listing.items:
        listing = await anext(stream)
    assert [each.kind for each in listing.items] == [EventKind.VERDICT_CHANGED]
    again = await anext(world.webhooks.stream(world.access, Page(after=0)))
    assert again.items == listing.items


@pytest.mark.parametrize(
    ("url", "form", "field"),
    [
        ("ftp://x.example.com", "", "spec.url"),
        ("https://user:pw@x.example.com", "", "spec.url"),
        ("https://x.example.com:99999", "", "spec.url"),
        ("https://", "", "spec.url"),
        ("mailto:nobody", "", "spec.url"),
        ("mailto:a@example.com", "slack", "spec.format"),
        ("https://x.example.com", "email", "spec.format"),
        ("https://x.example.com", "xml", "spec.format"),
    ],
)
def test_a_webhook_that_cannot_be_told_is_refused_by_its_field(url: str, form: str, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        WebhookDraft.checked("ops", url=url, form=form, kinds=())
    assert caught.value.field == field


class _Mailbox:
    """A mail server that takes one message after another, as RFC 5321 has it."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.refuses = False

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com\r\n")
        while line := await reader.readline():
            word = line[:4].upper()
            if word == b"DATA" and not self.refuses:
                writer.write(b"354 go on\r\n")
                message = await reader.readuntil(b"\r\n.\r\n")
                self.messages.append(message.decode())
            writer.write(
                b"221 bye\r\n" if word == b"QUIT" else b"550 no\r\n" if self._no(word) else b"250 ok\r\n"
            )
            if word == b"QUIT":
                break
        writer.close()

    def _no(self, word: bytes) -> bool:
        return self.refuses and word == b"RCPT"


@pytest.mark.parametrize("refuses", [False, True])
async def test_an_e_mail_is_handed_to_the_mail_server(world: World, *, refuses: bool) -> None:
    mailbox = _Mailbox()
    mailbox.refuses = refuses
    server = await asyncio.start_server(mailbox.talk, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        mail = MailServer("127.0.0.1", port, sender="towline@example.com", security="none")
        await hook(world, "mailto:ops@example.com")
        await turned(world)
        async with deliveries(world, mail=mail) as carrying:
            await carrying.round()
    state = await world.webhooks.get(world.access, "ops")
    if refuses:
        assert "mail server" in state.last
        return
    assert state.last == ""
    assert "To: ops@example.com" in mailbox.messages[0]
    assert "Subject: Secret pull: verified -> failing (wrong-credentials).\r\n" in mailbox.messages[0]
    assert "Date: Thu, 01 Jan 2026 " in mailbox.messages[0]
    assert re.search(r"Message-ID: <event-\S+@example\.com>", mailbox.messages[0])


async def test_without_a_mail_server_the_outcome_says_so(world: World) -> None:
    await hook(world, "mailto:ops@example.com")
    await turned(world)
    async with deliveries(world) as carrying:
        await carrying.round()
    assert "--smtp-host" in (await world.webhooks.get(world.access, "ops")).last
