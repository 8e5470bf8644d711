"""DEPLOYMENTS: the list, a deployment's own page, its logs; making, updating, restarting, deleting one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import HTMLResponse, PlainTextResponse, StreamingResponse

from towline.console.disks import disks_of
from towline.console.forms import form_of
from towline.console.manifests import deployment_manifest
from towline.console.pulls import Pace, pulls_of
from towline.console.secret_form import sentence
from towline.console.templating import HEADERS
from towline.console.texts import ERROR_TEXTS
from towline.domain.deployment import DeploymentDraft, Phase, Status
from towline.domain.engine import ENGINE_LABEL
from towline.domain.errors import Conflict, InvalidInput, NotFound
from towline.wire import deployments as wire
from towline.wire.metadata import API_VERSION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.forms import Form
    from towline.console.visit import Room, Visit
    from towline.domain.deployment import Deployment
    from towline.services.proofs import PreflightResult

SECTION = "Deployments"
LABELS = {
    "name": "Name",
    "package": "Package",
    "engine": "Engine",
    "disk": "Disk",
    "mountPath": "Mounted at",
    "execName": "Executable",
}
TAIL = 1000
_RUN, _BEFORE = "run", "before"
_STEPS = (Phase.IN_PROGRESS, Phase.PROVISIONING, Phase.SUCCEEDED)


class DeploymentsPages:
    """What runs, or is to run."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def index(self, request: Request) -> Response:
        """Show the deployments."""
        visit = await self._room.visit(request)
        return await visit.page("deployments.html", await self._rows(visit), section=SECTION)

    async def watch_list(self, request: Request) -> Response:
        """Stream the list."""
        return await self._room.watch(request, self._list)

    async def show(self, request: Request) -> Response:
        """Show one deployment."""
        visit = await self._room.visit(request)
        return await visit.page("deployment.html", await self._about(visit), section=SECTION)

    async def watch(self, request: Request) -> Response:
        """Stream the part of its page that changes by itself."""
        return await self._room.watch(request, partial(self._state, Pace(self._room.clock)))

    async def new(self, request: Request) -> Response:
        """Show the form of a deployment, for a package that was chosen or to choose one."""
        visit = await self._room.visit(request)
        query = request.query_params
        values = {
            "name": query.get("package", ""),
            "package": _choice(query),
            "engine": "",
        }
        return await self._form_page(visit, values)

    async def preflight(self, request: Request) -> Response:
        """Answer whether the package that was chosen would deploy, as a part of the form's page."""
        visit = await self._room.visit(request)
        name, _, version = request.query_params.get("package", "").partition(" ")
        results: Sequence[PreflightResult] = ()
        if name:
            results = await self._room.services.proofs.preflight_package(visit.access, name, version)
        return HTMLResponse(visit.fragment("preflight.html", {"results": results}), headers=HEADERS)

    async def submit(self, request: Request) -> Response:
        """Write the wish down, or show the form again; or check the images only."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        values = {key: form.text(key) for key in LABELS}
        if form.has("check"):
            return await self._form_page(visit, values, check=True)
        try:
            deployment = await self._room.services.deployments.create(visit.access, _draft(form))
        except InvalidInput as error:
            return await self._form_page(visit, values, errors=_errors(error), status=400)
        except NotFound as error:
            return await self._form_page(visit, values, errors={"package": str(error)}, status=400)
        except Conflict as error:
            field = "disk" if values["disk"] and "disk" in str(error) else "name"
            return await self._form_page(visit, values, errors={field: str(error)}, status=409)
        return visit.on("deployments", deployment.name, note=f"Deployment {deployment.name} is on its way.")

    async def ask_update(self, request: Request) -> Response:
        """Show what the deployment could run next."""
        visit = await self._room.visit(request)
        return await self._update_page(visit)

    async def update(self, request: Request) -> Response:
        """Wish the next generation: another package or version, or the same again, which is a restart."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        present = await self._found(visit)
        name, version = present.wish.package_name, present.wish.package_version
        if form.text("package"):
            name, _, version = form.text("package").partition(" ")
        try:
            updated = await self._room.services.deployments.update(
                visit.access, present.name, _again(present, name, version)
            )
        except (InvalidInput, NotFound) as error:
            return await self._update_page(visit, problem=str(error), status=400)
        note = f"Generation {updated.generation} of {updated.name} is on its way."
        return visit.on("deployments", updated.name, note=note)

    async def ask_delete(self, request: Request) -> Response:
        """Ask for the name before a deployment goes."""
        visit = await self._room.visit(request)
        values = {"deployment": await self._found(visit), "errors": {}}
        return await visit.page("deployment_delete.html", values, section=SECTION)

    async def delete(self, request: Request) -> Response:
        """Stop a deployment."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        deployment = await self._found(visit)
        if form.text("confirm") != deployment.name:
            values = {"deployment": deployment, "errors": {"confirm": f"type {deployment.name} to confirm"}}
            return await visit.page("deployment_delete.html", values, section=SECTION, status=400)
        await self._room.services.deployments.delete(visit.access, deployment.name)
        return visit.on("deployments", note=f"Deployment {deployment.name} is being stopped.")

    async def logs(self, request: Request) -> Response:
        """Show a container's log: the newest lines, and what comes where scripts run."""
        visit = await self._room.visit(request)
        deployment, query = await self._found(visit), request.query_params
        executable = query.get("executable") or deployment.executables[0].name
        replica = _whole(query.get("replica", "0"))
        chunks = await self._log(visit, executable, replica, follow=False, timestamps=True)
        text = b"".join([chunk async for chunk in chunks]).decode(errors="replace")
        is_before = query.get(_RUN) == _BEFORE
        place = f"executable={executable}&replica={replica}{f'&{_RUN}={_BEFORE}' if is_before else ''}"
        values = {
            "deployment": deployment,
            "executable": executable,
            "replica": replica,
            "text": text,
            "stream": f"{visit.at('deployments', deployment.name, 'log')}?{place}",
            "tail": TAIL,
            "is_before": is_before,
            "has_runs": self._room.services.deployments.tells_runs_apart(deployment),
        }
        return await visit.page("logs.html", values, section=SECTION)

    async def log(self, request: Request) -> Response:
        """Answer a container's log as text: as it grows, or whole as a file."""
        visit = await self._room.visit(request)
        query = request.query_params
        executable, replica = query.get("executable", ""), _whole(query.get("replica", "0"))
        whole = "download" in query
        chunks = await self._log(
            visit,
            executable,
            replica,
            follow=not whole,
            tail=None if whole else TAIL,
            timestamps="timestamps" in query,
        )
        headers = dict(HEADERS)
        if whole:
            run = f"-{_BEFORE}" if query.get(_RUN) == _BEFORE else ""
            file = f"{request.path_params['name']}-{executable or 'first'}-{replica}{run}.log"
            headers["Content-Disposition"] = f'attachment; filename="{file}"'
        ending = self._room.leaving.cutting(chunks)
        return StreamingResponse(ending, media_type="text/plain", headers=headers)

    async def manifest(self, request: Request) -> Response:
        """Answer the wish as a file."""
        visit = await self._room.visit(request)
        deployment = await self._found(visit)
        headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{deployment.name}.yaml"'}
        return PlainTextResponse(
            deployment_manifest(deployment), headers=headers, media_type="application/yaml"
        )

    async def _log(
        self,
        visit: Visit,
        executable: str,
        replica: int,
        *,
        follow: bool,
        tail: int | None = TAIL,
        timestamps: bool = False,
    ) -> AsyncIterator[bytes]:
        name = visit.request.path_params["name"]
        return await self._room.services.deployments.logs(
            visit.access,
            name,
            executable=executable,
            replica=replica,
            follow=follow,
            tail=tail,
            timestamps=timestamps,
            previous=visit.request.query_params.get(_RUN) == _BEFORE,
        )

    async def _found(self, visit: Visit) -> Deployment:
        return await self._room.services.deployments.get(visit.access, visit.request.path_params["name"])

    async def _list(self, visit: Visit) -> str:
        return visit.fragment("deployments_rows.html", await self._rows(visit))

    async def _state(self, pace: Pace, visit: Visit) -> str:
        return visit.fragment("deployment_state.html", await self._about(visit, pace))

    async def _rows(self, visit: Visit) -> dict[str, object]:
        text = visit.request.query_params.get("q", "").strip()
        deployments = await self._room.services.views.deployments(visit.access, text=text)
        query = f"?q={text}" if text else ""
        return {
            "deployments": deployments,
            "text": text,
            "error_texts": ERROR_TEXTS,
            "live": f"{visit.at('deployments-live')}{query}",
        }

    async def _about(self, visit: Visit, pace: Pace | None = None) -> dict[str, object]:
        """Return what the page shows; ``pace`` remembers what was shown before, to tell how fast it goes."""
        deployment = await self._found(visit)
        services = self._room.services
        graph = await services.deployments.graph(visit.access, deployment.name)
        rows = await services.deployments.history(visit.access, deployment.name)
        return {
            "deployment": deployment,
            "needs": graph.needs,
            "rows": list(rows)[::-1][:50],
            "steps": _steps(deployment),
            "pulls": pulls_of(deployment.status, pace or Pace(self._room.clock)),
            "error_texts": ERROR_TEXTS,
            "manifest": deployment_manifest(deployment),
            "secret_of": {run.name: run.pull_secret for run in deployment.executables},
            "live": visit.at("deployments", deployment.name, "live"),
        }

    async def _form_page(
        self,
        visit: Visit,
        values: Mapping[str, str],
        *,
        errors: Mapping[str, str] | None = None,
        check: bool = False,
        status: int = 200,
    ) -> Response:
        packages = await self._room.services.views.packages(visit.access)
        name, _, version = values["package"].partition(" ")
        known = any((each.name, each.version) == (name, version) for each in packages)
        engines, default = await self._room.services.engines.choices(visit.access)
        results = None
        if known and check:
            results = await self._room.services.proofs.preflight_package(visit.access, name, version)
        shown = {
            "values": values,
            "packages": packages,
            "errors": errors or {},
            "labels": LABELS,
            "engines": engines,
            "default_engine": default,
            "disks": [view.disk.name for view in await disks_of(visit)],
            "results": results,
            "preflight": visit.at("packages", name, version, "preflight") if known else "",
        }
        return await visit.page("deployment_new.html", shown, section=SECTION, status=status)

    async def _update_page(self, visit: Visit, *, problem: str = "", status: int = 200) -> Response:
        values = {
            "deployment": await self._found(visit),
            "packages": await self._room.services.views.packages(visit.access),
            "errors": {"package": problem} if problem else {},
        }
        return await visit.page("deployment_update.html", values, section=SECTION, status=status)


