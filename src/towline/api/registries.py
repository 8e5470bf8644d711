"""Settings of registries: CA, plain HTTP, proxy, realm hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.api.operations import SUCCESS, Operation, Place, Reply
from towline.domain.account import Permission
from towline.domain.scopes import ScopeKind
from towline.wire import registries as wire
from towline.wire.lists import joined

if TYPE_CHECKING:
    from towline.api.operations import Call
    from towline.services.registries import Registries

_TAG = "Registries"


class RegistriesApi:
    """What a credential cannot say, in the project that the header names."""

    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the table."""
        return (*self._many(), *self._one())

    def _many(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="GET",
                path="/v2/registries/",
                permission=Permission.VIEW,
                scope=ScopeKind.REGISTRIES_READ,
                place=Place.HEADER,
                tag=_TAG,
                summary="All registries that something was set for",
                handle=self.list,
                answer=wire.RegistryDocument,
                listed=True,
            ),
        )

    def _one(self) -> tuple[Operation, ...]:
        path = "/v2/registries/{host}/"
        return (
            Operation(
                method="GET",
                path=path,
                permission=Permission.VIEW,
                scope=ScopeKind.REGISTRIES_READ,
                place=Place.HEADER,
                tag=_TAG,
                summary="What was set for a registry",
                handle=self.get,
                answer=wire.RegistryDocument,
            ),
            Operation(
                method="PUT",
                path=path,
                permission=Permission.MANAGE_SECRETS,
                scope=ScopeKind.REGISTRIES_WRITE,
                place=Place.HEADER,
                tag=_TAG,
                summary="Set what a credential cannot say about a registry",
                handle=self.put,
                body=wire.RegistryIn,
                answer=wire.RegistryDocument,
            ),
            Operation(
                method="DELETE",
                path=path,
                permission=Permission.MANAGE_SECRETS,
                scope=ScopeKind.REGISTRIES_WRITE,
                place=Place.HEADER,
                tag=_TAG,
                summary="Forget what was set for a registry",
                handle=self.delete,
            ),
        )

    async def list(self, call: Call) -> Reply:
        """Answer all settings; there are few, so they are one page."""
        known = await self._registries.list(call.access)
        return Reply(joined("Registry", (wire.document(each) for each in known), None))

    async def get(self, call: Call) -> Reply:
        """Answer a registry's settings."""
        return Reply(wire.document(await self._registries.get(call.access, call.path["host"])))

    async def put(self, call: Call) -> Reply:
        """Set them."""
        settings = wire.settings(call.body, call.path["host"])
        return Reply(wire.document(await self._registries.put(call.access, settings)))

    async def delete(self, call: Call) -> Reply:
        """Forget them."""
        await self._registries.delete(call.access, call.path["host"])
        return SUCCESS
