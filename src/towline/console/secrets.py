"""SECRETS: the list, a secret's own page, trying it again, deleting it."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from towline.console.forms import form_of
from towline.console.snippets import snippets_of
from towline.console.templating import see_other
from towline.domain.audit import Door
from towline.domain.errors import InvalidInput, NotFound
from towline.domain.image import ImageReference
from towline.domain.listing import Page
from towline.domain.proof import Verdict
from towline.domain.secret import DockerSecret
from towline.services.views import Order, SecretFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.datastructures import QueryParams
    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.visit import Room, Visit
    from towline.domain.audit import AuditEntry
    from towline.services.views import Shelf

SECTION = "Secrets"
_TYPES = {"docker": True, "opaque": False}
_MOST_AUDIT = 50
_STRIP = 60
_SETTING = ("secret.created", "secret.replaced")


class SecretsPages:
    """What one sees of secrets, and what one does with one that is there."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def index(self, request: Request) -> Response:
        """Show a page of secrets, those that were asked for."""
        visit = await self._room.visit(request)
        return await visit.page("secrets.html", await self._rows(visit), section=SECTION)

    async def watch_list(self, request: Request) -> Response:
        """Stream the list."""
        return await self._room.watch(request, self._list)

    async def verify_many(self, request: Request) -> Response:
        """Try every docker secret of the page that is shown again, all at once."""
        visit = await self._room.visit(request)
        await form_of(request, self._room.sessions)
        shelf = await self._shelf(visit)
        names = [line.secret.metadata.name for line in shelf.lines if isinstance(line.secret, DockerSecret)]
        async with asyncio.TaskGroup() as group:
            tries = [group.create_task(self._verdict(visit, name)) for name in names]
        counts = Counter(each.result() for each in tries)
        said = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
        note = f"{len(names)} secret{'' if len(names) == 1 else 's'} tried: {said or 'none'}."
        back = f"{visit.at('secrets')}?{request.url.query}"
        return self._room.sessions.note(request, see_other(back), text=note)

    async def show(self, request: Request) -> Response:
        """Show one secret."""
        visit = await self._room.visit(request)
        return await visit.page("secret.html", await self._about(visit), section=SECTION)

    async def watch(self, request: Request) -> Response:
        """Stream the part of a secret's page that changes by itself."""
        return await self._room.watch(request, self._state)

    async def verify(self, request: Request) -> Response:
        """Try the stored credential again, its login or an image."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        name, text = request.path_params["name"], form.text("image")
        image = ImageReference.parse(text) if text else None
        proof, _ = await self._room.services.secrets.verify(visit.access, name, image=image)
        tried = f"image {text}" if text else "its login"
        verdict = proof.answer.verdict.value
        note = f"Secret {name} was tried with {tried}: {verdict}."
        if form.text("back") == "list":
            return visit.on("secrets", note=note)
        return visit.on("secrets", name, note=note)

    async def ask_delete(self, request: Request) -> Response:
        """Say what would break, and ask for the name."""
        visit = await self._room.visit(request)
        return await self._delete_page(visit)

    async def delete(self, request: Request) -> Response:
        """Delete the secret, if its name was typed and, while it is in use, one insists."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        name = request.path_params["name"]
        errors = {}
        if form.text("confirm") != name:
            errors["confirm"] = f"type {name} to confirm"
        usage = await self._room.services.views.usage(visit.access, name)
        if usage.deployments and not form.has("insist"):
            errors["insist"] = "tick this to delete a secret that is in use"
        if errors:
            return await self._delete_page(visit, errors, status=400)
        await self._room.services.secrets.delete(visit.access, name)
        return visit.on("secrets", note=f"Secret {name} was deleted.")

    async def _verdict(self, visit: Visit, name: str) -> str:
        try:
            proof, _ = await self._room.services.secrets.verify(visit.access, name)
        except NotFound:
            return "deleted meanwhile"
        return proof.answer.verdict.value

    async def _shelf(self, visit: Visit) -> Shelf:
        query = visit.request.query_params
        return await self._room.services.views.shelf(
            visit.access, _filter(query), after=query.get("after", ""), order=_order(query)
        )

    async def _list(self, visit: Visit) -> str:
        return visit.fragment("secrets_rows.html", await self._rows(visit))

    async def _state(self, visit: Visit) -> str:
        return visit.fragment("secret_state.html", await self._about(visit))

    async def _rows(self, visit: Visit) -> dict[str, object]:
        query, shelf = visit.request.query_params, await self._shelf(visit)
        kept = {key: query[key] for key in ("q", "type", "verdict", "sort") if query.get(key)}
        filtered = {key: text for key, text in kept.items() if key != "sort"}
        whole = urlencode({**kept, "after": query.get("after", "")})
        return {
            "shelf": shelf,
            "query": {key: query.get(key, "") for key in ("q", "type", "verdict", "sort", "after")},
            "verdicts": [each.value for each in Verdict],
            "order": _order(query).value,
            "sorts": {each.value: urlencode({**filtered, "sort": each.value}) for each in Order},
            "more": urlencode({**kept, "after": shelf.following}) if shelf.following else "",
            "first": urlencode(kept),
            "verify": f"{visit.at('secrets-verify')}?{whole}",
            "live": f"{visit.at('secrets-live')}?{whole}",
        }

    async def _delete_page(
        self, visit: Visit, errors: dict[str, str] | None = None, *, status: int = 200
    ) -> Response:
        name = visit.request.path_params["name"]
        secret = await self._room.services.secrets.get(visit.access, name)
        usage = await self._room.services.views.usage(visit.access, name)
        values = {"secret": secret, "usage": usage, "errors": errors or {}}
        return await visit.page("secret_delete.html", values, section=SECTION, status=status)

    async def _about(self, visit: Visit) -> dict[str, object]:
        services, access, name = self._room.services, visit.access, visit.request.path_params["name"]
        secret = await services.secrets.get(access, name)
        guid = secret.metadata.guid
        is_docker = isinstance(secret, DockerSecret)
        rows = await newest_rows(visit, guid)
        usage = await services.views.usage(access, guid)
        history = list(await services.proofs.history(access, guid))[:_STRIP] if is_docker else []
        return {
            "secret": secret,
            "is_docker": is_docker,
            "usage": usage,
            "history": history,
            "mirrors": await services.mirrors.list(access, guid) if is_docker else (),
            "may_mirror": bool(services.mirrors.choices),
            "clusters": services.mirrors.choices,
            "rows": rows,
            "set_by": set_by(rows),
            "last_pull": next(
                (row for row in rows if dict(row.detail).get("door") == Door.ENGINE_PULL), None
            ),
            "versions": [(dict(row.detail).get("version", ""), row) for row in rows if _sets(row)],
            "strip": [None] * (_STRIP - len(history)) + history[::-1],
            "snippets": snippets_of(secret, usage.images),
            "live": visit.at("secrets", secret.metadata.name, "live"),
        }


