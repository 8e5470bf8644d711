"""The first start: the one-time link leads here, and the first account is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.console.forms import open_form
from towline.console.templating import page, see_other
from towline.console.visit import common
from towline.domain.errors import InvalidInput, NotAllowed, NotSignedIn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.session import Sessions
    from towline.services.accounts import Accounts

LABELS = {
    "email": "E-mail address",
    "password": "Password",
    "first_name": "First name",
    "last_name": "Last name",
    "organization": "Organization",
    "project": "First project",
}
_FIELDS = ("token", "email", "first_name", "last_name", "organization", "project")
_NAMES = {"firstName": "first_name", "lastName": "last_name"}


class SetupPage:
    """Makes the first account, organization and project."""

    def __init__(self, accounts: Accounts, sessions: Sessions) -> None:
        self._accounts = accounts
        self._sessions = sessions

    async def show(self, request: Request) -> Response:
        """Show the form."""
        values = dict.fromkeys(_FIELDS, "") | {"token": request.query_params.get("token", "")}
        return self._form(request, values)

    async def submit(self, request: Request) -> Response:
        """Make the account and sign it in, or show the form again with what was wrong."""
        form = await open_form(request)
        values = {name: form.text(name) for name in _FIELDS}
        try:
            self._sessions.check_origin(request)
            token = await self._accounts.complete_setup(
                values["token"],
                email=values["email"],
                password=form.password("password"),
                first_name=values["first_name"],
                last_name=values["last_name"],
                organization=values["organization"],
                project=values["project"],
            )
        except InvalidInput as error:
            field = error.field.rpartition(".")[2]
            return self._form(request, values, {_NAMES.get(field, field): _told(error)}, status=400)
        except (NotSignedIn, NotAllowed) as error:
            return self._form(request, values, {"": str(error)}, status=400)
        return self._sessions.begin(request, see_other("/"), token=token)

    def _form(
        self,
        request: Request,
        values: Mapping[str, str],
        errors: Mapping[str, str] | None = None,
        *,
        status: int = 200,
    ) -> Response:
        shown = {"values": values, "errors": errors or {}, "labels": LABELS}
        return page("setup.html", common(self._sessions, request) | shown, status=status)


def _told(error: InvalidInput) -> str:
    return f"{error.problem}; {error.rule}" if error.rule else error.problem
