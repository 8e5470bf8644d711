"""The provider's half of signing out: Back-Channel Logout 1.0. The browser's half is the console's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from towline.api.operations import Operation, Reply
from towline.domain.account import Permission
from towline.domain.errors import NotSignedIn
from towline.wire import device_logins as forms
from towline.wire import joining as wire

if TYPE_CHECKING:
    from towline.api.operations import Call
    from towline.services.single_sign_on import SingleSignOn

log = structlog.get_logger("towline.sso")

_MOST_BYTES = 65536


class SsoApi:
    """Where a sign-in provider says that a session is over."""

    def __init__(self, single_sign_on: SingleSignOn) -> None:
        self._single_sign_on = single_sign_on

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the table."""
        return (
            Operation(
                method="POST",
                path="/sign-in/sso/logout",
                permission=Permission.OPEN,
                tag="Signing in",
                summary="Told by the sign-in provider: a session there is over (back-channel logout)",
                handle=self.logout,
                body=wire.LogoutForm,
                body_media_type=forms.FORM,
                most_bytes=_MOST_BYTES,
                errors=(400, 404, 502),
            ),
        )

    async def logout(self, call: Call) -> Reply:
        """End what a signed logout token names; its signature is what lets it in."""
        token = forms.form_of(call.body).get("logout_token", "")
        try:
            ended = await self._single_sign_on.end(token)
        except NotSignedIn as error:
            log.warning("sso.logout-refused", why=str(error), peer=call.peer)
            return Reply(forms.refusal("invalid_request", str(error)), 400)
        log.info("sso.sessions-ended", count=ended)
        return Reply(b'{"success":true}')
