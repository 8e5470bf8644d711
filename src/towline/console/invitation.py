"""Joining by an invitation's link: with a new account, or with the one that is signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from towline.console.forms import open_form
from towline.console.secret_form import sentence
from towline.console.templating import page, see_other
from towline.console.visit import common
from towline.domain.errors import Conflict, InvalidInput, NotAllowed, NotSignedIn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.visit import Room

PATH = "/invitation"
LABELS = {"password": "Password", "first_name": "First name", "last_name": "Last name"}
_LONGEST = 100


class InvitationPage:
    """The page that an invitation's link leads to."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def show(self, request: Request) -> Response:
        """Say who invites to what, and ask for a password, or to sign in where there is an account."""
        return await self._form(request, request.query_params.get("token", "")[:_LONGEST])

    async def submit(self, request: Request) -> Response:
        """Join: as the signed-in person, or with a new account, which is signed in then."""
        form = await open_form(request)
        token = form.text("token")[:_LONGEST]
        self._room.sessions.check_origin(request)
        invitations = self._room.services.invitations
        try:
            if form.has("join"):
                organization = await invitations.accept_as(
                    await self._room.sessions.principal(request), token
                )
                note = f"You are a member of {organization.name} now."
                return self._room.sessions.note(request, see_other("/"), text=note)
            peer = request.client.host if request.client else ""
            session = await invitations.accept(
                token,
                password=form.password("password"),
                first_name=form.text("first_name"),
                last_name=form.text("last_name"),
                peer=peer,
            )
        except InvalidInput as error:
            return await self._form(request, token, errors={error.field: sentence(error)}, status=400)
        except (Conflict, NotAllowed) as error:
            return await self._form(request, token, errors={"": str(error)}, status=409)
        return self._room.sessions.begin(request, see_other("/"), token=session)

    async def _form(
        self, request: Request, token: str, *, errors: Mapping[str, str] | None = None, status: int = 200
    ) -> Response:
        values: dict[str, object] = {"token": token, "errors": errors or {}, "labels": LABELS}
        try:
            invitation, organization, has_account = await self._room.services.invitations.opened(token)
        except InvalidInput as error:
            return self._page(request, {**values, "over": sentence(error)}, status=404)
        values |= {"over": "", "invitation": invitation, "organization": organization}
        values |= {"has_account": has_account, "user": await self._visitor(request)}
        values["way"] = f"/sign-in?next={quote(f'{PATH}?token={token}', safe='')}"
        return self._page(request, values, status=status)

    async def _visitor(self, request: Request) -> str:
        try:
            return (await self._room.sessions.principal(request)).user.email
        except NotSignedIn:
            return ""

    def _page(self, request: Request, values: Mapping[str, object], *, status: int) -> Response:
        return page("invitation.html", common(self._room.sessions, request) | dict(values), status=status)
