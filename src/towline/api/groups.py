"""User groups: members of an organization who hold roles together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.api.operations import SUCCESS, Operation, Place, Reply
from towline.api.parameters import GROUP, NAME, ORGANIZATION, PAGING, SELECTOR
from towline.domain.account import Permission
from towline.domain.scopes import ScopeKind
from towline.wire import groups as wire
from towline.wire.lists import joined, page_of, selector_of, text_of
from towline.wire.openapi import Parameter

if TYPE_CHECKING:
    from towline.api.operations import Call
    from towline.services.groups import Groups

_TAG = "User groups"
_PATH = "/v2/usergroups/"
_ONE = f"{_PATH}{{name}}/"
_GUID = Parameter("guid", "only the group with this guid")


class GroupsApi:
    """Groups by name, in the organization of the header ``organizationguid``."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the table."""
        return (*self._reading(), *self._changing())

    def _reading(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="GET",
                path=_PATH,
                permission=Permission.SIGNED_IN,
                scope=ScopeKind.PROJECTS_READ,
                place=Place.ORGANIZATION_HEADER,
                tag=_TAG,
                summary="The user groups of an organization",
                handle=self.list,
                parameters=(*PAGING, SELECTOR, NAME, _GUID, ORGANIZATION),
                answer=wire.GroupDocument,
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
                summary="A user group with its members and roles",
                handle=self.get,
                parameters=(ORGANIZATION, GROUP),
                answer=wire.GroupDocument,
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
                summary="Make a user group",
                handle=self.create,
                parameters=(ORGANIZATION,),
                body=wire.GroupIn,
                answer=wire.GroupDocument,
                status=201,
                errors=(409,),
            ),
            Operation(
                method="PUT",
                path=_ONE,
                permission=Permission.SIGNED_IN,
                also="as admin of the organization, or of the group as far as its members go",
                place=Place.ORGANIZATION_HEADER,
                tag=_TAG,
                summary="Replace a user group's description, members and roles",
                handle=self.update,
                parameters=(ORGANIZATION, GROUP),
                body=wire.GroupIn,
                answer=wire.GroupDocument,
            ),
            Operation(
                method="DELETE",
                path=_ONE,
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.ORGANIZATION_HEADER,
                tag=_TAG,
                summary="Delete a user group",
                handle=self.delete,
                parameters=(ORGANIZATION, GROUP),
            ),
        )

    async def list(self, call: Call) -> Reply:
        """Answer a page of groups."""
        query = call.query
        listing = await self._groups.list(
            call.principal,
            call.organization,
            page_of(query),
            selector=selector_of(query),
            name=text_of(query, "name"),
            guid=text_of(query, "guid"),
        )
        return Reply(joined("UserGroup", map(wire.document, listing.items), listing.next))

    async def get(self, call: Call) -> Reply:
        """Answer a group."""
        name, guid = call.path["name"], call.header(b"groupguid")
        return Reply(
            wire.document(await self._groups.get(call.principal, call.organization, name=name, guid=guid))
        )

    async def create(self, call: Call) -> Reply:
        """Make a group."""
        draft = wire.draft(call.body)
        return Reply(wire.document(await self._groups.create(call.principal, call.organization, draft)), 201)

    async def update(self, call: Call) -> Reply:
        """Change the group that the path, or where it is given the header ``groupguid``, names."""
        draft = wire.draft(call.body, name=call.path["name"])
        view = await self._groups.update(
            call.principal, call.organization, draft, guid=call.header(b"groupguid")
        )
        return Reply(wire.document(view))

    async def delete(self, call: Call) -> Reply:
        """Delete a group."""
        name, guid = call.path["name"], call.header(b"groupguid")
        await self._groups.delete(call.principal, call.organization, name=name, guid=guid)
        return SUCCESS
