"""Deployments: writing down what people wish. The reconciler does the rest."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.domain.deployment import Deployment, Wish
from towline.domain.engine import ENGINE_LABEL, EngineKind, not_there
from towline.domain.errors import EngineFailed, InvalidInput, NotFound
from towline.domain.package import RestartPolicy, Runtime
from towline.services import volumes
from towline.services.audit import entry
from towline.services.disks import viewed
from towline.services.engine_choice import chosen_engine, engine_names
from towline.services.packages import absent as absent_package
from towline.services.paging import every

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from towline.domain.account import Access
    from towline.domain.audit import AuditEntry
    from towline.domain.deployment import Dependency, DeploymentDraft
    from towline.domain.disk import DiskView
    from towline.domain.listing import Listing, Page
    from towline.domain.package import Executable, Package
    from towline.ports import Bell, Clock, DeploymentQuery, Engines, NewGuid, Store, Transaction

_MOST_HISTORY = 500


@dataclass(frozen=True, slots=True)
class Graph:
    """A deployment and what it depends on; None for a deployment that does not exist (any more)."""

    deployment: Deployment
    needs: Sequence[tuple[Dependency, Deployment | None]] = ()
    disks: Sequence[DiskView] = ()


class Deployments:
    """Deployments of a project. ``name`` arguments take a name or a guid.

    New ones on the installation's own engine live on ``machine``: empty where it is no machine's own.
    """

    def __init__(
        self,
        *,
        store: Store,
        engines: Engines,
        bell: Bell,
        clock: Clock,
        new_guid: NewGuid,
        machine: str = "",
    ) -> None:
        self._store = store
        self._machine = machine
        self._engines = engines
        self._bell = bell
        self._clock = clock
        self._new_guid = new_guid

    async def create(self, access: Access, draft: DeploymentDraft) -> Deployment:
        """Write the wish down, due at once; raise NotFound for the package, Conflict for the name."""
        at = self._clock()
        guid = self._new_guid("dep")

        def change(tx: Transaction) -> Deployment:
            mounted = volumes.asked_for(tx, access, draft)
            asked = volumes.engine_asked(mounted, draft)
            deployment = Deployment(
                guid,
                draft.name,
                project_guid=access.project.guid,
                creator_guid=access.principal.user.guid,
                created_at=at,
                updated_at=at,
                wish=_wish(tx, access, draft, mounted),
                labels=draft.labels,
                engine=chosen_engine(tx, access.project.guid, asked, own=self._engines.own),
            )
            is_own = deployment.engine == self._engines.own
            here = volumes.machine_asked(mounted, here=self._machine) if is_own else ""
            volumes.bind(tx, mounted, deployment, machine=here)
            tx.deployments.add(deployment, due=at, machine=here)
            tx.audit.append(_row(access, "deployment.created", deployment))
            return deployment

        return await self._written(change)

    async def get(self, access: Access, name: str, guid: str = "") -> Deployment:
        """Return the live deployment of that name, or any one by ``guid``; raise NotFound."""
        return await self._store.read(lambda tx: _found(tx, access, name, guid=guid))

    async def list(self, access: Access, page: Page, query: DeploymentQuery) -> Listing[Deployment]:
        """Return a page in order of creation."""
        look = self._store.survey if query.selector.required else self._store.read
        return await look(lambda tx: tx.deployments.page(access.project.guid, page, query=query))

    async def update(self, access: Access, name: str, draft: DeploymentDraft) -> Deployment:
        """Wish the next generation, due at once; the package may change, the name may not."""
        at = self._clock()

        def change(tx: Transaction) -> Deployment:
            present = _found(tx, access, name)
            _refuse_rename(present, draft)
            _refuse_move(present, draft)
            mounted = volumes.asked_for(tx, access, draft, own_guid=present.guid)
            wished = present.wished_again(_wish(tx, access, draft, mounted), labels=draft.labels, at=at)
            if mounted:
                volumes.bind(tx, mounted, wished, machine=tx.deployments.machine_of(present.guid))
            tx.deployments.wish(wished, due=at)
            tx.audit.append(_row(access, "deployment.updated", wished))
            return wished

        return await self._written(change)

    async def delete(self, access: Access, name: str) -> Deployment:
        """Turn the deployment into a record that is Stopped, its name free; containers end soon after."""
        at = self._clock()

        def change(tx: Transaction) -> Deployment:
            stopped = _found(tx, access, name).stopped(at=at)
            tx.deployments.wish(stopped, due=at)
            tx.audit.append(_row(access, "deployment.deleted", stopped))
            return stopped

        return await self._written(change)

    def tells_runs_apart(self, deployment: Deployment) -> bool:
        """Whether the log of the run before the present one can be asked for where a deployment lives."""
        opened = self._engines.all().get(deployment.engine or self._engines.own)
        return opened is not None and opened.engine.name == EngineKind.KUBERNETES

    async def logs(  # noqa: PLR0913  (what a log is asked by, by name)
        self,
        access: Access,
        name: str,
        *,
        executable: str = "",
        replica: int = 0,
        follow: bool = False,
        tail: int | None = None,
        guid: str = "",
        timestamps: bool = False,
        previous: bool = False,
    ) -> AsyncIterator[bytes]:
        """Return the log's chunks, once executable and replica are known to exist.

        Without ``executable`` it is the first; with ``timestamps`` each line begins with its time. The run
        before, ``previous``, has ended: it is not followed. Raises before anything is streamed.
        """
        deployment = await self.get(access, name, guid)
        run = _executable(deployment, executable)
        _check_replica(deployment, replica)
        opened = self._engines.all().get(deployment.engine or self._engines.own)
        if opened is None:
            raise EngineFailed(not_there(deployment.engine))
        return opened.engine.logs(
            deployment.guid,
            run.name,
            replica=replica,
            follow=follow and not previous,
            tail=tail,
            timestamps=timestamps,
            previous=previous,
        )

    async def history(self, access: Access, name: str, guid: str = "") -> Sequence[AuditEntry]:
        """Return the newest changes of a deployment, at most 500, oldest first."""

        def question(tx: Transaction) -> Sequence[AuditEntry]:
            deployment = _found(tx, access, name, guid=guid)
            return _rows_about(tx, access, deployment.guid)

        return await self._store.read(question)

    async def graph(self, access: Access, name: str, guid: str = "") -> Graph:
        """Return a deployment with the deployments and disks that it depends on."""

        def question(tx: Transaction) -> Graph:
            deployment = _found(tx, access, name, guid=guid)
            project = access.project.guid
            needs = deployment.wish.dependencies
            known = engine_names(tx, own=self._engines.own)
            return Graph(
                deployment,
                tuple((need, tx.deployments.get(project, need.deployment)) for need in needs),
                tuple(viewed(disk, known) for disk in tx.disks.of_deployment(deployment.guid)),
            )

        return await self._store.read(question)

    async def _written(self, change: Callable[[Transaction], Deployment]) -> Deployment:
        deployment = await self._store.write(change)
        self._bell.ring()
        return deployment


def _found(tx: Transaction, access: Access, name: str, *, guid: str = "") -> Deployment:
    deployment = tx.deployments.get(access.project.guid, name, guid=guid)
    if deployment is None:
        raise NotFound("deployment", guid or name)
    return deployment


def _wish(
    tx: Transaction, access: Access, draft: DeploymentDraft, mounted: Sequence[volumes.Mounted]
) -> Wish:
    package = _package(tx, access, draft)
    _refuse_to_end(draft)
    _refuse_self_dependency(draft)
    return Wish(
        package.guid,
        package.name,
        package_version=package.version,
        plan=package.spec,
        document=draft.document,
        environment=draft.environment,
        dependencies=draft.dependencies,
        restart=draft.restart,
        volumes=volumes.fitted(mounted, package.spec),
    )


def _refuse_to_end(draft: DeploymentDraft) -> None:
    """Refuse what no deployment in the cloud does, instead of passing it over."""
    if draft.restart is not RestartPolicy.ALWAYS:
        raise InvalidInput(
            "spec.restart",
            problem=f"is {draft.restart.value!r}, and what runs in the cloud is always started again",
            rule="leave it out, or write 'always'",
        )


def _package(tx: Transaction, access: Access, draft: DeploymentDraft) -> Package:
    if not draft.package_version:
        raise InvalidInput("metadata.depends.version", problem="is empty", rule="name the package's version")
    package = tx.packages.get(access.project.guid, draft.package, version=draft.package_version)
    if package is None:
        raise absent_package(draft.package, draft.package_version)
    if package.spec.runtime is not Runtime.CLOUD:
        raise InvalidInput(
            "spec.runtime",
            problem="this server has no device engine",
            rule="deploy a package whose runtime is 'cloud'",
        )
    if package.spec.host_pid:
        raise InvalidInput(
            "spec.hostPID",
            problem="is true, and no container here may see and end other programs' processes",
            rule="deploy a package without it",
        )
    return package


def _refuse_self_dependency(draft: DeploymentDraft) -> None:
    if any(need.deployment == draft.name for need in draft.dependencies):
        raise InvalidInput(
            "spec.depends", problem="names the deployment itself", rule="name other deployments"
        )


def _refuse_rename(present: Deployment, draft: DeploymentDraft) -> None:
    if draft.name != present.name:
        raise InvalidInput(
            "metadata.name",
            problem=f"is {draft.name!r}, but the deployment is called {present.name!r}",
            rule="a deployment keeps its name",
        )


def _refuse_move(present: Deployment, draft: DeploymentDraft) -> None:
    if draft.engine and draft.engine != present.engine:
        raise InvalidInput(
            f"metadata.labels.{ENGINE_LABEL}",
            problem=f"is {draft.engine!r}, but the deployment lives on {present.engine!r}",
            rule="a deployment keeps its engine; delete it and create it again on the other one",
        )


def _executable(deployment: Deployment, name: str) -> Executable:
    for run in deployment.executables:
        if not name or run.name == name:
            return run
    known = ", ".join(run.name for run in deployment.executables)
    raise NotFound("executable", name, where=f"deployment {deployment.name!r}, which has: {known}")


def _check_replica(deployment: Deployment, replica: int) -> None:
    last = deployment.wish.plan.replicas - 1
    if not 0 <= replica <= last:
        raise InvalidInput("replica", problem=f"is {replica}", rule=f"use 0 to {last}")


def _rows_about(tx: Transaction, access: Access, guid: str) -> Sequence[AuditEntry]:
    project = access.project.guid
    rows = every(lambda page: tx.audit.page(page, project_guid=project, subject=guid))
    return tuple(deque(rows, maxlen=_MOST_HISTORY))


def _row(access: Access, action: str, deployment: Deployment) -> AuditEntry:
    wish = deployment.wish
    return entry(
        access,
        action,
        deployment.guid,
        at=deployment.updated_at,
        name=deployment.name,
        generation=str(deployment.generation),
        engine=deployment.engine,
        package=f"{wish.package_name} {wish.package_version}",
    )
