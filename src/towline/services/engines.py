"""The installation's engines: adding, looking at, choosing and removing them. Its operators alone may.

An operator is an admin of the organization that the installation was set up with: an engine is where
everybody's containers run, and its address leads from this server to another machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from towline.domain.engine import (
    ADDABLE,
    EngineKeys,
    EngineKind,
    EngineRecord,
    EngineSpec,
    EngineView,
    engine_name,
)
from towline.domain.errors import Conflict, EngineFailed, InvalidInput, NotFound
from towline.services.audit import entry_by
from towline.services.engine_choice import default_engine, engine_names
from towline.services.engine_following import binding_of
from towline.services.people import is_operator, require_operator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.domain.account import Access, Principal
    from towline.domain.engine import EngineAbout, Storage
    from towline.ports import Bell, Clock, EngineDoors, NewGuid, OpenEngine, Store, Transaction, Vault

MOST_ENGINES = 50


@dataclass(frozen=True, slots=True)
class EngineDraft:
    """An engine as somebody asks for it."""

    name: str
    spec: EngineSpec
    keys: EngineKeys

    def checked(self) -> EngineDraft:
        """Return the draft; raise InvalidInput naming the field that is missing or too much."""
        engine_name(self.name)
        spec, keys = self.spec, self.keys
        if spec.kind not in ADDABLE:
            kinds = ", ".join(ADDABLE)
            raise InvalidInput("spec.kind", problem=f"is {spec.kind.value!r}", rule=f"use one of {kinds}")
        is_cluster = spec.kind is EngineKind.KUBERNETES
        _check(is_cluster == keys.has_kubeconfig, "spec.kubeconfig", is_cluster=is_cluster)
        _check(is_cluster != bool(spec.address), "spec.address", is_cluster=not is_cluster)
        if bool(keys.certificate) != keys.has_key or (keys.certificate and not keys.ca):
            raise InvalidInput("spec.tls", problem="is incomplete", rule="give ca, or ca, cert and key")
        return self


def _check(is_right: bool, field: str, *, is_cluster: bool) -> None:  # noqa: FBT001  (what is asked for)
    if not is_right:
        problem = "is missing" if is_cluster else "does not belong to an engine of this kind"
        raise InvalidInput(field, problem=problem, rule="see `towline engine add --help`")


class InstallationEngines:
    """Engines by name, as seen by one principal."""

    def __init__(
        self, *, store: Store, vault: Vault, doors: EngineDoors, bell: Bell, clock: Clock, new_guid: NewGuid
    ) -> None:
        self._store = store
        self._vault = vault
        self._doors = doors
        self._bell = bell
        self._clock = clock
        self._new_guid = new_guid

    async def may(self, principal: Principal) -> bool:
        """Whether the principal is an operator."""
        return await self._store.read(lambda tx: is_operator(tx, principal))

    async def choices(self, access: Access) -> tuple[Sequence[str], str]:
        """Return the names of all engines, and the one that a project's deployments get by default."""
        project, own = access.project.guid, self._doors.own
        return await self._store.read(
            lambda tx: (engine_names(tx, own=own), default_engine(tx, project, own=own))
        )

    async def list(self, principal: Principal) -> Sequence[EngineView]:
        """Return all engines, the installation's own first."""

        def question(tx: Transaction) -> Sequence[EngineView]:
            require_operator(tx, principal)
            return self._views(tx)

        return await self._store.read(question)

    async def get(self, principal: Principal, name: str) -> EngineView:
        """Return an engine; raise NotFound."""
        for view in await self.list(principal):
            if view.record.name == name:
                return view
        raise NotFound("engine", name)

    async def storage(self, principal: Principal, name: str) -> Storage:
        """Return what an engine keeps; raise NotFound, EngineFailed."""
        await self.get(principal, name)
        return await self._open(name).host.storage()

    async def check(self, principal: Principal, name: str) -> EngineView:
        """Ask an engine now whether it answers, and return it."""
        await self.get(principal, name)
        await self._doors.look(name)
        return await self.get(principal, name)

    async def add(self, principal: Principal, draft: EngineDraft) -> EngineView:
        """Reach an engine, keep it, and begin to use it.

        Raises InvalidInput naming the field, EngineFailed where it does not answer, Conflict where the name
        is taken or the same engine is here under another name.
        """
        wanted = draft.checked()
        await self._store.read(lambda tx: require_operator(tx, principal))
        at = self._clock()
        record = EngineRecord(self._new_guid("engine"), wanted.name, wanted.spec, added_at=at)
        about = await self._doors.tried(record, wanted.keys)
        spec = replace(wanted.spec, address=wanted.spec.address or about.address)
        record = replace(record, spec=spec, identities=about.identities)
        await self._refuse_own_again(about)
        sealed = await self._vault.seal(wanted.keys.sealed(), binding_of(record))

        def change(tx: Transaction) -> None:
            require_operator(tx, principal)
            _refuse_again(tx, record)
            tx.engines.add(record, sealed)
            detail = {"kind": spec.kind.value, "address": spec.address}
            tx.audit.append(entry_by(principal.user.email, "engine.added", record.name, at=at, **detail))

        await self._store.write(change)
        await self._doors.open(record, wanted.keys)
        return await self.get(principal, record.name)

    async def set_default(self, principal: Principal, name: str, *, project_guid: str = "") -> EngineView:
        """Make an engine what new deployments get, in one project or in the installation."""
        at = self._clock()

        def change(tx: Transaction) -> None:
            require_operator(tx, principal)
            _known(tx, name, own=self._doors.own)
            if project_guid and tx.tenants.project(project_guid) is None:
                raise NotFound("project", project_guid)
            tx.engines.set_default(name, project_guid)
            row = entry_by(principal.user.email, "engine.default-set", name, at=at, project_guid=project_guid)
            tx.audit.append(row)

        await self._store.write(change)
        return await self.get(principal, name)

    async def unset_default(self, principal: Principal, name: str, *, project_guid: str = "") -> EngineView:
        """Take a default back: a project then takes the installation's, the installation its own engine."""
        at = self._clock()

        def change(tx: Transaction) -> None:
            require_operator(tx, principal)
            _known(tx, name, own=self._doors.own)
            if tx.engines.default(project_guid) != name:
                whose = "of that project" if project_guid else "of the installation by choice"
                raise Conflict(f"engine {name!r} is not the default {whose}")
            tx.engines.set_default("", project_guid)
            row = entry_by(
                principal.user.email, "engine.default-unset", name, at=at, project_guid=project_guid
            )
            tx.audit.append(row)

        await self._store.write(change)
        return await self.get(principal, name)

    async def remove(self, principal: Principal, name: str, *, force: bool = False) -> None:
        """Forget an engine. What runs there goes on running, and nobody here will end it.

        Raises Conflict while deployments or disks are there, or secrets are mirrored there, unless ``force``:
        deployments then say that it was removed, and copies of secrets stay behind.
        """
        at = self._clock()

        def change(tx: Transaction) -> None:
            require_operator(tx, principal)
            _known(tx, name, own=self._doors.own)
            if name == self._doors.own:
                raise Conflict(f"{name!r} is the installation's own engine; it cannot be removed")
            living = tx.deployments.on_engine(name)
            if living and not force:
                count = "1 deployment" if living == 1 else f"{living} deployments"
                raise Conflict(
                    f"engine {name!r} still has {count}; delete them first, or insist (force):"
                    " their containers then go on running and nobody here ends them"
                )
            _refuse_with_disks(tx, name, force=force)
            _drop_mirrors(tx, name, force=force)
            tx.engines.remove(name)
            detail = {"left_behind": str(living) if living else ""}
            tx.audit.append(entry_by(principal.user.email, "engine.removed", name, at=at, **detail))

        await self._store.write(change)
        await self._doors.close(name)

    async def collect(self, principal: Principal, name: str) -> int:
        """Delete the images that this installation had pulled and nothing needs; return how many went."""
        await self.get(principal, name)
        count = await self._open(name).host.collect()
        row = entry_by(
            principal.user.email, "engine.images-collected", name, at=self._clock(), images=str(count)
        )
        await self._store.write(lambda tx: tx.audit.append(row))
        return count

    def _open(self, name: str) -> OpenEngine:
        opened = self._doors.all().get(name)
        if opened is None:
            raise NotFound("engine", name)
        return opened

    def _views(self, tx: Transaction) -> Sequence[EngineView]:
        own, opened = self._doors.own, self._doors.all()
        default, living = default_engine(tx, own=own), tx.deployments.by_engine()
        records = {record.name: record for record, _ in tx.engines.all()}
        names = [own, *records]
        defaults = _projects_by_engine(tx)
        return [
            EngineView(
                records.get(name) or self._doors.record(name),
                opened[name].health,
                deployments=living.get(name, 0),
                is_own=name == own,
                is_default=name == default,
                default_of=defaults.get(name, {}),
            )
            for name in names
            if name in opened
        ]

    async def _refuse_own_again(self, about: EngineAbout) -> None:
        """Raise Conflict where the installation's own engine is what is to be added."""
        own = self._doors.own
        try:
            mine = await self._doors.all()[own].host.about()
        except EngineFailed:  # it cannot be asked now; a deployment is never ended by another engine's eyes
            return
        if set(mine.identities) & set(about.identities):
            raise Conflict(f"this is the installation's own engine, {own!r}")


