"""Service accounts: members of an organization that are programs, and their tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.api.operations import SUCCESS, Operation, Place, Reply
from towline.api.parameters import NAME, ORGANIZATION, PAGING, REGIONS, SELECTOR
from towline.domain.account import Permission
from towline.domain.errors import NotFound
from towline.domain.listing import Listing
from towline.domain.scopes import ScopeKind
from towline.services.service_accounts import token_number
from towline.wire import service_accounts as wire
from towline.wire.lists import joined, page_of, selector_of, text_of

if TYPE_CHECKING:
    from towline.api.operations import Call
    from towline.domain.groups import ServiceAccountView
    from towline.services.service_accounts import ServiceAccounts

_TAG = "Service accounts"
_PATH = "/v2/serviceaccounts/"
_ONE = f"{_PATH}{{name}}/"
_TOKENS = f"{_ONE}tokens/"
_TOKEN = f"{_TOKENS}{{token}}/"


class ServiceAccountsApi:
    """Service accounts by name, in the organization of the header ``organizationguid``."""

    def __init__(self, accounts: ServiceAccounts) -> None:
        self._accounts = accounts

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the table."""
        return (*self._reading(), *self._changing(), *self._tokens(), *self._one_token())

    def _reading(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="GET",
                path=_PATH,
                permission=Permission.SIGNED_IN,
                scope=ScopeKind.PROJECTS_READ,
                place=Place.ORGANIZATION_HEADER,
                tag=_TAG,
                summary="The service accounts of an organization",
                handle=self.list,
                parameters=(*PAGING, SELECTOR, NAME, REGIONS, ORGANIZATION),
                answer=wire.ServiceAccountDocument,
                listed=True,
                errors=(400,),
            ),
            Operation(
                method="GET",
                path=_ONE,
                permission=Permission.SIGNED_IN,
                scope=ScopeKind.PROJECTS_READ,
                place=Place.ORGANIZATION_HEADER,
                tag=_TAG,
                summary="A service account with its roles",
                handle=self.get,
                parameters=(ORGANIZATION,),
                answer=wire.ServiceAccountDocument,
            ),
        )

    def _changing(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="POST",
                path=_PATH,
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.ORGANIZATION_HEADER,
                tag=_TAG,
                summary="Make a service account",
                handle=self.create,
                parameters=(ORGANIZATION,),
                body=wire.ServiceAccountIn,
                answer=wire.ServiceAccountDocument,
                status=201,
                errors=(409,),
            ),
            Operation(
                method="PUT",
                path=_ONE,
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.ORGANIZATION_HEADER,
                tag=_TAG,
                summary="Replace a service account's description and roles",
                handle=self.update,
                parameters=(ORGANIZATION,),
                body=wire.ServiceAccountIn,
                answer=wire.ServiceAccountDocument,
            ),
            Operation(
                method="DELETE",
                path=_ONE,
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.ORGANIZATION_HEADER,
                tag=_TAG,
                summary="Delete a service account; its tokens die at once",
                handle=self.delete,
                parameters=(ORGANIZATION,),
            ),
        )

    def _tokens(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="GET",
                path=_TOKENS,
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.ORGANIZATION_HEADER,
                tag=_TAG,
                summary="The valid tokens of a service account, the newest first",
                handle=self.tokens,
                parameters=(ORGANIZATION,),
                answer=wire.ServiceTokenDocument,
                listed=True,
            ),
            Operation(
                method="POST",
                path=_TOKENS,
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.ORGANIZATION_HEADER,
                tag=_TAG,
                summary="Make a token of a service account; its text is shown this once",
                handle=self.create_token,
                parameters=(ORGANIZATION,),
                body=wire.ServiceTokenIn,
                answer=wire.ServiceTokenDocument,
                status=201,
                errors=(409,),
            ),
        )

    def _one_token(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="PATCH",
                path=_TOKEN,
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.ORGANIZATION_HEADER,
                tag=_TAG,
                summary="Give a token a new text and end; the old text dies",
                handle=self.refresh_token,
                parameters=(ORGANIZATION,),
                body=wire.ServiceTokenIn,
                answer=wire.ServiceTokenDocument,
            ),
            Operation(
                method="DELETE",
                path=_TOKEN,
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.ORGANIZATION_HEADER,
                tag=_TAG,
                summary="End a token of a service account",
                handle=self.revoke_token,
                parameters=(ORGANIZATION,),
            ),
        )

    async def list(self, call: Call) -> Reply:
        """Answer a page of service accounts."""
        query = call.query
        listing: Listing[ServiceAccountView] = await self._accounts.list(
            call.principal,
            call.organization,
            page_of(query),
            selector=selector_of(query),
            name=text_of(query, "name"),
        )
        return Reply(joined("ServiceAccount", map(wire.document, listing.items), listing.next))

    async def get(self, call: Call) -> Reply:
        """Answer a service account."""
        return Reply(
            wire.document(await self._accounts.get(call.principal, call.organization, call.path["name"]))
        )

    async def create(self, call: Call) -> Reply:
        """Make a service account."""
        draft = wire.draft(call.body)
        made = await self._accounts.create(call.principal, call.organization, draft)
        return Reply(wire.document(made), 201)

    async def update(self, call: Call) -> Reply:
        """Change the service account that the path names."""
        draft = wire.draft(call.body, name=call.path["name"])
        return Reply(wire.document(await self._accounts.update(call.principal, call.organization, draft)))

    async def delete(self, call: Call) -> Reply:
        """Delete a service account."""
        await self._accounts.delete(call.principal, call.organization, call.path["name"])
        return SUCCESS

    async def tokens(self, call: Call) -> Reply:
        """Answer all tokens of a service account; there are few, so they are one page."""
        known = await self._accounts.tokens(call.principal, call.organization, call.path["name"])
        shown = (wire.token_document(each, number=token_number(each)) for each in known)
        return Reply(joined("ServiceAccountToken", shown, None))

    async def create_token(self, call: Call) -> Reply:
        """Answer a new token with its text."""
        until, scopes, project = wire.wanted_token(call.body)
        token, text = await self._accounts.create_token(
            call.principal,
            call.organization,
            call.path["name"],
            expires_at=until,
            scopes=scopes,
            project_guid=project,
        )
        return Reply(wire.token_document(token, number=token_number(token), text=text), 201)

    async def refresh_token(self, call: Call) -> Reply:
        """Answer a token with its new text."""
        until, _, _ = wire.wanted_token(call.body)
        token, text = await self._accounts.refresh_token(
            call.principal, call.organization, call.path["name"], _number(call), expires_at=until
        )
        return Reply(wire.token_document(token, number=token_number(token), text=text))

    async def revoke_token(self, call: Call) -> Reply:
        """End a token."""
        await self._accounts.revoke_token(call.principal, call.organization, call.path["name"], _number(call))
        return SUCCESS


def _number(call: Call) -> int:
    text = call.path["token"]
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise NotFound("token", text[:60])
    return int(text)