def set_by(rows: Sequence[AuditEntry]) -> str:
    """Return who set the present version, empty where that is longer ago than ``rows``, newest first."""
    return next((row.actor for row in rows if _sets(row)), "")


def _sets(row: AuditEntry) -> bool:
    return row.action in _SETTING and row.outcome == "ok"


def _pulls(row: AuditEntry) -> bool:
    return dict(row.detail).get("door") == Door.ENGINE_PULL


async def newest_rows(visit: Visit, guid: str) -> Sequence[AuditEntry]:
    """Return the newest rows of the audit trail about a secret, newest first."""
    page, rows = Page(limit=500), list["AuditEntry"]()
    while True:
        listing = await visit.room.services.audit.page(visit.access, page, subject=guid)
        rows = [*rows, *listing.items][-_MOST_AUDIT:]
        if listing.next is None or len(listing.items) < page.limit:
            return rows[::-1]
        page = Page(after=listing.next, limit=page.limit)


def _filter(query: QueryParams) -> SecretFilter:
    kind, verdict = query.get("type", ""), query.get("verdict", "")
    if kind and kind not in _TYPES:
        raise InvalidInput("type", problem="is not known", rule=f"use {' or '.join(_TYPES)}")
    try:
        wanted = Verdict(verdict) if verdict else None
    except ValueError:
        raise NotFound("verdict", verdict) from None
    return SecretFilter(query.get("q", "").strip(), docker=_TYPES.get(kind), verdict=wanted)


def _order(query: QueryParams) -> Order:
    try:
        return Order(query.get("sort") or Order.NAME)
    except ValueError:
        rule = f"use {', '.join(Order)}"
        raise InvalidInput("sort", problem="is not known", rule=rule) from None
