"""A docker pull secret whose login Towline mints: its form, SUBMIT, and changing one that is there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from towline.console.forms import form_of
from towline.console.minted_form import LABELS, MintedForm, by_field, kind_for
from towline.console.secret_form import NAME_HINT
from towline.console.secrets import SECTION
from towline.domain.errors import Conflict, InvalidInput, ProofRequired
from towline.domain.minting import MINTS, Mint, MintKind
from towline.domain.secret import DockerSecret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.forms import Form
    from towline.console.visit import Room, Visit

_ANEW = "is needed anew, as the registry or a setting is another: a kept one is never sent elsewhere"


class MintedSecretPages:
    """Makes and changes secrets whose logins are minted."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def new(self, request: Request) -> Response:
        """Show the form, or the kinds to choose from where neither query nor registry tells which it is."""
        visit = await self._room.visit(request)
        query = request.query_params
        registry = query.get("registry", "").strip()
        kind = kind_for(registry, query.get("kind", ""))
        if kind is None:
            return await visit.page("mint_kinds.html", {"mints": MINTS, "query": query}, section=SECTION)
        email = visit.access.principal.user.email
        form = MintedForm(kind, query.get("name", ""), registry, email)
        return await self._page(visit, form)

    async def submit(self, request: Request) -> Response:
        """Keep the secret, or show the form again."""
        visit = await self._room.visit(request)
        sent = await form_of(request, self._room.sessions)
        form = MintedForm.of(sent, kind_for(sent.text("registry"), sent.text("kind")) or MintKind.ECR)
        if errors := form.errors():
            return await self._page(visit, form, errors=errors, status=400)
        try:
            await self._room.services.secrets.create(
                visit.access, form.draft(), require_verified=form.verified_only
            )
        except (InvalidInput, Conflict, ProofRequired) as refusal:
            return await self._refused(visit, form, refusal, taken="name")
        return await self._kept(visit, form.name, "created")

    async def edit(self, visit: Visit, secret: DockerSecret, mint: Mint) -> Response:
        """Show the form of a secret that is there, without its parent credential."""
        return await self._page(visit, MintedForm.about(secret, mint), secret=secret)

    async def submit_edit(self, visit: Visit, sent: Form, secret: DockerSecret, mint: Mint) -> Response:
        """Replace the secret; an empty key keeps the present one where nothing else of it changes."""
        form = MintedForm.of(sent, mint.kind).named(secret.metadata.name)
        errors = form.errors(keeps_key=True)
        if not errors and not form.key and (form.address().key, form.mint()) != (secret.registry.key, mint):
            errors = {"key": _ANEW}
        if errors:
            return await self._page(visit, form, secret=secret, errors=errors, status=400)
        try:
            await self._change(visit, form, secret)
        except (InvalidInput, Conflict, ProofRequired) as refusal:
            return await self._refused(visit, form, refusal, secret=secret)
        return await self._kept(visit, form.name, "changed")

    async def _change(self, visit: Visit, form: MintedForm, secret: DockerSecret) -> None:
        secrets, guid, strict = self._room.services.secrets, secret.metadata.guid, form.verified_only
        if form.key:
            draft = replace(form.draft(), labels=secret.metadata.labels)
            await secrets.replace(visit.access, guid, draft, require_verified=strict, version=form.version)
            return
        await secrets.amend(
            visit.access,
            guid,
            username=secret.username,
            email=form.email,
            version=form.version,
            require_verified=strict,
        )

    async def _refused(
        self,
        visit: Visit,
        form: MintedForm,
        refusal: InvalidInput | Conflict | ProofRequired,
        *,
        taken: str = "",
        secret: DockerSecret | None = None,
    ) -> Response:
        match refusal:
            case InvalidInput():
                errors, status, strict = by_field(refusal), 400, None
            case Conflict():
                errors, status, strict = {taken: str(refusal)}, 409, None
            case ProofRequired():
                errors, status, strict = {}, 412, refusal
        return await self._page(visit, form, secret=secret, errors=errors, refused=strict, status=status)

    async def _kept(self, visit: Visit, name: str, what: str) -> Response:
        secret = await self._room.services.secrets.get(visit.access, name)
        verdict = secret.standing.verdict.value if isinstance(secret, DockerSecret) else ""
        return visit.on(
            "secrets", name, note=f"Secret {name} was {what}, its login minted and tried: {verdict}."
        )

    async def _page(
        self,
        visit: Visit,
        form: MintedForm,
        *,
        secret: DockerSecret | None = None,
        errors: Mapping[str, str] | None = None,
        refused: ProofRequired | None = None,
        status: int = 200,
    ) -> Response:
        values = {
            "form": form,
            "facts": MINTS[form.kind],
            "secret": secret,
            "errors": errors or {},
            "labels": LABELS,
            "hint": NAME_HINT,
            "refused": refused,
        }
        return await visit.page("secret_minted.html", values, section=SECTION, status=status)
