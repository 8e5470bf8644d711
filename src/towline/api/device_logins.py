"""Signing in a program through a browser: OAuth's device authorization grant (RFC 8628).

The program's half; the person's is the console's page ``/device``. Refusals are in OAuth's words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.api.operations import Operation, Reply
from towline.domain.account import Permission
from towline.domain.device_login import PollAnswer
from towline.domain.errors import InvalidInput
from towline.wire import device_logins as wire

if TYPE_CHECKING:
    from towline.api.operations import Call
    from towline.services.device_logins import DeviceLogins

_TAG = "Signing in"
_MOST_BYTES = 8192


class DeviceLoginsApi:
    """Where a program is told its codes, and asks for its token."""

    def __init__(self, device_logins: DeviceLogins, *, public_url: str) -> None:
        self._device_logins = device_logins
        self._public_url = public_url.rstrip("/")

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the table."""
        return (
            Operation(
                method="GET",
                path="/.well-known/openid-configuration",
                permission=Permission.OPEN,
                tag=_TAG,
                summary="Where a program begins to be signed in through a browser",
                handle=self.discover,
                answer=wire.DiscoveryDocument,
            ),
            Operation(
                method="POST",
                path=wire.AUTHORIZATION_PATH,
                permission=Permission.OPEN,
                tag=_TAG,
                summary="Begin to be signed in through a browser (RFC 8628)",
                handle=self.begin,
                body=wire.AuthorizationForm,
                body_media_type=wire.FORM,
                most_bytes=_MOST_BYTES,
                answer=wire.AuthorizationDocument,
                errors=(400, 429),
            ),
            Operation(
                method="POST",
                path=wire.TOKEN_PATH,
                permission=Permission.OPEN,
                tag=_TAG,
                summary="Ask for the token once a person has approved",
                handle=self.poll,
                body=wire.TokenForm,
                body_media_type=wire.FORM,
                most_bytes=_MOST_BYTES,
                answer=wire.GrantDocument,
                errors=(400,),
            ),
        )

    async def discover(self, call: Call) -> Reply:
        """Answer where the two endpoints are."""
        return Reply(wire.discovery_document(call.server))

    async def begin(self, call: Call) -> Reply:
        """Answer the codes of a new login."""
        try:
            client_id = _form(call).get("client_id", "")
            begun = await self._device_logins.begin(client_id, peer=call.peer)
        except InvalidInput as error:
            return Reply(wire.refusal("invalid_request", str(error)), 400)
        browsers = self._public_url or call.server
        return Reply(
            wire.authorization_document(
                begun.login, browsers, device_code=begun.device_code, user_code=begun.user_code
            )
        )

    async def poll(self, call: Call) -> Reply:
        """Answer the token, or that there is none yet."""
        try:
            asked = wire.token_request(_form(call))
        except InvalidInput as error:
            return Reply(wire.refusal("invalid_request", str(error)), 400)
        if asked.grant_type != wire.GRANT_TYPE:
            return Reply(wire.refusal("unsupported_grant_type", f"use {wire.GRANT_TYPE}"), 400)
        heard = await self._device_logins.poll(asked.device_code, asked.client_id)
        if isinstance(heard, PollAnswer):
            return Reply(wire.poll_refusal(heard), 400)
        return Reply(wire.grant_document(heard, call.server, client_id=asked.client_id))


def _form(call: Call) -> dict[str, str]:
    kind = call.header(b"content-type").partition(";")[0].strip().lower()
    if kind != wire.FORM:
        raise InvalidInput("", problem=f"the body is {kind[:60]!a}", rule=f"send {wire.FORM}")
    return wire.form_of(call.body)
