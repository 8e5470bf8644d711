"""Events of a project and the webhooks that are told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.domain.credential import Password
from towline.domain.errors import InvalidInput, NotFound
from towline.domain.events import Event, EventKind, Webhook
from towline.domain.listing import Page
from towline.ports import Binding
from towline.services.audit import entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from towline.domain.account import Access
    from towline.domain.audit import AuditEntry
    from towline.domain.events import WebhookDraft
    from towline.domain.listing import Listing
    from towline.ports import Bell, Clock, NewGuid, Store, Transaction, Vault, WebhookState

MOST_PER_PROJECT = 20
HEARTBEAT = 15.0


def binding_of(webhook: Webhook) -> Binding:
    """Return what a webhook's signing key is sealed for."""
    return Binding(webhook.project_guid, webhook.guid, version=1)


class Webhooks:
    """Events to read, and webhooks to be told of them. ``name`` arguments take a name or a guid."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        bell: Bell,
        clock: Clock,
        new_guid: NewGuid,
        new_key: Callable[[], str],
    ) -> None:
        self._store = store
        self._vault = vault
        self._bell = bell
        self._clock = clock
        self._new_guid = new_guid
        self._new_key = new_key

    async def create(self, access: Access, draft: WebhookDraft) -> tuple[WebhookState, Password]:
        """Keep a webhook; return it with its signing key, which is never shown again."""
        webhook = Webhook(
            self._new_guid("webhook"),
            draft.name,
            project_guid=access.project.guid,
            url=draft.url,
            format=draft.format,
            kinds=draft.kinds,
            created_at=self._clock(),
        )
        key = Password(self._new_key())
        sealed = await self._vault.seal(key, binding_of(webhook))

        def change(tx: Transaction) -> None:
            if len(tx.webhooks.all(access.project.guid)) >= MOST_PER_PROJECT:
                raise InvalidInput(
                    "metadata.name",
                    problem=f"would be webhook {MOST_PER_PROJECT + 1}",
                    rule=f"a project has at most {MOST_PER_PROJECT}",
                )
            tx.webhooks.add(webhook, sealed)
            tx.audit.append(self._row(access, "webhook.created", webhook))

        await self._store.write(change)
        return await self.get(access, webhook.guid), key

    async def list(self, access: Access) -> Sequence[WebhookState]:
        """Return the project's webhooks with how their deliveries fare."""
        return await self._store.read(lambda tx: tx.webhooks.all(access.project.guid))

    async def get(self, access: Access, name: str) -> WebhookState:
        """Return one webhook; raise NotFound."""
        found = await self._store.read(lambda tx: tx.webhooks.get(access.project.guid, name))
        if found is None:
            raise NotFound("webhook", name)
        return found

    async def delete(self, access: Access, name: str) -> None:
        """Delete a webhook with what waits for it; raise NotFound."""

        def change(tx: Transaction) -> None:
            removed = tx.webhooks.remove(access.project.guid, name)
            if removed is None:
                raise NotFound("webhook", name)
            tx.audit.append(self._row(access, "webhook.deleted", removed))

        await self._store.write(change)

    async def test(self, access: Access, name: str) -> Event:
        """Send a test event to one webhook alone; return it. Its outcome shows in the webhook's state."""
        webhook = (await self.get(access, name)).webhook
        event = Event(
            self._new_guid("event"),
            access.project.guid,
            EventKind.TEST,
            at=self._clock(),
            subject_guid=webhook.guid,
            subject_name=webhook.name,
        )
        await self._store.write(lambda tx: tx.events.add(event, only=webhook.guid))
        self._bell.ring()
        return event

    async def events(self, access: Access, page: Page, *, kind: EventKind | None = None) -> Listing[Event]:
        """Return a page of the project's events, oldest first."""
        return await self._store.read(lambda tx: tx.events.page(access.project.guid, page, kind=kind))

    async def stream(self, access: Access, page: Page | None) -> AsyncIterator[Listing[Event]]:
        """Yield events as they come, from ``page`` on or from now; an empty listing is a sign of life."""
        listener, project = self._bell.listen(), access.project.guid
        after = page.after if page else await self._store.read(lambda tx: tx.events.newest(project))
        while True:
            listing = await self.events(access, Page(after=after))
            yield listing
            if listing.next is None:
                await listener.heard(HEARTBEAT)
            else:
                after = listing.next

    def _row(self, access: Access, action: str, webhook: Webhook) -> AuditEntry:
        facts = {"name": webhook.name, "format": webhook.format.value}
        return entry(access, action, webhook.guid, at=self._clock(), **facts)
