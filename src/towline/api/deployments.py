"""Deployments: wished for, shown, followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.api.operations import SUCCESS, Operation, Place, Reply, Stream
from towline.api.parameters import GUID, NAME, NAMES, PAGING, REGIONS, SELECTOR
from towline.domain.account import Permission
from towline.domain.scopes import ScopeKind
from towline.ports import DeploymentQuery
from towline.wire import deployments as wire
from towline.wire.lists import (
    elsewhere,
    joined,
    number_of,
    page_of,
    phases_of,
    selector_of,
    text_of,
    truth_of,
)
from towline.wire.openapi import Parameter

if TYPE_CHECKING:
    from towline.api.operations import Call
    from towline.domain.account import Access
    from towline.services.deployments import Deployments, Graph
    from towline.wire.lists import Query

_TAG = "Deployments"
_MOST_TAIL = 1_000_000
_FILTERS = (
    *PAGING,
    SELECTOR,
    NAME,
    NAMES,
    Parameter("guids", "only deployments with one of these guids", repeated=True),
    Parameter("phases", "only deployments in one of these phases; Stopped lists deleted ones", repeated=True),
    Parameter("deviceName", "only deployments on this device: there are none here"),
    REGIONS,
    Parameter("packageName", "only deployments of this package"),
    Parameter("packageVersion", "only deployments of this version"),
    Parameter("dependencies", "true tells the state of what each depends on", kind="boolean"),
)
_LOGS = (
    Parameter("executable", "the executable's name; without it the first"),
    Parameter("replica", "the replica's number, from 0", kind="integer"),
    Parameter("follow", "false ends the answer at the log's present end; true by default", kind="boolean"),
    Parameter("tail", "only so many of the newest lines", kind="integer"),
    Parameter(
        "timestamps",
        "true begins each line with its time (RFC 3339) and a space, or with - where that is not known",
        kind="boolean",
    ),
    Parameter(
        "previous",
        "true answers the run before the present one, on engines that keep runs apart (kubernetes)",
        kind="boolean",
    ),
    GUID,
)


class DeploymentsApi:
    """The deployments of the project that the header names."""

    def __init__(self, deployments: Deployments) -> None:
        self._deployments = deployments

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the table."""
        return (*self._many(), *self._one(), *self._about())

    def _many(self) -> tuple[Operation, ...]:
        path = "/v2/deployments/"
        return (
            Operation(
                method="GET",
                path=path,
                permission=Permission.VIEW,
                scope=ScopeKind.DEPLOYMENTS_READ,
                place=Place.HEADER,
                tag=_TAG,
                summary="The deployments of a project",
                handle=self.list,
                parameters=_FILTERS,
                answer=wire.DeploymentDocument,
                listed=True,
            ),
            Operation(
                method="POST",
                path=path,
                permission=Permission.DEPLOY,
                scope=ScopeKind.DEPLOYMENTS_WRITE,
                place=Place.HEADER,
                tag=_TAG,
                summary="Deploy a package",
                handle=self.create,
                body=wire.DeploymentIn,
                answer=wire.DeploymentDocument,
                status=201,
                errors=(404, 409),
            ),
        )

    def _one(self) -> tuple[Operation, ...]:
        path = "/v2/deployments/{name}/"
        return (
            Operation(
                method="GET",
                path=path,
                permission=Permission.VIEW,
                scope=ScopeKind.DEPLOYMENTS_READ,
                place=Place.HEADER,
                tag=_TAG,
                summary="A deployment with its status and findings",
                handle=self.get,
                parameters=(GUID,),
                answer=wire.DeploymentDocument,
            ),
            Operation(
                method="PATCH",
                path=path,
                permission=Permission.DEPLOY,
                scope=ScopeKind.DEPLOYMENTS_WRITE,
                place=Place.HEADER,
                tag=_TAG,
                summary="Deploy again, as changed or unchanged: the next generation",
                handle=self.update,
                body=wire.DeploymentIn,
                answer=wire.DeploymentDocument,
                errors=(409,),
            ),
            Operation(
                method="DELETE",
                path=path,
                permission=Permission.DEPLOY,
                scope=ScopeKind.DEPLOYMENTS_WRITE,
                place=Place.HEADER,
                tag=_TAG,
                summary="Stop a deployment; its name is free at once",
                handle=self.delete,
            ),
        )

    def _about(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="GET",
                path="/v2/deployments/{name}/logs/",
                permission=Permission.VIEW,
                scope=ScopeKind.DEPLOYMENTS_READ,
                place=Place.HEADER,
                tag=_TAG,
                summary="A container's log, as it grows; an empty line keeps the connection alive",
                handle=self.logs,
                parameters=_LOGS,
                media_type="text/plain",
                errors=(404, 503),
            ),
            Operation(
                method="GET",
                path="/v2/deployments/{name}/history/",
                permission=Permission.VIEW,
                scope=ScopeKind.DEPLOYMENTS_READ,
                place=Place.HEADER,
                tag=_TAG,
                summary="What was done to a deployment, oldest first",
                handle=self.history,
                parameters=(GUID,),
                answer=wire.HistoryDocument,
            ),
            Operation(
                method="GET",
                path="/v2/deployments/{name}/graph/",
                permission=Permission.VIEW,
                scope=ScopeKind.DEPLOYMENTS_READ,
                place=Place.HEADER,
                tag=_TAG,
                summary="A deployment and what it depends on",
                handle=self.graph,
                parameters=(GUID,),
                answer=wire.GraphDocument,
            ),
        )

    async def list(self, call: Call) -> Reply:
        """Answer a page of deployments."""
        query, access = call.query, call.access
        if elsewhere(query):
            return Reply(joined("Deployment", (), None))
        listing = await self._deployments.list(access, page_of(query), _filter(query))
        view = _view(access)
        if truth_of(query, "dependencies", default=False):
            found = [await self._deployments.graph(access, each.name, each.guid) for each in listing.items]
            items = [_with_all(graph, access) for graph in found]
        else:
            items = [wire.document(each, view) for each in listing.items]
        return Reply(joined("Deployment", items, listing.next))

    async def create(self, call: Call) -> Reply:
        """Write a wish down."""
        deployment = await self._deployments.create(call.access, wire.draft(call.body))
        return Reply(wire.document(deployment, _view(call.access)), 201)

    async def get(self, call: Call) -> Reply:
        """Answer a deployment with the state of what it depends on."""
        graph = await self._deployments.graph(call.access, call.path["name"], text_of(call.query, "guid"))
        return Reply(_with_all(graph, call.access))

    async def update(self, call: Call) -> Reply:
        """Wish the next generation."""
        name = call.path["name"]
        known = await self._deployments.get(call.access, name)
        draft = wire.draft(call.body, name=known.name)
        deployment = await self._deployments.update(call.access, name, draft)
        return Reply(wire.document(deployment, _view(call.access)))

    async def delete(self, call: Call) -> Reply:
        """Stop a deployment."""
        await self._deployments.delete(call.access, call.path["name"])
        return SUCCESS

    async def logs(self, call: Call) -> Stream:
        """Answer a container's log as it grows."""
        query = call.query
        tail = number_of(query, "tail", default=-1, most=_MOST_TAIL)
        chunks = await self._deployments.logs(
            call.access,
            call.path["name"],
            executable=text_of(query, "executable"),
            replica=number_of(query, "replica", default=0, most=_MOST_TAIL),
            follow=truth_of(query, "follow", default=True),
            tail=tail if tail >= 0 else None,
            guid=text_of(query, "guid"),
            timestamps=truth_of(query, "timestamps", default=False),
            previous=truth_of(query, "previous", default=False),
        )
        return Stream(chunks)

    async def history(self, call: Call) -> Reply:
        """Answer what was done to a deployment."""
        rows = await self._deployments.history(call.access, call.path["name"], text_of(call.query, "guid"))
        return Reply(wire.history_document(rows))

    async def graph(self, call: Call) -> Reply:
        """Answer what a deployment depends on."""
        graph = await self._deployments.graph(call.access, call.path["name"], text_of(call.query, "guid"))
        return Reply(wire.graph_document(graph.deployment, graph.needs))


def _filter(query: Query) -> DeploymentQuery:
    name = text_of(query, "name")
    return DeploymentQuery(
        names=(name,) if name else query.get("names", ()),
        guids=query.get("guids", ()),
        phases=phases_of(query),
        package_name=text_of(query, "packageName"),
        package_version=text_of(query, "packageVersion"),
        selector=selector_of(query),
    )


def _with_all(graph: Graph, access: Access) -> bytes:
    return wire.document(graph.deployment, _view(access), needs=graph.needs, disks=graph.disks)


def _view(access: Access) -> wire.View:
    return wire.View(access.project, access.organization, in_full=access.may(Permission.DEPLOY))
