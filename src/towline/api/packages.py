"""Packages: declared, shown, deleted by version; there is no change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.api.operations import SUCCESS, Operation, Place, Reply
from towline.api.parameters import NAME, PAGING, SELECTOR, VERSION
from towline.domain.account import Permission
from towline.domain.scopes import ScopeKind
from towline.wire import packages as wire
from towline.wire.lists import joined, page_of, selector_of, text_of

if TYPE_CHECKING:
    from towline.api.operations import Call
    from towline.services.packages import Packages

_TAG = "Packages"


class PackagesApi:
    """The packages of the project that the header names."""

    def __init__(self, packages: Packages) -> None:
        self._packages = packages

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the table."""
        return (*self._many(), *self._one())

    def _many(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="GET",
                path="/v2/packages/",
                permission=Permission.VIEW,
                scope=ScopeKind.PACKAGES_READ,
                place=Place.HEADER,
                tag=_TAG,
                summary="The packages of a project, all versions",
                handle=self.list,
                parameters=(*PAGING, SELECTOR, NAME),
                answer=wire.PackageDocument,
                listed=True,
            ),
            Operation(
                method="POST",
                path="/v2/packages/",
                permission=Permission.DEPLOY,
                scope=ScopeKind.PACKAGES_WRITE,
                place=Place.HEADER,
                tag=_TAG,
                summary="Declare a version of a package",
                handle=self.create,
                body=wire.PackageIn,
                answer=wire.PackageDocument,
                status=201,
                errors=(409,),
            ),
        )

    def _one(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="GET",
                path="/v2/packages/{name}/",
                permission=Permission.VIEW,
                scope=ScopeKind.PACKAGES_READ,
                place=Place.HEADER,
                tag=_TAG,
                summary="A package by name or guid",
                handle=self.get,
                parameters=(VERSION,),
                answer=wire.PackageDocument,
                errors=(404,),
            ),
            Operation(
                method="DELETE",
                path="/v2/packages/{name}/",
                permission=Permission.DEPLOY,
                scope=ScopeKind.PACKAGES_WRITE,
                place=Place.HEADER,
                tag=_TAG,
                summary="Delete one version; its deployments go on",
                handle=self.delete,
                parameters=(VERSION,),
                errors=(404,),
            ),
        )

    async def list(self, call: Call) -> Reply:
        """Answer a page of packages."""
        query, access = call.query, call.access
        listing = await self._packages.list(
            access, page_of(query), selector=selector_of(query), name=text_of(query, "name")
        )
        items = (wire.document(each, access.project, access.organization) for each in listing.items)
        return Reply(joined("Package", items, listing.next))

    async def create(self, call: Call) -> Reply:
        """Declare a package."""
        access = call.access
        package = await self._packages.create(access, wire.draft(call.body))
        return Reply(wire.document(package, access.project, access.organization), 201)

    async def get(self, call: Call) -> Reply:
        """Answer a package."""
        access = call.access
        package = await self._packages.get(access, call.path["name"], text_of(call.query, "version"))
        return Reply(wire.document(package, access.project, access.organization))

    async def delete(self, call: Call) -> Reply:
        """Delete one version."""
        await self._packages.delete(call.access, call.path["name"], text_of(call.query, "version"))
        return SUCCESS
