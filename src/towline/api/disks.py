"""Disks: made, shown, deleted with what is on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.api.operations import SUCCESS, Operation, Place, Reply
from towline.api.parameters import NAMES, PAGING, REGIONS, SELECTOR
from towline.domain.account import Permission
from towline.domain.scopes import ScopeKind
from towline.wire import disks as wire
from towline.wire.lists import elsewhere, joined, page_of, selector_of
from towline.wire.openapi import Parameter

if TYPE_CHECKING:
    from towline.api.operations import Call
    from towline.services.disks import Disks

_TAG = "Disks"
_STATES = Parameter(
    "status", "only disks in one of these states: Available, Bound, Released, Failed, Pending", repeated=True
)


class DisksApi:
    """The disks of the project that the header names."""

    def __init__(self, disks: Disks) -> None:
        self._disks = disks

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the table."""
        return (*self._many(), *self._one())

    def _many(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="GET",
                path="/v2/disks/",
                permission=Permission.VIEW,
                scope=ScopeKind.DISKS_READ,
                place=Place.HEADER,
                tag=_TAG,
                summary="The disks of a project",
                handle=self.list,
                parameters=(*PAGING, SELECTOR, NAMES, REGIONS, _STATES),
                answer=wire.DiskDocument,
                listed=True,
            ),
            Operation(
                method="POST",
                path="/v2/disks/",
                permission=Permission.DEPLOY,
                scope=ScopeKind.DISKS_WRITE,
                place=Place.HEADER,
                tag=_TAG,
                summary="Make a disk",
                handle=self.create,
                body=wire.DiskIn,
                answer=wire.DiskDocument,
                status=201,
                errors=(409,),
            ),
        )

    def _one(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="GET",
                path="/v2/disks/{name}/",
                permission=Permission.VIEW,
                scope=ScopeKind.DISKS_READ,
                place=Place.HEADER,
                tag=_TAG,
                summary="A disk by name or guid, with what is on it as far as its engine tells",
                handle=self.get,
                answer=wire.DiskDocument,
                errors=(404,),
            ),
            Operation(
                method="DELETE",
                path="/v2/disks/{name}/",
                permission=Permission.DEPLOY,
                scope=ScopeKind.DISKS_WRITE,
                place=Place.HEADER,
                tag=_TAG,
                summary="Delete a disk with all that is on it; refused while a deployment has it",
                handle=self.delete,
                errors=(404, 409),
            ),
        )

    async def list(self, call: Call) -> Reply:
        """Answer a page of disks."""
        query, access = call.query, call.access
        if elsewhere(query):
            return Reply(joined("Disk", (), None))
        listing = await self._disks.list(
            access,
            page_of(query),
            selector=selector_of(query),
            names=query.get("names", ()),
            states=wire.states_of(query),
        )
        return Reply(joined("Disk", (wire.document(each, access) for each in listing.items), listing.next))

    async def create(self, call: Call) -> Reply:
        """Make a disk."""
        view = await self._disks.create(call.access, wire.draft(call.body))
        return Reply(wire.document(view, call.access), 201)

    async def get(self, call: Call) -> Reply:
        """Answer a disk."""
        return Reply(wire.document(await self._disks.get(call.access, call.path["name"]), call.access))

    async def delete(self, call: Call) -> Reply:
        """Delete a disk."""
        await self._disks.delete(call.access, call.path["name"])
        return SUCCESS
