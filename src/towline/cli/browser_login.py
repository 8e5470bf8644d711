"""Signing in through a browser: a code is shown, and a person lets the command line in (RFC 8628)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from towline.cli.documents import number_at, text_at
from towline.cli.failure import Failure
from towline.cli.output import tell

if TYPE_CHECKING:
    from towline.cli.client import Client

CLIENT_ID = "towline-cli"
_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_SLOWER = 5
_WAITING = ("authorization_pending", "slow_down")


def token_by_browser(client: Client) -> str:
    """Return the token that a person has approved in a browser; raise Failure where that is not to be."""
    status, begun = client.form("/oauth2/device/authorization", {"client_id": CLIENT_ID})
    code = text_at(begun, "device_code")
    if status >= 400 or not code:
        raise Failure(
            f"{client.context.server} lets no program in through a browser (status {status})", code=1
        )
    tell(f"open {text_at(begun, 'verification_uri_complete')}")
    tell(f"and let in the code {text_at(begun, 'user_code')}; waiting (Ctrl-C ends that)")
    pause = max(1, number_at(begun, "interval"))
    end = time.monotonic() + number_at(begun, "expires_in")
    while time.monotonic() < end:
        time.sleep(pause)
        fields = {"grant_type": _GRANT, "client_id": CLIENT_ID, "device_code": code}
        _, heard = client.form("/oauth2/token", fields)
        if token := text_at(heard, "access_token"):
            return token
        error = text_at(heard, "error")
        if error not in _WAITING:
            raise Failure(f"not let in: {text_at(heard, 'error_description') or error}", code=5)
        pause += _SLOWER if error == "slow_down" else 0
    raise Failure("nobody let this in within the time; try again", code=7)