def _known(tx: Transaction, name: str, *, own: str) -> None:
    if name not in engine_names(tx, own=own):
        raise NotFound("engine", name)


def _refuse_again(tx: Transaction, record: EngineRecord) -> None:
    """Raise Conflict where the same engine is kept under another name, or where there are too many."""
    known = tx.engines.all()
    if len(known) >= MOST_ENGINES:
        raise Conflict(f"an installation has at most {MOST_ENGINES} engines beside its own")
    for other, _ in known:
        if set(other.identities) & set(record.identities):
            raise Conflict(f"this engine is here already, under the name {other.name!r}")


def _refuse_with_disks(tx: Transaction, name: str, *, force: bool) -> None:
    disks = tx.disks.on_engine(name)
    if disks and not force:
        count = "1 disk" if disks == 1 else f"{disks} disks"
        raise Conflict(
            f"engine {name!r} still has {count}; delete them first, or insist (force): what is on them then"
            " stays there, and is found again once the engine is added under the same name"
        )


def _drop_mirrors(tx: Transaction, name: str, *, force: bool) -> None:
    mirrors = [mirror.guid for mirror in tx.mirrors.all() if mirror.engine == name]
    if mirrors and not force:
        raise Conflict(
            f"secrets are mirrored into engine {name!r}; take the mirrors away first, or insist (force):"
            " the copies then stay there, and nobody here renews or deletes them"
        )
    for guid in mirrors:
        tx.mirrors.remove(guid)


def _projects_by_engine(tx: Transaction) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for guid, engine in tx.engines.defaults_of_projects().items():
        project = tx.tenants.project(guid)
        if project is not None:
            found.setdefault(engine, {})[guid] = project.name
    return found
