"""Tokens that people make for programs: one's own, never somebody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.api.operations import SUCCESS, Operation, Reply
from towline.domain.account import Permission
from towline.wire import tokens as wire
from towline.wire.lists import joined

if TYPE_CHECKING:
    from towline.api.operations import Call
    from towline.services.accounts import Accounts

_TAG = "Tokens"


class TokensApi:
    """One's own tokens. None of these may be called with a token that has scopes."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the table."""
        return (
            Operation(
                method="GET",
                path="/v2/tokens/",
                permission=Permission.SIGNED_IN,
                tag=_TAG,
                summary="One's own sessions and tokens, the newest first",
                handle=self.list,
                answer=wire.ApiTokenDocument,
                listed=True,
            ),
            Operation(
                method="POST",
                path="/v2/tokens/",
                permission=Permission.SIGNED_IN,
                tag=_TAG,
                summary="Make a token with scopes; its text is shown this once",
                handle=self.create,
                body=wire.TokenIn,
                answer=wire.ApiTokenDocument,
                status=201,
                errors=(400, 403, 404),
            ),
            Operation(
                method="DELETE",
                path="/v2/tokens/{guid}/",
                permission=Permission.SIGNED_IN,
                tag=_TAG,
                summary="Revoke one of one's own tokens",
                handle=self.revoke,
                errors=(404,),
            ),
        )

    async def list(self, call: Call) -> Reply:
        """Answer all of the caller's tokens; there are few, so they are one page."""
        known = await self._accounts.tokens(call.principal)
        return Reply(joined("Token", (wire.document(each) for each in known), None))

    async def create(self, call: Call) -> Reply:
        """Answer a new token with its text."""
        name, scopes, project, days = wire.wanted(call.body)
        token, text = await self._accounts.create_scoped_token(
            call.principal, name=name, scopes=scopes, project_guid=project, days=days
        )
        return Reply(wire.document(token, text=text), 201)

    async def revoke(self, call: Call) -> Reply:
        """End a token."""
        await self._accounts.revoke_token(call.principal, call.path["guid"])
        return SUCCESS
