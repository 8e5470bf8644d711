"""The REST API, as rapyuta.io's own clients speak it, from one route table (a file per noun).

``build`` makes the table and its routes; ``framed`` puts request ids, metrics, the access log and the
last catch around API and console together. Paths are exact: a missing slash is a 404 and never a
redirect, which those clients would not follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from starlette.routing import Route, Router

from towline import __version__
from towline.api.deployments import DeploymentsApi
from towline.api.docs import DocsApi
from towline.api.endpoint import Endpoint, answer
from towline.api.errors import plain
from towline.api.frame import Frame
from towline.api.health import HealthApi
from towline.api.identity import IdentityApi
from towline.api.metrics import Metrics
from towline.api.packages import PackagesApi
from towline.api.people import PeopleApi
from towline.api.preflight import PreflightApi
from towline.api.projects import ProjectsApi
from towline.api.registries import RegistriesApi
from towline.api.secrets import SecretsApi

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Receive, Scope, Send

    from towline.api.operations import Operation
    from towline.services.accounts import Accounts
    from towline.services.deployments import Deployments
    from towline.services.packages import Packages
    from towline.services.projects import Projects
    from towline.services.proofs import Proofs
    from towline.services.registries import Registries
    from towline.services.secrets import Secrets


_ASKED_FOR_MOST = ("/v2/secrets/", "/v2/deployments/")


@dataclass(frozen=True, slots=True)
class Api:
    """The route table, the routes made from it, and what is counted about them."""

    operations: tuple[Operation, ...]
    routes: tuple[BaseRoute, ...]
    metrics: Metrics


class UseCases(Protocol):
    """The services that the API offers."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def projects(self) -> Projects: ...
    @property
    def secrets(self) -> Secrets: ...
    @property
    def packages(self) -> Packages: ...
    @property
    def deployments(self) -> Deployments: ...
    @property
    def proofs(self) -> Proofs: ...
    @property
    def registries(self) -> Registries: ...


def build(
    services: UseCases,
    *,
    checks: Mapping[str, Callable[[], Awaitable[object]]],
    open_metrics: bool = False,
) -> Api:
    """Return the API over ``services``.

    ``checks`` names what the server cannot work without (store, engine); ``/readyz`` asks each.
    ``open_metrics`` lets anybody read ``/metrics``; else one must be signed in.
    """
    metrics = Metrics()
    table = (
        *IdentityApi(services.accounts).operations(),
        *PeopleApi(services.accounts).operations(),
        *ProjectsApi(services.projects).operations(),
        *SecretsApi(services.secrets).operations(),
        *PreflightApi(services.proofs).operations(),
        *RegistriesApi(services.registries).operations(),
        *PackagesApi(services.packages).operations(),
        *DeploymentsApi(services.deployments).operations(),
        *HealthApi(checks, metrics, open_metrics=open_metrics).operations(),
    )
    table = (*table, *DocsApi(table, version=__version__).operations())
    return Api(table, _routes(table, services.accounts), metrics)


def framed(api: Api, pages: Sequence[BaseRoute], *, new_request_id: Callable[[], str]) -> ASGIApp:
    """Return the whole web application: the API's routes, then ``pages``, then 404 as JSON."""
    router = Router([*api.routes, *pages], redirect_slashes=False, default=_unknown)
    return Frame(router, metrics=api.metrics, new_id=new_request_id)


def _routes(table: Sequence[Operation], accounts: Accounts) -> tuple[BaseRoute, ...]:
    """Return a route for each path; those asked for most come first, as each is tried in turn."""
    by_path: dict[str, list[Operation]] = {}
    for operation in table:
        by_path.setdefault(operation.path, []).append(operation)
    ordered = sorted(by_path.items(), key=lambda item: not item[0].startswith(_ASKED_FOR_MOST))
    return tuple(Route(path, Endpoint(path, rows, accounts)) for path, rows in ordered)


async def _unknown(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a path that nothing has: 404, as JSON."""
    if scope["type"] == "http":
        await answer(plain(404, f"there is nothing at {scope['path'][:200]}"), send)
    else:
        await Router().not_found(scope, receive, send)
