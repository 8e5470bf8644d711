"""ADD NEW SECRET: SELECT SECRET TYPE, the form, Test connection, SUBMIT; and changing one that is there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse

from towline.console.deployments import restarted
from towline.console.forms import form_of
from towline.console.manifests import documents_of
from towline.console.minted_form import kind_for
from towline.console.minted_secret import MintedSecretPages
from towline.console.presets import PRESETS
from towline.console.secret_form import HUB, LABELS, NAME_HINT, PRIVATE, SecretForm, by_field, problem_of
from towline.console.secrets import SECTION, newest_rows, set_by
from towline.console.templating import HEADERS
from towline.domain.credential_shape import shape_of
from towline.domain.errors import Conflict, InvalidInput, NotFound, ProofRequired
from towline.domain.minting import mint_kind_of
from towline.domain.names import secret_name
from towline.domain.pasting import read_pasted
from towline.domain.providers import Provider, provider_of_host
from towline.domain.secret import DockerSecret, OpaqueDraft

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.forms import Form
    from towline.console.presets import Preset
    from towline.console.visit import Room, Visit
    from towline.domain.pasted import Pasted, PastedEntry

_EMPTY_ROWS = 3


class NewSecretPages:
    """Makes secrets."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._minted = MintedSecretPages(room)

    async def types(self, request: Request) -> Response:
        """SELECT SECRET TYPE."""
        visit = await self._room.visit(request)
        return await visit.page("secret_types.html", {"presets": PRESETS.values()}, section=SECTION)

    async def check_name(self, request: Request) -> Response:
        """Say whether a name can be had, as one types."""
        visit = await self._room.visit(request)
        name = request.query_params.get("name", "").strip()
        _, problem = problem_of(lambda: secret_name(name))
        if not problem and await self._is_taken(visit, name):
            problem = f"there is a secret called {name} in this project already"
        values = {"problem": problem, "name": name, "hint": NAME_HINT}
        return HTMLResponse(visit.fragment("name_check.html", values), headers=HEADERS)

    async def check_registry(self, request: Request) -> Response:
        """Say how a registry's address is understood, as one types."""
        visit = await self._room.visit(request)
        form = SecretForm(kind=PRIVATE, registry=request.query_params.get("registry", "").strip())
        _, problem = problem_of(form.address)
        address = None if problem else form.address()
        kind = kind_for(form.registry)
        minted = visit.at("new", "secret", "minted") if kind else ""
        values = {"problem": problem, "address": address, "kind": kind, "minted": minted}
        return HTMLResponse(visit.fragment("registry_check.html", values), headers=HEADERS)

    async def docker(self, request: Request) -> Response:
        """Show the form of a docker pull secret."""
        visit = await self._room.visit(request)
        query = request.query_params
        preset = PRESETS.get(query.get("provider", ""))
        is_hub = preset is None or preset.provider is Provider.DOCKER_HUB
        form = SecretForm(
            name=query.get("name", ""),
            kind=HUB if is_hub and not query.get("registry") else PRIVATE,
            registry=query.get("registry", "") or (preset.registry if preset else ""),
            username=preset.username if preset else "",
            email=visit.access.principal.user.email,
        )
        return await self._docker_page(visit, form, preset=preset)

    async def submit_docker(self, request: Request) -> Response:
        """Keep the secret, or show the form again: SUBMIT. Trying it only is another button of the form."""
        visit = await self._room.visit(request)
        sent = await form_of(request, self._room.sessions)
        form = SecretForm.of(sent)
        if errors := form.errors():
            return await self._docker_page(visit, form, errors=errors, status=400)
        try:
            await self._room.services.secrets.create(
                visit.access, form.draft(), require_verified=form.verified_only
            )
        except InvalidInput as error:
            return await self._docker_page(visit, form, errors=by_field(error), status=400)
        except Conflict as error:
            return await self._docker_page(visit, form, errors={"name": str(error)}, status=409)
        except ProofRequired as refused:
            return await self._docker_page(visit, form, refused=refused, status=412)
        return await self._kept(visit, form.name, "created")

    async def try_docker(self, request: Request) -> Response:
        """Test connection: try what the form holds, and keep nothing."""
        visit = await self._room.visit(request)
        form = SecretForm.of(await form_of(request, self._room.sessions))
        editing = request.path_params.get("name", "")
        secret = await self._docker_secret(visit, editing) if editing else None
        tried = await self._tried(visit, form, secret)
        if "hx-request" in request.headers:
            return HTMLResponse(visit.fragment("connection.html", {"tried": tried}), headers=HEADERS)
        return await self._docker_page(visit, form, secret=secret, tried=tried)

    async def paste(self, request: Request) -> Response:
        """Read what was pasted, say what was found, and fill the form; nothing is kept."""
        visit = await self._room.visit(request)
        sent = await form_of(request, self._room.sessions)
        form = SecretForm.of(sent)
        try:
            pasted = read_pasted(sent.whole("pasted"), load_yaml=documents_of)
        except InvalidInput as error:
            return await self._docker_page(visit, form, errors=by_field(error), status=400)
        chosen = _chosen(pasted, sent.text("entry"))
        if chosen is not None:
            form = _filled(form, chosen)
        again = sent.whole("pasted") if len(pasted.usable) > 1 else ""
        found = {"pasted": pasted, "chosen": chosen, "again": again}
        return await self._docker_page(visit, form, found=found)

    async def opaque(self, request: Request) -> Response:
        """Show the form of an opaque secret."""
        visit = await self._room.visit(request)
        return await self._opaque_page(visit, request.query_params.get("name", ""), {})

    async def submit_opaque(self, request: Request) -> Response:
        """Keep an opaque secret, or show the form again."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        name, data = form.text("name"), _pairs(form)
        try:
            await self._room.services.secrets.create(
                visit.access, OpaqueDraft.checked(name, data=data, labels={})
            )
        except InvalidInput as error:
            return await self._opaque_page(visit, name, data, errors=by_field(error), status=400)
        except Conflict as error:
            return await self._opaque_page(visit, name, data, errors={"name": str(error)}, status=409)
        return visit.on("secrets", name, note=f"Secret {name} was created.")

    async def edit(self, request: Request) -> Response:
        """Show the form of a secret that is there, without its password or values."""
        visit = await self._room.visit(request)
        secret = await self._room.services.secrets.get(visit.access, request.path_params["name"])
        if not isinstance(secret, DockerSecret):
            data = dict.fromkeys(secret.keys, "")
            return await self._opaque_page(visit, secret.metadata.name, data, replaces=True)
        if secret.mint is not None:
            return await self._minted.edit(visit, secret, secret.mint.mint)
        form = SecretForm.about(secret)
        if "rotate" in request.query_params:
            form = replace(form, verified_only=True)
        return await self._docker_page(visit, form, secret=secret)

    async def submit_edit(self, request: Request) -> Response:
        """Replace the secret; an empty password keeps the present one at the same registry."""
        visit = await self._room.visit(request)
        sent = await form_of(request, self._room.sessions)
        secret = await self._room.services.secrets.get(visit.access, request.path_params["name"])
        if not isinstance(secret, DockerSecret):
            return await self._replace_opaque(visit, secret.metadata.name, _pairs(sent))
        if secret.mint is not None:
            return await self._minted.submit_edit(visit, sent, secret, secret.mint.mint)
        return await self._submit_docker(visit, sent, secret)

    async def _submit_docker(self, visit: Visit, sent: Form, secret: DockerSecret) -> Response:
        form = SecretForm.of(sent).named(secret.metadata.name)
        errors = _errors_of_change(form, secret)
        if errors:
            return await self._docker_page(visit, form, secret=secret, errors=errors, status=400)
        try:
            await self._change(visit, form, secret)
        except InvalidInput as error:
            return await self._docker_page(visit, form, secret=secret, errors=by_field(error), status=400)
        except Conflict as error:
            return await self._docker_page(visit, form, secret=secret, errors={"": str(error)}, status=409)
        except ProofRequired as refused:
            return await self._docker_page(visit, form, secret=secret, refused=refused, status=412)
        also = await restarted(visit, form.restart)
        return await self._kept(visit, form.name, "changed", also=also)

    async def _change(self, visit: Visit, form: SecretForm, secret: DockerSecret) -> None:
        secrets, guid = self._room.services.secrets, secret.metadata.guid
        if form.password:
            draft = replace(form.draft(), labels=secret.metadata.labels)
            await secrets.replace(
                visit.access, guid, draft, require_verified=form.verified_only, version=form.version
            )
            return
        await secrets.amend(
            visit.access,
            guid,
            username=form.username,
            email=form.email,
            version=form.version,
            require_verified=form.verified_only,
        )

    async def _replace_opaque(self, visit: Visit, name: str, data: Mapping[str, str]) -> Response:
        present = await self._room.services.secrets.get(visit.access, name)
        try:
            draft = OpaqueDraft.checked(name, data=data, labels=present.metadata.labels)
            await self._room.services.secrets.replace(visit.access, name, draft)
        except InvalidInput as error:
            return await self._opaque_page(
                visit, name, data, errors=by_field(error), status=400, replaces=True
            )
        return visit.on("secrets", name, note=f"Secret {name} was changed.")

    async def _kept(self, visit: Visit, name: str, what: str, *, also: str = "") -> Response:
        secret = await self._room.services.secrets.get(visit.access, name)
        verdict = secret.standing.verdict.value if isinstance(secret, DockerSecret) else ""
        return visit.on("secrets", name, note=f"Secret {name} was {what} and tried: {verdict}.{also}")

    async def _tried(self, visit: Visit, form: SecretForm, secret: DockerSecret | None) -> dict[str, object]:
        """Return what trying the form's credential showed, as the template wants it."""
        keeps = secret is not None and not form.password
        if errors := form.errors(names=False, keeps_password=keeps):
            return {"errors": errors, "labels": LABELS, "answer": None, "registry": ""}
        if keeps and secret is not None:
            errors = {"password": "is empty; type it to try it here, or use Verify on the secret's page"}
            return {"errors": errors, "labels": LABELS, "answer": None, "registry": ""}
        address, credential = form.address(), form.credential()
        shape = shape_of(provider_of_host(address.host), credential, now=self._room.clock())
        answer = await self._room.services.proofs.tried(visit.access, address, credential, image=form.image)
        return {
            "errors": {},
            "labels": LABELS,
            "answer": answer,
            "registry": address.key,
            "image": form.image,
            "username": form.username,
            "shape": shape,
        }

    async def _docker_secret(self, visit: Visit, name: str) -> DockerSecret:
        secret = await self._room.services.secrets.get(visit.access, name)
        if not isinstance(secret, DockerSecret):
            raise NotFound("docker secret", name)
        return secret

    async def _is_taken(self, visit: Visit, name: str) -> bool:
        try:
            await self._room.services.secrets.get(visit.access, name)
        except NotFound:
            return False
        return True

    async def _docker_page(  # noqa: PLR0913  (what the page may show, by name)
        self,
        visit: Visit,
        form: SecretForm,
        *,
        secret: DockerSecret | None = None,
        errors: Mapping[str, str] | None = None,
        preset: Preset | None = None,
        tried: Mapping[str, object] | None = None,
        found: Mapping[str, object] | None = None,
        refused: ProofRequired | None = None,
        status: int = 200,
    ) -> Response:
        rows = await newest_rows(visit, secret.metadata.guid) if secret else ()
        using = (
            await self._room.services.secrets.used_by(visit.access, secret.metadata.guid) if secret else ()
        )
        values = {
            "form": form,
            "secret": secret,
            "set_by": set_by(rows),
            "using": using,
            "errors": errors or {},
            "labels": LABELS,
            "hint": NAME_HINT,
            "preset": preset,
            "mintable": mint_kind_of(preset.provider) if preset else kind_for(form.registry),
            "tried": tried,
            "refused": refused,
            "found": found,
        }
        return await visit.page("secret_docker.html", values, section=SECTION, status=status)

    async def _opaque_page(
        self,
        visit: Visit,
        name: str,
        data: Mapping[str, str],
        *,
        errors: Mapping[str, str] | None = None,
        replaces: bool = False,
        status: int = 200,
    ) -> Response:
        rows = [*data.items(), *[("", "")] * max(1, _EMPTY_ROWS - len(data))]
        values = {
            "name": name,
            "rows": rows,
            "errors": errors or {},
            "labels": LABELS,
            "hint": NAME_HINT,
            "replaces": replaces,
        }
        return await visit.page("secret_opaque.html", values, section=SECTION, status=status)