def _steps(deployment: Deployment) -> list[tuple[str, str]]:
    """Return the phases on the way to running, each with ``done``, ``now``, ``failed`` or nothing."""
    status = deployment.status
    at = _STEPS.index(status.phase) if status.phase in _STEPS else len(_STEPS)
    steps = []
    for number, phase in enumerate(_STEPS):
        if number < at or (number == at and status.status is Status.RUNNING):
            steps.append((phase.value, "done"))
        elif number == at:
            steps.append((phase.value, "failed" if status.status is Status.ERROR else "now"))
        else:
            steps.append((phase.value, ""))
    last = "done" if status.status is Status.RUNNING else ""
    return [*steps, (Status.RUNNING.value, last)]


def _draft(form: Form) -> DeploymentDraft:
    name, _, version = form.text("package").partition(" ")
    if not name:
        raise InvalidInput("package", problem="is not chosen", rule="choose a package and version")
    engine = form.text("engine")
    document = {
        "apiVersion": API_VERSION,
        "kind": "Deployment",
        "metadata": {
            "name": form.text("name"),
            "labels": {ENGINE_LABEL: engine} if engine else {},
            "depends": {"kind": "package", "nameOrGUID": name, "version": version},
        },
        "spec": {"runtime": "cloud", "restart": "always", **_volume(form)},
    }
    return wire.draft(msgspec.json.encode(document))


