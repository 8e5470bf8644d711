"""Projects, by guid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.api.operations import SUCCESS, Operation, Place, Reply
from towline.api.parameters import NAME, ORGANIZATION, PAGING, SELECTOR
from towline.domain.account import Permission
from towline.domain.scopes import ScopeKind
from towline.wire import projects as wire
from towline.wire.lists import joined, page_of, selector_of, text_of
from towline.wire.openapi import Parameter

if TYPE_CHECKING:
    from towline.api.operations import Call
    from towline.services.projects import Projects

_TAG = "Projects"
_ORGANIZATIONS = Parameter("organizations", "only projects of these organizations", repeated=True)
_STATUS = Parameter("status", "only projects of this status; here all are 'Success'", repeated=True)


class ProjectsApi:
    """The boundary of ownership."""

    def __init__(self, projects: Projects) -> None:
        self._projects = projects

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the table."""
        return (*self._many(), *self._one())

    def _many(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="GET",
                path="/v2/projects/",
                permission=Permission.SIGNED_IN,
                scope=ScopeKind.PROJECTS_READ,
                tag=_TAG,
                summary="The projects that the caller may see",
                handle=self.list,
                parameters=(*PAGING, SELECTOR, NAME, _ORGANIZATIONS, _STATUS),
                answer=wire.ProjectDocument,
                listed=True,
                errors=(400,),
            ),
            Operation(
                method="POST",
                path="/v2/projects/",
                permission=Permission.SIGNED_IN,
                tag=_TAG,
                summary="Make a project; the caller becomes its admin",
                handle=self.create,
                parameters=(ORGANIZATION,),
                body=wire.ProjectIn,
                answer=wire.ProjectDocument,
                status=201,
                errors=(400, 404, 409),
            ),
        )

    def _one(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="GET",
                path="/v2/projects/{guid}/",
                permission=Permission.VIEW,
                scope=ScopeKind.PROJECTS_READ,
                place=Place.PATH,
                tag=_TAG,
                summary="A project with its members",
                handle=self.get,
                answer=wire.ProjectDocument,
                errors=(404,),
            ),
            Operation(
                method="PUT",
                path="/v2/projects/{guid}/",
                permission=Permission.MANAGE_PROJECT,
                place=Place.PATH,
                tag=_TAG,
                summary="Replace a project's labels, features and members",
                handle=self.update,
                body=wire.ProjectIn,
                answer=wire.ProjectDocument,
                errors=(400, 403, 404),
            ),
            Operation(
                method="DELETE",
                path="/v2/projects/{guid}/",
                permission=Permission.MANAGE_PROJECT,
                place=Place.PATH,
                tag=_TAG,
                summary="Delete a project that runs nothing any more, with all in it",
                handle=self.delete,
                errors=(403, 404, 409),
            ),
        )

    async def list(self, call: Call) -> Reply:
        """Answer a page of projects."""
        query = call.query
        page, selector = page_of(query), selector_of(query)
        if (wanted := query.get("status")) and "Success" not in wanted:
            return Reply(joined("Project", (), None))
        listing = await self._projects.list(
            call.principal,
            page,
            selector=selector,
            organizations=query.get("organizations", ()),
            name=text_of(query, "name"),
        )
        items = (wire.document(project, organization) for project, organization in listing.items)
        return Reply(joined("Project", items, listing.next))

    async def create(self, call: Call) -> Reply:
        """Make a project."""
        draft = wire.draft(call.body, organization_guid=call.header(b"organizationguid"))
        project, organization = await self._projects.create(
            call.principal,
            name=draft.name,
            organization_guid=draft.organization_guid,
            labels=draft.labels,
            features=draft.features,
            members=draft.members,
        )
        return Reply(wire.document(project, organization), 201)

    async def get(self, call: Call) -> Reply:
        """Answer a project."""
        return Reply(wire.document(*await self._projects.get(call.principal, call.path["guid"])))

    async def update(self, call: Call) -> Reply:
        """Replace labels, features and members."""
        labels, features, members = wire.change(call.body)
        view = await self._projects.update(
            call.principal, call.path["guid"], labels=labels, features=features, members=members
        )
        return Reply(wire.document(*view))

    async def delete(self, call: Call) -> Reply:
        """Delete a project."""
        await self._projects.delete(call.principal, call.path["guid"])
        return SUCCESS
