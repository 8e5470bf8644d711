"""Mirrors of a secret: asking for one, and giving one up; how they fare stands on the secret's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.console.forms import form_of
from towline.console.secret_form import sentence
from towline.domain.errors import Conflict, InvalidInput
from towline.domain.mirror import DEFAULT_ACCOUNT, MirrorDraft

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.visit import Room, Visit

SECTION = "Secrets"
LABELS = {
    "engine": "Cluster",
    "namespaces": "Namespaces",
    "selector": "Labels of namespaces",
    "accounts": "Service accounts",
    "object_name": "Name there",
    "nudge": "Pods that were made too early",
}
_FIELDS = {
    "spec.engine": "engine",
    "spec.namespaces": "namespaces",
    "spec.namespaceSelector": "selector",
    "spec.serviceAccounts": "accounts",
    "spec.secretName": "object_name",
    "spec.nudge": "nudge",
}


class MirrorsPages:
    """The two forms."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def new(self, request: Request) -> Response:
        """Show the form of a mirror."""
        visit = await self._room.visit(request)
        return await self._form(visit, {**dict.fromkeys(LABELS, ""), "accounts": DEFAULT_ACCOUNT})

    async def submit(self, request: Request) -> Response:
        """Keep a mirror, and lead back to the secret."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        values = {name: form.text(name) for name in LABELS}
        name, peer = request.path_params["name"], request.client.host if request.client else ""
        try:
            draft = MirrorDraft.checked(
                namespaces=values["namespaces"].replace(",", " ").split(),
                selector=values["selector"],
                accounts=values["accounts"].replace(",", " ").split(),
                object_name=values["object_name"],
                nudge=form.has("nudge"),
                engine=values["engine"],
            )
            await self._room.services.mirrors.add(visit.access, name, draft, peer=peer)
        except InvalidInput as error:
            field = _FIELDS.get(error.field.partition("[")[0], "")
            return await self._form(visit, values, {field: sentence(error)}, status=400)
        except Conflict as error:
            return await self._form(visit, values, {"": str(error)}, status=409)
        return visit.on("secrets", name, note=f"Secret {name} is being mirrored.")

    async def ask_remove(self, request: Request) -> Response:
        """Say what giving a mirror up means."""
        visit = await self._room.visit(request)
        path = request.path_params
        state = await self._room.services.mirrors.get(visit.access, path["name"], path["mirror"])
        values = {"name": path["name"], "state": state}
        return await visit.page("secret_mirror_remove.html", values, section=SECTION)

    async def remove(self, request: Request) -> Response:
        """Give a mirror up."""
        visit = await self._room.visit(request)
        await form_of(request, self._room.sessions)
        path = request.path_params
        await self._room.services.mirrors.remove(visit.access, path["name"], path["mirror"])
        return visit.on("secrets", path["name"], note="The mirror is being taken away.")

    async def _form(
        self,
        visit: Visit,
        values: Mapping[str, str],
        errors: Mapping[str, str] | None = None,
        *,
        status: int = 200,
    ) -> Response:
        name = visit.request.path_params["name"]
        secret = await self._room.services.secrets.get(visit.access, name)
        clusters = self._room.services.mirrors.choices
        shown = {
            "secret": secret,
            "values": values,
            "errors": errors or {},
            "labels": LABELS,
            "clusters": clusters,
        }
        return await visit.page("secret_mirror.html", shown, section=SECTION, status=status)
