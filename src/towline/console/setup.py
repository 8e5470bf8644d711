"""The first start: the one-time link leads here, and the first account is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.console.templating import page, see_other
from towline.domain.credential import Password
from towline.domain.errors import TowlineError

if TYPE_CHECKING:
    from starlette.datastructures import FormData
    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.session import Sessions
    from towline.services.accounts import Accounts

_FIELDS = ("token", "email", "first_name", "last_name", "organization", "project")


class SetupPage:
    """Makes the first account, organization and project."""

    def __init__(self, accounts: Accounts, sessions: Sessions) -> None:
        self._accounts = accounts
        self._sessions = sessions

    async def show(self, request: Request) -> Response:
        """Show the form."""
        values = dict.fromkeys(_FIELDS, "") | {"token": request.query_params.get("token", "")}
        return page("setup.html", {"values": values, "problem": ""})

    async def submit(self, request: Request) -> Response:
        """Make the account and sign it in, or show the form again with what was wrong."""
        async with request.form(max_fields=20, max_part_size=16384) as form:
            values = {name: _text(form, name) for name in _FIELDS}
            password = Password(_text(form, "password"))
        try:
            self._sessions.check_origin(request)
            token = await self._accounts.complete_setup(
                values["token"],
                email=values["email"].strip(),
                password=password,
                first_name=values["first_name"].strip(),
                last_name=values["last_name"].strip(),
                organization=values["organization"].strip(),
                project=values["project"].strip(),
            )
        except TowlineError as error:
            return page("setup.html", {"values": values, "problem": str(error)}, status=400)
        return self._sessions.begin(see_other("/"), token)


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""
