"""How everything stands: a project's deployments with their findings, and its secrets' verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.console.templating import page, see_other
from towline.domain.account import Permission
from towline.domain.errors import NotFound, NotSignedIn
from towline.domain.listing import LabelSelector, Page
from towline.ports import DeploymentQuery

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.session import Sessions
    from towline.domain.account import Access, Principal, Project
    from towline.ports import Clock
    from towline.services.accounts import Accounts
    from towline.services.deployments import Deployments
    from towline.services.secrets import Secrets

MOST_ROWS = 100

ERROR_TEXTS = {
    "DEP_E153": (
        "Could not pull either the docker image or the built package artifact for the component on the cloud"
    ),
    "DEP_E154": "An executable exited too early",
    "DEP_E155": "An executable failed",
    "DEP_E156": "A deployment it depends on is in error",
    "DEP_E201": "The engine cannot run the component now",
}


class OverviewPage:
    """The page one lands on."""

    def __init__(
        self,
        accounts: Accounts,
        *,
        secrets: Secrets,
        deployments: Deployments,
        sessions: Sessions,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._secrets = secrets
        self._deployments = deployments
        self._sessions = sessions
        self._clock = clock

    async def show(self, request: Request) -> Response:
        """Show one project, the first of the user's unless ``?project=`` names another."""
        try:
            principal = await self._sessions.principal(request)
        except NotSignedIn:
            return see_other("/sign-in")
        projects = [project for project, *_ in (await self._accounts.me(principal)).projects]
        chosen = _chosen(projects, request.query_params.get("project", ""))
        frame = {
            "user": principal.user,
            "projects": projects,
            "form_token": self._sessions.form_token(request),
        }
        if chosen is None:
            return page("no_project.html", frame)
        return await self._project_page(principal, chosen, frame)

    async def _project_page(
        self, principal: Principal, project: Project, frame: dict[str, object]
    ) -> Response:
        try:
            access = await self._accounts.access(principal, project.guid, permission=Permission.VIEW)
        except NotFound:
            return see_other("/")
        deployments = await self._deployments.list(access, Page(limit=MOST_ROWS), query=DeploymentQuery())
        values = {
            **frame,
            "project": project,
            "deployments": deployments.items,
            "secrets": await self._secrets_of(access),
            "may_see_secrets": access.may(Permission.DEPLOY),
            "error_texts": ERROR_TEXTS,
            "now": self._clock(),
        }
        return page("overview.html", values)

    async def _secrets_of(self, access: Access) -> object:
        listing = await self._secrets.list(access, Page(limit=MOST_ROWS), selector=LabelSelector())
        return listing.items


def _chosen(projects: list[Project], guid: str) -> Project | None:
    by_guid = {project.guid: project for project in projects}
    return by_guid.get(guid) or next(iter(projects), None)
