"""ENGINES: where containers run, how each engine fares, what it keeps; adding, choosing and removing one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse

from towline.console.forms import form_of
from towline.console.secret_form import sentence
from towline.console.templating import HEADERS
from towline.domain.engine import USUAL_PLATFORM, EngineKeys, EngineKind, EngineSpec, Storage
from towline.domain.errors import Conflict, EngineFailed, InvalidInput
from towline.services.engines import EngineDraft

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.forms import Form
    from towline.console.visit import Room, Visit
    from towline.domain.engine import EngineView

SECTION = "Engines"
LABELS = {
    "name": "Name",
    "kind": "Kind",
    "address": "Address",
    "network": "Network of its containers",
    "ca": "The authority's certificate",
    "cert": "Our certificate",
    "key": "Its private key",
    "kubeconfig": "Kubeconfig",
    "context": "Context",
    "namespace": "One namespace for all projects",
    "platform": "What its nodes run",
}
KINDS = {"docker": "Docker Engine", "swarm": "Docker Swarm", "kubernetes": "Kubernetes cluster"}
_FIELDS = {"tls": "ca"}
_SHOWN_AGAIN = ("name", "kind", "address", "network", "context", "namespace", "platform")


class EnginesPages:
    """The installation's engines, for those who run it."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def index(self, request: Request) -> Response:
        """Show the engines."""
        visit = await self._visit(request)
        return await visit.page("engines.html", await self._rows(visit), section=SECTION)

    async def rows(self, request: Request) -> Response:
        """Answer the list alone, for the page that asks again."""
        visit = await self._visit(request)
        return HTMLResponse(visit.fragment("engines_rows.html", await self._rows(visit)), headers=HEADERS)

    async def show(self, request: Request) -> Response:
        """Show one engine with what it keeps."""
        return await self._page(await self._visit(request))

    async def new(self, request: Request) -> Response:
        """Show the form of an engine."""
        values = dict.fromkeys(_SHOWN_AGAIN, "") | {"kind": "docker", "platform": USUAL_PLATFORM}
        return await self._form_page(await self._visit(request), values)

    async def submit(self, request: Request) -> Response:
        """Add an engine, or show the form again: keys must then be given again."""
        visit = await self._visit(request)
        form = await form_of(request, self._room.sessions)
        values = {key: form.text(key) for key in _SHOWN_AGAIN}
        try:
            added = await self._room.services.engines.add(visit.access.principal, _draft(form))
        except InvalidInput as error:
            return await self._form_page(visit, values, errors=_errors(error), status=400)
        except Conflict as error:
            return await self._form_page(visit, values, errors={"name": str(error)}, status=409)
        except EngineFailed as error:
            problem = error.finding.detail or error.finding.title
            return await self._form_page(visit, values, errors={"address": problem}, status=503)
        return visit.on("engines", added.record.name, note=f"Engine {added.record.name} is in use.")

    async def check(self, request: Request) -> Response:
        """Ask an engine now whether it answers."""
        visit = await self._visit(request)
        await form_of(request, self._room.sessions)
        view = await self._room.services.engines.check(visit.access.principal, _name(visit))
        said = "answers" if view.health.answers else "does not answer"
        return visit.on("engines", view.record.name, note=f"{view.record.name} {said}.")

    async def set_default(self, request: Request) -> Response:
        """Make an engine the installation's default or this project's, or take that back."""
        visit = await self._visit(request)
        form = await form_of(request, self._room.sessions)
        name, engines, principal = _name(visit), self._room.services.engines, visit.access.principal
        project = visit.access.project
        guid = project.guid if form.has("project") else ""
        whose = f"of project {project.name}" if guid else "of the installation"
        if form.has("unset"):
            await engines.unset_default(principal, name, project_guid=guid)
            return visit.on("engines", name, note=f"{name} is not the default {whose} any more.")
        await engines.set_default(principal, name, project_guid=guid)
        return visit.on("engines", name, note=f"{name} is the default {whose} now.")

    async def ask_collect(self, request: Request) -> Response:
        """Say which images would go."""
        visit = await self._visit(request)
        engines, principal, name = self._room.services.engines, visit.access.principal, _name(visit)
        view = await engines.get(principal, name)
        storage = await engines.storage(principal, name)
        doomed = [image for image in storage.images if image.is_ours and not image.is_used]
        values = {"engine": view, "doomed": doomed, "size": sum(image.size for image in doomed)}
        return await visit.page("engine_collect.html", values, section=SECTION)

    async def collect(self, request: Request) -> Response:
        """Delete the images that nothing needs."""
        visit = await self._visit(request)
        await form_of(request, self._room.sessions)
        name = _name(visit)
        count = await self._room.services.engines.collect(visit.access.principal, name)
        note = f"{count} image{' was' if count == 1 else 's were'} deleted."
        return visit.on("engines", name, note=note)

    async def ask_remove(self, request: Request) -> Response:
        """Ask for the name before an engine goes."""
        return await self._remove_page(await self._visit(request))

    async def remove(self, request: Request) -> Response:
        """Forget an engine."""
        visit = await self._visit(request)
        form = await form_of(request, self._room.sessions)
        name = _name(visit)
        if form.text("confirm") != name:
            return await self._remove_page(visit, {"confirm": f"type {name} to confirm"}, status=400)
        try:
            await self._room.services.engines.remove(visit.access.principal, name, force=form.has("force"))
        except Conflict as error:
            return await self._remove_page(visit, {"force": str(error)}, status=409)
        return visit.on("engines", note=f"Engine {name} is removed.")

    async def _visit(self, request: Request) -> Visit:
        """Return the visit of somebody who runs the installation; the service looks again."""
        visit = await self._room.visit(request)
        await self._room.services.accounts.require_operator(visit.access.principal)
        return visit

    async def _rows(self, visit: Visit) -> dict[str, object]:
        views = await self._room.services.engines.list(visit.access.principal)
        return {"engines": views, "kinds": KINDS, "again": visit.at("engines-rows")}

    async def _page(self, visit: Visit) -> Response:
        engines, principal, name = self._room.services.engines, visit.access.principal, _name(visit)
        view = await engines.get(principal, name)
        storage, trouble = Storage(), ""
        try:
            storage = await engines.storage(principal, name)
        except EngineFailed as error:
            trouble = error.finding.detail or error.finding.title
        values = {
            "engine": view,
            "kinds": KINDS,
            "storage": storage,
            "trouble": trouble,
            "is_project_default": visit.access.project.guid in view.default_of,
            "reclaimable": any(image.is_ours and not image.is_used for image in storage.images),
        }
        return await visit.page("engine.html", values, section=SECTION)

    async def _form_page(
        self,
        visit: Visit,
        values: Mapping[str, str],
        *,
        errors: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> Response:
        shown = {"values": values, "errors": errors or {}, "labels": LABELS, "kinds": KINDS}
        return await visit.page("engine_new.html", shown, section=SECTION, status=status)

    async def _remove_page(
        self, visit: Visit, errors: Mapping[str, str] | None = None, *, status: int = 200
    ) -> Response:
        view: EngineView = await self._room.services.engines.get(visit.access.principal, _name(visit))
        values = {"engine": view, "errors": errors or {}}
        return await visit.page("engine_remove.html", values, section=SECTION, status=status)


def _name(visit: Visit) -> str:
    name: str = visit.request.path_params["name"]
    return name


def _draft(form: Form) -> EngineDraft:
    kind = form.text("kind")
    if kind not in KINDS:
        raise InvalidInput("spec.kind", problem="is not chosen", rule=f"choose one of {', '.join(KINDS)}")
    spec = EngineSpec(
        EngineKind(kind),
        address=form.text("address"),
        network=form.text("network"),
        context=form.text("context"),
        namespace=form.text("namespace"),
        platform=form.text("platform") or USUAL_PLATFORM,
    )
    keys = EngineKeys(
        ca=form.text("ca"),
        certificate=form.text("cert"),
        key=form.password("key"),
        kubeconfig=form.password("kubeconfig"),
    )
    return EngineDraft(form.text("name"), spec, keys)


def _errors(error: InvalidInput) -> dict[str, str]:
    name = error.field.rpartition(".")[2]
    name = _FIELDS.get(name, name)
    return {name if name in LABELS else "": sentence(error)}
