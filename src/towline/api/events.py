"""Events, as pages and as a stream, and the webhooks that are told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.api.operations import STREAM_OF_EVENTS, SUCCESS, Operation, Place, Reply, Stream
from towline.api.parameters import PAGING
from towline.domain.account import Permission
from towline.domain.errors import InvalidInput
from towline.domain.events import EventKind
from towline.domain.listing import Page
from towline.domain.scopes import ScopeKind
from towline.wire import events as wire
from towline.wire.lists import joined, page_of, text_of
from towline.wire.openapi import Parameter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from towline.api.operations import Call
    from towline.domain.events import Event
    from towline.domain.listing import Listing
    from towline.services.webhooks import Webhooks

_TAG = "Events"
COME_AGAIN = b"retry: 1000\n: the server ends; connect again\n\n"
_SINCE = Parameter("since", "begin after the event with this id in the stream; 0 for all that are kept")
_KIND = Parameter("kind", "only events of this kind", among=tuple(EventKind))


class EventsApi:
    """What happened in the project that the header names, and who is told."""

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the table."""
        return (*self._events(), *self._many(), *self._one())

    def _events(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="GET",
                path="/v2/events/",
                permission=Permission.VIEW,
                scope=ScopeKind.EVENTS_READ,
                place=Place.HEADER,
                tag=_TAG,
                summary="What happened, oldest first",
                handle=self.list,
                parameters=(*PAGING, _KIND),
                answer=wire.EventDocument,
                listed=True,
            ),
            Operation(
                method="GET",
                path="/v2/events/stream/",
                permission=Permission.VIEW,
                scope=ScopeKind.EVENTS_READ,
                place=Place.HEADER,
                tag=_TAG,
                summary="What happens, as server-sent events; Last-Event-ID goes on where one left off",
                handle=self.stream,
                parameters=(_SINCE,),
                media_type="text/event-stream",
            ),
        )

    def _many(self) -> tuple[Operation, ...]:
        path = "/v2/webhooks/"
        return (
            Operation(
                method="GET",
                path=path,
                permission=Permission.MANAGE_PROJECT,
                place=Place.HEADER,
                tag=_TAG,
                summary="The project's webhooks and how their deliveries fare",
                handle=self.webhooks,
                answer=wire.WebhookDocument,
                listed=True,
            ),
            Operation(
                method="POST",
                path=path,
                permission=Permission.MANAGE_PROJECT,
                place=Place.HEADER,
                tag=_TAG,
                summary="Tell a web server, Slack or a mailbox of events; the signing key is shown once",
                handle=self.create,
                body=wire.WebhookIn,
                answer=wire.WebhookDocument,
                status=201,
                errors=(409,),
            ),
        )

    def _one(self) -> tuple[Operation, ...]:
        path = "/v2/webhooks/{name}/"
        return (
            Operation(
                method="GET",
                path=path,
                permission=Permission.MANAGE_PROJECT,
                place=Place.HEADER,
                tag=_TAG,
                summary="A webhook",
                handle=self.get,
                answer=wire.WebhookDocument,
                errors=(404,),
            ),
            Operation(
                method="DELETE",
                path=path,
                permission=Permission.MANAGE_PROJECT,
                place=Place.HEADER,
                tag=_TAG,
                summary="Delete a webhook with what waits for it",
                handle=self.delete,
                errors=(404,),
            ),
            Operation(
                method="POST",
                path=f"{path}test/",
                permission=Permission.MANAGE_PROJECT,
                place=Place.HEADER,
                tag=_TAG,
                summary="Send a test event to this webhook alone",
                handle=self.test,
                answer=wire.EventDocument,
                errors=(404,),
            ),
        )

    async def list(self, call: Call) -> Reply:
        """Answer a page of events."""
        kind = wire.kind_of(text_of(call.query, "kind"))
        listing = await self._webhooks.events(call.access, page_of(call.query), kind=kind)
        return Reply(joined("Event", (wire.event(each) for each in listing.items), listing.next))

    async def stream(self, call: Call) -> Stream:
        """Answer events as they come, from after ``Last-Event-ID`` or ``since`` on, else from now on."""
        last = call.header(b"last-event-id") or text_of(call.query, "since")
        if last and not (last.isascii() and last.isdigit() and len(last) < 19):
            raise InvalidInput(
                "Last-Event-ID", problem="is not a number", rule="give back the last id, or 0 for all"
            )
        page = Page(after=int(last)) if last else None
        return Stream(_lines(self._webhooks.stream(call.access, page)), STREAM_OF_EVENTS, COME_AGAIN)

    async def webhooks(self, call: Call) -> Reply:
        """Answer all webhooks; there are few, so they are one page."""
        known = await self._webhooks.list(call.access)
        return Reply(joined("Webhook", (wire.webhook(each) for each in known), None))

    async def create(self, call: Call) -> Reply:
        """Keep a webhook; answer it with its signing key, this once."""
        state, key = await self._webhooks.create(call.access, wire.draft(call.body))
        return Reply(wire.webhook(state, key=key), 201)

    async def get(self, call: Call) -> Reply:
        """Answer a webhook."""
        return Reply(wire.webhook(await self._webhooks.get(call.access, call.path["name"])))

    async def delete(self, call: Call) -> Reply:
        """Delete a webhook."""
        await self._webhooks.delete(call.access, call.path["name"])
        return SUCCESS

    async def test(self, call: Call) -> Reply:
        """Send a test event."""
        return Reply(wire.event(await self._webhooks.test(call.access, call.path["name"])))


async def _lines(listings: AsyncIterator[Listing[Event]]) -> AsyncIterator[bytes]:
    """Yield listings as server-sent events; the id stands on a listing's last one, the others lead to it."""
    async for listing in listings:
        if not listing.items:
            yield b": still here\n\n"
        for number, each in enumerate(listing.items, 1):
            name = b"id: %d\n" % (listing.next or 0) if number == len(listing.items) else b""
            yield name + b"event: %s\ndata: %s\n\n" % (each.kind.value.encode(), wire.event(each))
