"""PACKAGES: the list, making one with its images proved in place, a package's own page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, PlainTextResponse

from towline.console.forms import form_of
from towline.console.manifests import package_manifest
from towline.console.package_form import PackageForm, label_of
from towline.console.secret_form import SecretForm, by_field, sentence
from towline.console.templating import HEADERS
from towline.domain.account import Permission
from towline.domain.errors import Conflict, InvalidInput
from towline.domain.secret import DockerSecret
from towline.services.proofs import PreflightItem
from towline.services.views import SecretFilter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.visit import Room, Visit
    from towline.domain.secret import Secret
    from towline.services.proofs import PreflightResult

SECTION = "Packages"
LABELS = {
    "name": "Name",
    "version": "Version",
    "description": "Description",
    "replicas": "Replicas",
    "secret_name": "Name of the secret",
    "registry": "Registry Url",
    "username": "Username",
    "password": "Password",
    "email": "Email",
}


class PackagesPages:
    """What can be deployed."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def index(self, request: Request) -> Response:
        """Show the packages."""
        visit = await self._room.visit(request)
        text = request.query_params.get("q", "").strip()
        packages = await self._room.services.views.packages(visit.access, text=text)
        return await visit.page("packages.html", {"packages": packages, "text": text}, section=SECTION)

    async def show(self, request: Request) -> Response:
        """Show one version of a package."""
        visit = await self._room.visit(request)
        package = await self._room.services.packages.get(visit.access, *_path(request))
        values = {"package": package, "manifest": package_manifest(package)}
        return await visit.page("package.html", values, section=SECTION)

    async def manifest(self, request: Request) -> Response:
        """Answer the manifest as a file."""
        visit = await self._room.visit(request)
        package = await self._room.services.packages.get(visit.access, *_path(request))
        headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{package.name}.yaml"'}
        return PlainTextResponse(package_manifest(package), headers=headers, media_type="application/yaml")

    async def preflight(self, request: Request) -> Response:
        """Answer whether a stored package would deploy, as a part of a page or a page of its own.

        Only a pressed button tries again what a registry is known to refuse; looking does not.
        """
        visit = await self._room.visit(request)
        pressed = request.method == "POST"
        if pressed:
            await form_of(request, self._room.sessions)
        name, version = _path(request)
        results = await self._room.services.proofs.preflight_package(
            visit.access, name, version, anew=pressed
        )
        if "hx-request" in request.headers:
            return HTMLResponse(visit.fragment("preflight.html", {"results": results}), headers=HEADERS)
        values = {"results": results, "name": name, "version": version}
        return await visit.page("package_preflight.html", values, section=SECTION)

    async def ask_delete(self, request: Request) -> Response:
        """Ask for the name before a package goes."""
        visit = await self._room.visit(request)
        package = await self._room.services.packages.get(visit.access, *_path(request))
        return await visit.page("package_delete.html", {"package": package, "errors": {}}, section=SECTION)

    async def delete(self, request: Request) -> Response:
        """Delete one version of a package."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        package = await self._room.services.packages.get(visit.access, *_path(request))
        if form.text("confirm") != package.name:
            values = {"package": package, "errors": {"confirm": f"type {package.name} to confirm"}}
            return await visit.page("package_delete.html", values, section=SECTION, status=400)
        await self._room.services.packages.delete(visit.access, package.guid, package.version)
        return visit.on("packages", note=f"Package {package.name} {package.version} was deleted.")

    async def new(self, request: Request) -> Response:
        """Show the form of a package."""
        visit = await self._room.visit(request)
        return await self._page(visit, PackageForm())

    async def submit(self, request: Request) -> Response:
        """Keep the package, or show the form again; or one of the form's other buttons."""
        visit = await self._room.visit(request)
        sent = await form_of(request, self._room.sessions)
        form = PackageForm.of(sent)
        if sent.has("more"):
            return await self._page(visit, form.longer())
        if sent.has("add_secret"):
            return await self._with_secret(visit, form, SecretForm.of(sent).named(sent.text("secret_name")))
        if form.errors:
            return await self._page(visit, form, errors=form.errors, status=400)
        try:
            package = await self._room.services.packages.create(visit.access, form.draft())
        except InvalidInput as error:
            return await self._page(visit, form, errors=_errors(error, form), status=400)
        except Conflict as error:
            return await self._page(visit, form, errors={"version": str(error)}, status=409)
        note = f"Package {package.name} {package.version} was created."
        return visit.on("packages", package.name, package.version, note=note)

    async def check(self, request: Request) -> Response:
        """Prove the images that the form names, and keep nothing."""
        visit = await self._room.visit(request)
        form = PackageForm.of(await form_of(request, self._room.sessions))
        items = [
            PreflightItem(row.image, row.secret if row.private and row.secret else None, row.name)
            for row in form.filled
        ]
        results = await self._room.services.proofs.preflight(visit.access, items)
        if "hx-request" in request.headers:
            return HTMLResponse(visit.fragment("preflight.html", {"results": results}), headers=HEADERS)
        return await self._page(visit, form, results=results)

    async def _with_secret(self, visit: Visit, form: PackageForm, secret: SecretForm) -> Response:
        """Make a secret beside the package and go on with the form, which loses nothing."""
        self._require_secrets(visit)
        errors = secret.errors()
        if not errors:
            try:
                await self._room.services.secrets.create(visit.access, secret.draft())
            except InvalidInput as error:
                errors = dict(by_field(error))
            except Conflict as error:
                errors = {"name": str(error)}
        if errors:
            named = {("secret_name" if name == "name" else name): text for name, text in errors.items()}
            return await self._page(visit, form, secret=secret, errors=named, status=400)
        return await self._page(visit, form.naming(secret.name))

    def _require_secrets(self, visit: Visit) -> None:
        if not visit.access.may(Permission.MANAGE_SECRETS):
            raise InvalidInput("", problem="your role may not make secrets", rule="ask an administrator")

    async def _page(
        self,
        visit: Visit,
        form: PackageForm,
        *,
        secret: SecretForm | None = None,
        errors: Mapping[str, str] | None = None,
        results: Sequence[PreflightResult] | None = None,
        status: int = 200,
    ) -> Response:
        secrets = await self._secrets(visit)
        values = {
            "form": form,
            "docker_secrets": [each for each in secrets if isinstance(each, DockerSecret)],
            "opaque_secrets": [each for each in secrets if not isinstance(each, DockerSecret)],
            "secret": secret or SecretForm(email=visit.access.principal.user.email),
            "errors": errors or {},
            "labels": {name: label_of(name) for name in errors or {}} | LABELS,
            "results": results,
        }
        return await visit.page("package_new.html", values, section=SECTION, status=status)

    async def _secrets(self, visit: Visit) -> list[Secret]:
        """Return all secrets that one may name."""
        found: list[Secret] = []
        after = ""
        while True:
            shelf = await self._room.services.views.shelf(visit.access, SecretFilter(), after=after)
            found += [line.secret for line in shelf.lines]
            after = shelf.following
            if not after:
                return found


def _path(request: Request) -> tuple[str, str]:
    return request.path_params["name"], request.path_params["version"]


def _errors(error: InvalidInput, form: PackageForm) -> dict[str, str]:
    """Return an error of the document under the form's field that it is about, where there is one."""
    name = error.field.rpartition(".")[2]
    if error.field.startswith(("metadata.", "spec.cloud.")) and name in LABELS:
        return {name: sentence(error)}
    if field := form.field_of(error.field):
        return {field: sentence(error)}
    return {"": str(error)}
