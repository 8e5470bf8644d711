"""Projects: making one, and who may do what in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from towline.console.forms import form_of
from towline.console.secret_form import sentence
from towline.console.templating import see_other
from towline.domain.account import ProjectRole, SubjectRef
from towline.domain.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.people import PeoplePages
    from towline.console.visit import Room, Visit

LABELS = {"name": "Name"}
HINT = "Lower-case letters, digits and “-”, beginning and ending with a letter or digit."


class ProjectsPages:
    """Makes projects, and says who may do what in one; ``people`` shows who does already."""

    def __init__(self, room: Room, people: PeoplePages) -> None:
        self._room = room
        self._people = people

    async def new(self, request: Request) -> Response:
        """Show the form of a project."""
        return await self._form(await self._room.visit(request), name="")

    async def submit(self, request: Request) -> Response:
        """Make a project in the organization one is in, and lead there."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        access, name = visit.access, form.text("name")
        try:
            project, _ = await self._room.services.projects.create(
                access.principal, name=name, organization_guid=access.organization.guid, labels={}
            )
        except InvalidInput as error:
            return await self._form(visit, name=name, errors={"name": sentence(error)}, status=400)
        except Conflict as error:
            return await self._form(visit, name=name, errors={"name": str(error)}, status=409)
        note = f"Project {project.name} was made."
        return self._room.sessions.note(request, see_other(f"/projects/{project.guid}"), text=note)

    async def set_role(self, request: Request) -> Response:
        """Give a person a role in the project, or take it away."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        email, wanted = form.text("email").lower(), form.text("project_role")
        if form.has("remove"):
            role = None
        elif wanted in set(ProjectRole):
            role = ProjectRole(wanted)
        else:
            errors = {"project_role": f"choose one of {', '.join(ProjectRole)}"}
            return await self._people.page(visit, errors=errors, status=400)
        access = visit.access
        kind: Literal["User", "UserGroup"] = "UserGroup" if form.has("group") else "User"
        subject = SubjectRef(kind, form.text("group") or email)
        try:
            await self._room.services.projects.set_role(
                access.principal, access.project.guid, subject, role=role
            )
        except InvalidInput:
            problem = f"{subject} is not in {access.organization.name}; add it there first"
            return await self._people.page(visit, errors={"project_email": problem}, status=400)
        what = f"is {role.name.lower()} of {access.project.name} now" if role else "has no role here any more"
        return visit.on("members", note=f"{subject} {what}.")

    async def _form(
        self, visit: Visit, *, name: str, errors: Mapping[str, str] | None = None, status: int = 200
    ) -> Response:
        values = {"name": name, "errors": errors or {}, "labels": LABELS, "hint": HINT}
        return await visit.page("project_new.html", values, section="", status=status)
