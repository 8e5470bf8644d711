"""Mirrors: docker pull secrets kept in namespaces of a cluster, a door through which credentials leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.api.operations import SUCCESS, Operation, Place, Reply
from towline.domain.account import Permission
from towline.domain.audit import Door
from towline.domain.scopes import ScopeKind
from towline.wire import mirrors as wire
from towline.wire.lists import joined

if TYPE_CHECKING:
    from towline.api.operations import Call
    from towline.services.mirrors import Mirrors

_TAG = "Credential doors"


class MirrorsApi:
    """The mirrors of a secret of the project that the header names."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the table."""
        return (*self._many(), *self._one())

    def _many(self) -> tuple[Operation, ...]:
        path = "/v2/secrets/{name}/mirrors/"
        return (
            Operation(
                method="GET",
                path=path,
                permission=Permission.DEPLOY,
                scope=ScopeKind.SECRETS_READ,
                place=Place.HEADER,
                tag=_TAG,
                summary="Where a secret is kept in a cluster, and how that fares in each namespace",
                handle=self.list,
                answer=wire.MirrorDocument,
                listed=True,
            ),
            Operation(
                method="POST",
                path=path,
                permission=Permission.MANAGE_SECRETS,
                scope=ScopeKind.SECRETS_EXPORT,
                door=Door.MIRROR,
                place=Place.HEADER,
                tag=_TAG,
                summary="Keep a docker pull secret in namespaces of the cluster, and on service accounts",
                handle=self.add,
                body=wire.MirrorIn,
                answer=wire.MirrorDocument,
                status=201,
                errors=(409,),
            ),
        )

    def _one(self) -> tuple[Operation, ...]:
        path = "/v2/secrets/{name}/mirrors/{mirror}/"
        return (
            Operation(
                method="GET",
                path=path,
                permission=Permission.DEPLOY,
                scope=ScopeKind.SECRETS_READ,
                place=Place.HEADER,
                tag=_TAG,
                summary="One mirror",
                handle=self.get,
                answer=wire.MirrorDocument,
            ),
            Operation(
                method="DELETE",
                path=path,
                permission=Permission.MANAGE_SECRETS,
                scope=ScopeKind.SECRETS_WRITE,
                place=Place.HEADER,
                tag=_TAG,
                summary="Take away from the cluster exactly what was put there",
                handle=self.remove,
            ),
        )

    async def list(self, call: Call) -> Reply:
        """Answer all mirrors of a secret; there are few, so they are one page."""
        states = await self._mirrors.list(call.access, call.path["name"])
        return Reply(joined("SecretMirror", (wire.document(each) for each in states), None))

    async def add(self, call: Call) -> Reply:
        """Keep a mirror."""
        draft = wire.draft(call.body)
        made = await self._mirrors.add(call.access, call.path["name"], draft, peer=call.peer)
        return Reply(wire.document(made), 201)

    async def get(self, call: Call) -> Reply:
        """Answer one mirror."""
        found = await self._mirrors.get(call.access, call.path["name"], call.path["mirror"])
        return Reply(wire.document(found))

    async def remove(self, call: Call) -> Reply:
        """Give a mirror up."""
        await self._mirrors.remove(call.access, call.path["name"], call.path["mirror"])
        return SUCCESS
