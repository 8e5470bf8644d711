"""Signing in, renewing and ending tokens: what rapyuta.io's clients call the RIP host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.api.operations import SUCCESS, Operation, Reply
from towline.domain.account import Permission, TokenLevel
from towline.domain.scopes import ScopeKind
from towline.wire import accounts as wire
from towline.wire.lists import text_of
from towline.wire.openapi import Parameter

if TYPE_CHECKING:
    from towline.api.operations import Call
    from towline.services.accounts import Accounts

_TAG = "Signing in"
_LEVEL = Parameter(
    "type", "how long the token lives: low 24 h, med 7 days, high 30 days", among=("low", "med", "high")
)


class IdentityApi:
    """Tokens."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the table."""
        return (*self._tokens(), *self._holder())

    def _tokens(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="POST",
                path="/user/login",
                permission=Permission.OPEN,
                tag=_TAG,
                summary="Sign in with address and password",
                handle=self.login,
                body=wire.LoginIn,
                parameters=(_LEVEL,),
                answer=wire.TokenDocument,
                errors=(400, 401, 413, 429),
            ),
            Operation(
                method="POST",
                path="/refreshtoken",
                permission=Permission.OPEN,
                tag=_TAG,
                summary="Exchange a token for a new one; the old one dies",
                handle=self.refresh,
                body=wire.RefreshIn,
                answer=wire.TokenDocument,
                errors=(400, 401, 413),
            ),
        )

    def _holder(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="GET",
                path="/user/info",
                permission=Permission.SIGNED_IN,
                scope=ScopeKind.EVERYBODY,
                tag=_TAG,
                summary="Who holds this token",
                handle=self.info,
                answer=wire.InfoDocument,
            ),
            Operation(
                method="POST",
                path="/user/logout",
                permission=Permission.SIGNED_IN,
                scope=ScopeKind.EVERYBODY,
                tag=_TAG,
                summary="End this token",
                handle=self.logout,
            ),
        )

    async def login(self, call: Call) -> Reply:
        """Answer a new token."""
        email, password = wire.login(call.body)
        level = TokenLevel.parse(text_of(call.query, "type"))
        return Reply(
            wire.token_document(await self._accounts.login(email, password, level=level, peer=call.peer))
        )

    async def refresh(self, call: Call) -> Reply:
        """Answer a new token for an old one."""
        return Reply(wire.token_document(await self._accounts.refresh(wire.refresh(call.body))))

    async def info(self, call: Call) -> Reply:
        """Answer who holds the token."""
        return Reply(wire.info_document(call.principal.user))

    async def logout(self, call: Call) -> Reply:
        """End the token."""
        await self._accounts.logout(call.principal)
        return SUCCESS
