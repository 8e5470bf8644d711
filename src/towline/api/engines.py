"""The installation's engines. Its operators alone may; the service looks who is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.api.operations import SUCCESS, Operation, Place, Reply
from towline.domain.account import Permission
from towline.services.engines import EngineDraft
from towline.wire import engines as wire
from towline.wire.lists import joined, text_of, truth_of
from towline.wire.openapi import Parameter

if TYPE_CHECKING:
    from towline.api.operations import Call
    from towline.services.engines import InstallationEngines

_TAG = "Engines"
_FORCE = Parameter(
    "force", "remove it although deployments live there: their containers stay behind", kind="boolean"
)
_PROJECT = Parameter("project", "the project whose default is taken back; without it the installation's")
_PATH = "/v2/engines/{name}/"


class EnginesApi:
    """Where containers run."""

    def __init__(self, engines: InstallationEngines) -> None:
        self._engines = engines

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the table."""
        return (*self._many(), *self._one(), *self._default(), *self._images())

    def _many(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="GET",
                path="/v2/engines/",
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.INSTALLATION,
                tag=_TAG,
                summary="All engines, and how they fare",
                handle=self.list,
                answer=wire.EngineDocument,
                listed=True,
            ),
            Operation(
                method="POST",
                path="/v2/engines/",
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.INSTALLATION,
                tag=_TAG,
                summary="Add an engine; it must answer",
                handle=self.add,
                body=wire.EngineIn,
                answer=wire.EngineDocument,
                status=201,
                errors=(409, 503),
            ),
        )

    def _one(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="GET",
                path=_PATH,
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.INSTALLATION,
                tag=_TAG,
                summary="An engine, and how it fares",
                handle=self.get,
                answer=wire.EngineDocument,
            ),
            Operation(
                method="DELETE",
                path=_PATH,
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.INSTALLATION,
                tag=_TAG,
                summary="Forget an engine",
                handle=self.remove,
                parameters=(_FORCE,),
                errors=(409,),
            ),
            Operation(
                method="POST",
                path=f"{_PATH}check/",
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.INSTALLATION,
                tag=_TAG,
                summary="Ask an engine now whether it answers",
                handle=self.check,
                answer=wire.EngineDocument,
            ),
        )

    def _default(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="PUT",
                path=f"{_PATH}default/",
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.INSTALLATION,
                tag=_TAG,
                summary="Make an engine what new deployments get, in one project or in the installation",
                handle=self.set_default,
                body=wire.DefaultIn,
                answer=wire.EngineDocument,
            ),
            Operation(
                method="DELETE",
                path=f"{_PATH}default/",
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.INSTALLATION,
                tag=_TAG,
                summary="Take a default back",
                handle=self.unset_default,
                parameters=(_PROJECT,),
                answer=wire.EngineDocument,
                errors=(409,),
            ),
        )

    def _images(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="GET",
                path=f"{_PATH}images/",
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.INSTALLATION,
                tag=_TAG,
                summary="What an engine keeps on its disk",
                handle=self.images,
                answer=wire.StorageDocument,
                errors=(503,),
            ),
            Operation(
                method="POST",
                path=f"{_PATH}images/collect/",
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.INSTALLATION,
                tag=_TAG,
                summary="Delete the images that this installation had pulled and that nothing needs",
                handle=self.collect,
                answer=wire.CollectedDocument,
                errors=(503,),
            ),
        )

    async def list(self, call: Call) -> Reply:
        """Answer all engines; there are few, so they are one page."""
        views = await self._engines.list(call.principal)
        return Reply(joined("Engine", (wire.document(each) for each in views), None))

    async def add(self, call: Call) -> Reply:
        """Add one."""
        name, spec, keys = wire.asked(call.body)
        added = await self._engines.add(call.principal, EngineDraft(name, spec, keys))
        return Reply(wire.document(added), 201)

    async def get(self, call: Call) -> Reply:
        """Answer one."""
        return Reply(wire.document(await self._engines.get(call.principal, call.path["name"])))

    async def remove(self, call: Call) -> Reply:
        """Forget one."""
        force = truth_of(call.query, "force", default=False)
        await self._engines.remove(call.principal, call.path["name"], force=force)
        return SUCCESS

    async def check(self, call: Call) -> Reply:
        """Ask one."""
        return Reply(wire.document(await self._engines.check(call.principal, call.path["name"])))

    async def set_default(self, call: Call) -> Reply:
        """Make one the default."""
        project = wire.project(call.body)
        chosen = await self._engines.set_default(call.principal, call.path["name"], project_guid=project)
        return Reply(wire.document(chosen))

    async def unset_default(self, call: Call) -> Reply:
        """Take a default back."""
        project = text_of(call.query, "project")
        changed = await self._engines.unset_default(call.principal, call.path["name"], project_guid=project)
        return Reply(wire.document(changed))

    async def images(self, call: Call) -> Reply:
        """Answer what one keeps."""
        kept = await self._engines.storage(call.principal, call.path["name"])
        return Reply(wire.storage_document(kept))

    async def collect(self, call: Call) -> Reply:
        """Delete what nothing needs."""
        return Reply(wire.collected(await self._engines.collect(call.principal, call.path["name"])))