def _volume(form: Form) -> dict[str, object]:
    """Return the volume of the form, nothing where no disk is chosen."""
    disk = form.text("disk")
    if not disk:
        return {}
    mounted = {
        "execName": form.text("execName"),
        "mountPath": form.text("mountPath"),
        "depends": {"kind": "disk", "nameOrGUID": disk},
    }
    return {"volumes": [mounted]}


def _again(deployment: Deployment, package: str, version: str) -> DeploymentDraft:
    """Return the same wish for a package and version."""
    wish = deployment.wish
    return DeploymentDraft(
        deployment.name,
        package=package,
        package_version=version,
        document=wish.document,
        labels=deployment.labels,
        environment=wish.environment,
        dependencies=wish.dependencies,
        restart=wish.restart,
        volumes=wish.volumes,
    )


def _errors(error: InvalidInput) -> dict[str, str]:
    if error.field.endswith(ENGINE_LABEL):
        return {"engine": sentence(error)}
    name = error.field.rpartition(".")[2]
    return {name if name in LABELS else "": sentence(error)}


def _choice(query: Mapping[str, str]) -> str:
    name, version = query.get("package", ""), query.get("version", "")
    return f"{name} {version}" if name and version else ""


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise InvalidInput("replica", problem="is not a number", rule="use 0, 1 and so on")
    return int(text)


async def restarted(visit: Visit, names: Sequence[str]) -> str:
    """Wish the same again for each deployment of these names; return sentences about what came of it."""
    deployments, said = visit.room.services.deployments, list[str]()
    for name in names:
        try:
            present = await deployments.get(visit.access, name)
            wish = present.wish
            await deployments.update(
                visit.access, name, _again(present, wish.package_name, wish.package_version)
            )
        except (InvalidInput, NotFound) as error:
            said.append(f" {name} was not restarted: {error}.")
        else:
            said.append(f" {name} is restarted.")
    return "".join(said)
