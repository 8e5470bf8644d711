"""DISKS: the list, making one, a disk's own page, deleting one with what is on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.console.forms import form_of
from towline.console.secret_form import sentence
from towline.domain.disk import DiskDraft, checked_capacity
from towline.domain.engine import ENGINE_LABEL
from towline.domain.errors import Conflict, InvalidInput
from towline.domain.listing import MAX_LIMIT, LabelSelector, Page
from towline.domain.names import disk_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.forms import Form
    from towline.console.visit import Room, Visit
    from towline.domain.disk import DiskView

SECTION = "Disks"
LABELS = {"name": "Name", "capacity": "Capacity", "engine": "Engine"}
CAPACITIES = (4, 8, 16, 32, 64, 128, 256, 512)
"""Those that ``rio`` proposes."""


class DisksPages:
    """What outlives deployments."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def index(self, request: Request) -> Response:
        """Show the disks, the first ones of very many."""
        visit = await self._room.visit(request)
        return await visit.page("disks.html", {"disks": await disks_of(visit)}, section=SECTION)

    async def show(self, request: Request) -> Response:
        """Show a disk."""
        visit = await self._room.visit(request)
        view = await self._room.services.disks.get(visit.access, request.path_params["name"])
        return await visit.page("disk.html", {"view": view}, section=SECTION)

    async def new(self, request: Request) -> Response:
        """Show the form of a disk."""
        visit = await self._room.visit(request)
        return await self._form_page(visit, dict.fromkeys(LABELS, ""))

    async def submit(self, request: Request) -> Response:
        """Make the disk, or show the form again."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        values = {key: form.text(key) for key in LABELS}
        try:
            made = await self._room.services.disks.create(visit.access, _draft(form))
        except InvalidInput as error:
            return await self._form_page(visit, values, errors=_errors(error), status=400)
        except Conflict as error:
            return await self._form_page(visit, values, errors={"name": str(error)}, status=409)
        return visit.on("disks", note=f"Disk {made.disk.name} was created.")

    async def ask_delete(self, request: Request) -> Response:
        """Ask for the name before a disk goes."""
        return await self._delete_page(await self._room.visit(request))

    async def delete(self, request: Request) -> Response:
        """Delete a disk."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        name = (await self._room.services.disks.get(visit.access, request.path_params["name"])).disk.name
        if form.text("confirm") != name:
            return await self._delete_page(visit, {"confirm": f"type {name} to confirm"}, status=400)
        try:
            await self._room.services.disks.delete(visit.access, name)
        except Conflict as error:
            return await self._delete_page(visit, {"": str(error)}, status=409)
        return visit.on("disks", note=f"Disk {name} was deleted.")

    async def _form_page(
        self,
        visit: Visit,
        values: Mapping[str, str],
        *,
        errors: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> Response:
        engines, _ = await self._room.services.engines.choices(visit.access)
        shown = {
            "values": values,
            "errors": errors or {},
            "labels": LABELS,
            "capacities": CAPACITIES,
            "engines": engines,
        }
        return await visit.page("disk_new.html", shown, section=SECTION, status=status)

    async def _delete_page(
        self, visit: Visit, errors: Mapping[str, str] | None = None, *, status: int = 200
    ) -> Response:
        name = visit.request.path_params["name"]
        disk = (await self._room.services.disks.get(visit.access, name)).disk
        values = {"disk": disk, "errors": errors or {}}
        return await visit.page("disk_delete.html", values, section=SECTION, status=status)


async def disks_of(visit: Visit) -> list[DiskView]:
    """Return the disks of a visit's project."""
    listing = await visit.room.services.disks.list(
        visit.access, Page(limit=MAX_LIMIT), selector=LabelSelector()
    )
    return list(listing.items)


def _draft(form: Form) -> DiskDraft:
    text, engine = form.text("capacity"), form.text("engine")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    labels = {ENGINE_LABEL: engine} if engine else {}
    name = disk_name(form.text("name"))
    return DiskDraft(name, checked_capacity(number), labels=labels, engine=engine)


def _errors(error: InvalidInput) -> dict[str, str]:
    name = "engine" if error.field.endswith(ENGINE_LABEL) else error.field.rpartition(".")[2]
    return {name if name in LABELS else "": sentence(error)}