def _errors_of_change(form: SecretForm, secret: DockerSecret) -> dict[str, str]:
    """Return what is wrong with a change; a password is kept only where it belongs: at its own registry."""
    errors = form.errors(keeps_password=True)
    if not form.password and "registry" not in errors and form.address().key != secret.registry.key:
        problem = "is needed anew, as the registry is another: a kept one is never sent elsewhere"
        return {**errors, "password": problem}
    return errors


def _chosen(pasted: Pasted, entry: str) -> PastedEntry | None:
    """Return the entry that was chosen by its place, else the only one that can be used."""
    if entry.isascii() and entry.isdigit() and int(entry) < len(pasted.usable):
        return pasted.usable[int(entry)]
    return pasted.usable[0] if len(pasted.usable) == 1 else None


def _filled(form: SecretForm, entry: PastedEntry) -> SecretForm:
    """Return the form with what was pasted; what the text does not say stays."""
    return replace(
        form,
        name=form.name or entry.name,
        kind=(HUB if entry.is_hub else PRIVATE) if entry.registry else form.kind,
        registry="" if entry.is_hub else entry.registry,
        username=entry.username,
        password=entry.password,
        email=entry.email or form.email,
    )


def _pairs(form: Form) -> dict[str, str]:
    """Return the rows of an opaque secret's form that have a key."""
    pairs = zip(form.every("key"), form.every("value"), strict=False)
    return {key.strip(): value for key, value in pairs if key.strip()}
