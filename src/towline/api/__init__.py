"""The REST API, as rapyuta.io's own clients speak it, from one route table (a file per noun).

``build`` makes the table and its routes; ``framed`` puts request ids, metrics, the access log and the
last catch around API and console together. Paths are exact: a missing slash is a 404 and never a
redirect, which those clients would not follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from starlette.routing import Router

from towline import __version__
from towline.api.deployments import DeploymentsApi
from towline.api.device_logins import DeviceLoginsApi
from towline.api.disks import DisksApi
from towline.api.docs import DocsApi
from towline.api.doors import DoorsApi
from towline.api.endpoint import Endpoint, Limits
from towline.api.engines import EnginesApi
from towline.api.events import EventsApi
from towline.api.frame import Frame, not_there
from towline.api.groups import GroupsApi
from towline.api.health import HealthApi
from towline.api.identity import IdentityApi
from towline.api.joining import JoiningApi
from towline.api.metrics import Metrics
from towline.api.mirrors import MirrorsApi
from towline.api.packages import PackagesApi
from towline.api.paths import Paths
from towline.api.people import PeopleApi
from towline.api.preflight import PreflightApi
from towline.api.projects import ProjectsApi
from towline.api.registries import RegistriesApi
from towline.api.secrets import SecretsApi
from towline.api.service_accounts import ServiceAccountsApi
from towline.api.sso import SsoApi
from towline.api.tokens import TokensApi
from towline.api.uses import UsesApi
from towline.services.leaving import Leaving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp

    from towline.api.operations import Operation
    from towline.services.accounts import Accounts
    from towline.services.deployments import Deployments
    from towline.services.device_logins import DeviceLogins
    from towline.services.disks import Disks
    from towline.services.doors import Doors
    from towline.services.engines import InstallationEngines
    from towline.services.figures import Figures
    from towline.services.groups import Groups
    from towline.services.handouts import Handouts
    from towline.services.invitations import Invitations
    from towline.services.mirrors import Mirrors
    from towline.services.organizations import Organizations
    from towline.services.packages import Packages
    from towline.services.projects import Projects
    from towline.services.proofs import Proofs
    from towline.services.rates import Rates
    from towline.services.registries import Registries
    from towline.services.secret_uses import SecretUses
    from towline.services.secrets import Secrets
    from towline.services.service_accounts import ServiceAccounts
    from towline.services.single_sign_on import SingleSignOn
    from towline.services.tally import Tally
    from towline.services.tool_logins import ToolLogins
    from towline.services.webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class Api:
    """The route table, the endpoints made from it, and what is counted about them."""

    operations: tuple[Operation, ...]
    paths: Paths
    metrics: Metrics
    leaving: Leaving


class UseCases(Protocol):
    """The services that the API offers."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def device_logins(self) -> DeviceLogins: ...
    @property
    def organizations(self) -> Organizations: ...
    @property
    def invitations(self) -> Invitations: ...
    @property
    def single_sign_on(self) -> SingleSignOn: ...
    @property
    def groups(self) -> Groups: ...
    @property
    def service_accounts(self) -> ServiceAccounts: ...
    @property
    def projects(self) -> Projects: ...
    @property
    def secrets(self) -> Secrets: ...
    @property
    def secret_uses(self) -> SecretUses: ...
    @property
    def packages(self) -> Packages: ...
    @property
    def deployments(self) -> Deployments: ...
    @property
    def disks(self) -> Disks: ...
    @property
    def proofs(self) -> Proofs: ...
    @property
    def registries(self) -> Registries: ...
    @property
    def webhooks(self) -> Webhooks: ...
    @property
    def doors(self) -> Doors: ...
    @property
    def tool_logins(self) -> ToolLogins: ...
    @property
    def engines(self) -> InstallationEngines: ...
    @property
    def handouts(self) -> Handouts: ...
    @property
    def mirrors(self) -> Mirrors: ...
    @property
    def tally(self) -> Tally: ...


def build(
    services: UseCases,
    *,
    checks: Mapping[str, Callable[[], Awaitable[object]]],
    open_metrics: bool = False,
    figures: Figures | None = None,
    limits: Limits | None = None,
    leaving: Leaving | None = None,
    public_url: str = "",
) -> Api:
    """Return the API over ``services``.

    ``checks`` names what the server cannot work without (store, engine); ``/readyz`` asks each.
    ``open_metrics`` lets anybody read ``/metrics``; else one must be signed in. ``figures`` tells there how
    things stand; ``limits`` says how much is taken of one token and in one body.
    ``public_url`` is where browsers reach the server; empty: as they say.
    """
    metrics = Metrics(services.tally, figures)
    limits, leaving = limits or Limits(), leaving or Leaving()
    table = (
        *IdentityApi(services.accounts).operations(),
        *DeviceLoginsApi(services.device_logins, public_url=public_url).operations(),
        *TokensApi(services.accounts).operations(),
        *_people(services, public_url),
        *ProjectsApi(services.projects).operations(),
        *SecretsApi(services.secrets).operations(),
        *UsesApi(services.secret_uses).operations(),
        *DoorsApi(services.doors, services.tool_logins, services.handouts).operations(),
        *MirrorsApi(services.mirrors).operations(),
        *PreflightApi(services.proofs).operations(),
        *RegistriesApi(services.registries).operations(),
        *EventsApi(services.webhooks).operations(),
        *PackagesApi(services.packages).operations(),
        *DeploymentsApi(services.deployments).operations(),
        *DisksApi(services.disks).operations(),
        *EnginesApi(services.engines).operations(),
        *HealthApi(checks, metrics, open_metrics=open_metrics, leaving=leaving).operations(),
    )
    table = (*table, *DocsApi(table, version=__version__).operations())
    return Api(table, _paths(table, services.accounts, limits), metrics, leaving)


def _people(services: UseCases, public_url: str) -> tuple[Operation, ...]:
    people = services.accounts, services.organizations, services.invitations
    return (
        *SsoApi(services.single_sign_on).operations(),
        *PeopleApi(*people, public_url=public_url).operations(),
        *JoiningApi(*people, public_url=public_url).operations(),
        *GroupsApi(services.groups).operations(),
        *ServiceAccountsApi(services.service_accounts).operations(),
    )


def framed(
    api: Api,
    pages: Sequence[BaseRoute],
    *,
    new_request_id: Callable[[], str],
    rates: Rates | None = None,
) -> ASGIApp:
    """Return the whole web application: the API's routes, then ``pages``, then 404 as JSON.

    ``rates`` says how many requests one address may make.
    """
    router = Router(pages, redirect_slashes=False, default=not_there)
    return Frame(
        api.paths, router, metrics=api.metrics, new_id=new_request_id, leaving=api.leaving, rates=rates
    )


def _paths(table: Sequence[Operation], accounts: Accounts, limits: Limits) -> Paths:
    by_path: dict[str, list[Operation]] = {}
    for operation in table:
        by_path.setdefault(operation.path, []).append(operation)
    return Paths(Endpoint(path, rows, accounts, limits=limits) for path, rows in by_path.items())
