"""Mirrors of docker pull secrets, as people ask for them; ``mirror_keeping`` has them kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from towline.domain.audit import Door
from towline.domain.credential import IDENTITY_USER
from towline.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from towline.domain.mirror import MOST_PER_SECRET, Mirror, MirrorState, allowed_on, may_mirror_into
from towline.domain.scopes import ScopeKind
from towline.domain.secret import DockerSecret
from towline.services.audit import entry
from towline.services.door_rows import facts_of, refusal_row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from towline.domain.account import Access
    from towline.domain.mirror import MirrorDraft
    from towline.ports import Bell, Clock, NewGuid, Store, Transaction

SETTING = "kubernetes_mirror_namespaces"


class Mirrors:
    """The mirrors of a project's secrets. ``name`` arguments take a secret's name or guid.

    ``allowed`` are the namespaces that the installation's owner lets projects choose from, ``clusters`` tells
    the names of the engines that are clusters, ``own`` is the name of the installation's own engine.
    """

    def __init__(
        self,
        *,
        store: Store,
        bell: Bell,
        clock: Clock,
        new_guid: NewGuid,
        allowed: Sequence[str],
        clusters: Callable[[], Sequence[str]],
        own: str,
    ) -> None:
        self._store = store
        self._bell = bell
        self._clock = clock
        self._new_guid = new_guid
        self._allowed = allowed
        self._clusters = clusters
        self._own = own

    @property
    def choices(self) -> Sequence[str]:
        """The engines in whose clusters a secret may be kept, the one that is taken by itself first."""
        possible = [name for name in self._clusters() if self._allowed_on(name)]
        return sorted(possible, key=lambda name: (name != self._own, name))

    async def add(self, access: Access, name: str, draft: MirrorDraft, *, peer: str) -> MirrorState:
        """Keep a secret in namespaces of a cluster from now on.

        Raises NotFound, Conflict where the installation keeps no mirrors, InvalidInput for an engine or a
        namespace that may not be chosen or a secret that no kubelet can use, NotAllowed for a token without
        the scope.
        """
        engine = self._engine_of(draft)
        self._require_allowed(draft, engine)
        secret = await self._docker_secret(access, name)
        mirror = Mirror(
            self._new_guid("mirror"),
            access.project.guid,
            secret.metadata.guid,
            draft.object_name or secret.metadata.name,
            created_at=self._clock(),
            namespaces=draft.namespaces,
            selector=draft.selector,
            accounts=draft.accounts,
            nudge=draft.nudge,
            engine="" if engine == self._own else engine,
        )
        facts = facts_of(access, peer, **_told(mirror))
        await self._require_scope(access, secret, facts)
        at, guid = self._clock(), secret.metadata.guid
        row = entry(access, "mirror.added", guid, at=at, door=Door.MIRROR.value, **dict(facts))

        def change(tx: Transaction) -> None:
            if len(tx.mirrors.of_secret(secret.metadata.guid)) >= MOST_PER_SECRET:
                rule = f"a secret has at most {MOST_PER_SECRET}: use namespaces and selectors of one mirror"
                raise InvalidInput("spec", problem="would be one mirror too many", rule=rule)
            tx.mirrors.put(mirror)
            tx.audit.append(row)

        await self._store.write(change)
        self._bell.ring()
        return MirrorState(mirror, (), engine)

    async def list(self, access: Access, name: str) -> Sequence[MirrorState]:
        """Return a secret's mirrors, the oldest first, those being taken away too; raise NotFound."""

        def question(tx: Transaction) -> Sequence[MirrorState]:
            record = tx.secrets.get(access.project.guid, name)
            if record is None:
                raise NotFound("secret", name)
            mirrors = tx.mirrors.of_secret(record.secret.metadata.guid)
            return [
                MirrorState(each, tx.mirrors.places(each.guid), each.engine or self._own) for each in mirrors
            ]

        return await self._store.read(question)

    async def get(self, access: Access, name: str, guid: str) -> MirrorState:
        """Return one mirror of a secret; raise NotFound."""
        for state in await self.list(access, name):
            if state.mirror.guid == guid:
                return state
        raise NotFound("mirror", guid)

    async def remove(self, access: Access, name: str, guid: str) -> None:
        """Give a mirror up: the cluster is rid of exactly what was put there, then it is forgotten."""
        mirror = (await self.get(access, name, guid)).mirror
        row = entry(
            access,
            "mirror.removed",
            mirror.secret_guid,
            at=self._clock(),
            door=Door.MIRROR.value,
            **_told(mirror),
        )

        def change(tx: Transaction) -> None:
            if mirror.removed_at is None:
                tx.mirrors.put(replace(mirror, removed_at=self._clock()))
                tx.audit.append(row)

        await self._store.write(change)
        self._bell.ring()

    def _allowed_on(self, engine: str) -> Sequence[str]:
        return allowed_on(self._allowed, "" if engine == self._own else engine)

    def _engine_of(self, draft: MirrorDraft) -> str:
        """Return the engine that is meant: the named one, else the own one, else the only one there is."""
        known = self._clusters()
        if not known:
            raise Conflict("this installation has no Kubernetes cluster: secrets are mirrored into one only")
        choices = self.choices
        if not choices:
            raise Conflict(
                "this installation lets projects choose no namespaces yet:"
                f" whoever runs it names them in the setting {SETTING}"
            )
        rule = f"use one of {', '.join(choices)}"
        if not draft.engine:
            if self._own in choices or len(choices) == 1:
                return choices[0]
            raise InvalidInput("spec.engine", problem="is missing, and there are several", rule=rule)
        if draft.engine not in known:
            problem = f"{draft.engine[:60]!a} is no engine with a Kubernetes cluster"
            raise InvalidInput("spec.engine", problem=problem, rule=rule)
        if draft.engine not in choices:
            problem = f"lets projects choose no namespaces of {draft.engine!r}"
            raise InvalidInput("spec.engine", problem=problem, rule=f"{rule} ({SETTING})")
        return draft.engine

    def _require_allowed(self, draft: MirrorDraft, engine: str) -> None:
        allowed = self._allowed_on(engine)
        for at, namespace in enumerate(draft.namespaces):
            if not may_mirror_into(allowed, namespace):
                raise InvalidInput(
                    f"spec.namespaces[{at}]",
                    problem=f"{namespace!r} may not be chosen in this installation",
                    rule=f"choose among {' '.join(allowed)} ({SETTING})",
                )

    async def _docker_secret(self, access: Access, name: str) -> DockerSecret:
        record = await self._store.read(lambda tx: tx.secrets.get(access.project.guid, name))
        if record is None:
            raise NotFound("secret", name)
        if not isinstance(record.secret, DockerSecret):
            raise InvalidInput(
                "spec.type", problem=f"secret {name!r} is Opaque", rule="only Docker secrets are mirrored"
            )
        if record.secret.username == IDENTITY_USER:
            raise InvalidInput(
                "spec.docker.username",
                problem=f"secret {name!r} is an identity token, which kubelets ignore",
                rule="mirror a secret with a user name and a password",
            )
        return record.secret

    async def _require_scope(
        self, access: Access, secret: DockerSecret, facts: tuple[tuple[str, str], ...]
    ) -> None:
        """Refuse, and write down, what the token's scopes do not name: a mirror is a door."""
        if access.principal.has_scope(ScopeKind.SECRETS_EXPORT, secret.metadata.name):
            return
        row = refusal_row(
            access,
            Door.MIRROR,
            secret.metadata.guid,
            at=self._clock(),
            outcome="not-allowed",
            facts=facts,
        )
        await self._store.write(lambda tx: tx.audit.append(row))
        raise NotAllowed(
            f"this token lacks the scope {ScopeKind.SECRETS_EXPORT.value}:{secret.metadata.name}"
        )


def _told(mirror: Mirror) -> dict[str, str]:
    return {
        "mirror": mirror.guid,
        "namespaces": " ".join(mirror.namespaces),
        "selector": mirror.selector.text,
        "accounts": " ".join(mirror.accounts),
        "object": mirror.object_name,
        "engine": mirror.engine,
    }
