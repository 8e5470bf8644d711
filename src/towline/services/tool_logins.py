"""What `docker login` stores here and `docker logout` erases again, and nothing else.

A tool changes and erases only what it stored itself: what a team made for its deployments stays.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from towline.domain.audit import Door
from towline.domain.credential import Credential
from towline.domain.doors import STORED_BY
from towline.domain.errors import Conflict, NotFound
from towline.domain.registry import RegistryAddress
from towline.domain.scopes import ScopeKind
from towline.domain.secret import DockerDraft, DockerSecret
from towline.services.audit import entry
from towline.services.door_rows import facts_of, refusal_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.domain.account import Access, Principal
    from towline.domain.credential import Password
    from towline.domain.secret import SecretMetadata
    from towline.ports import Clock, Facts, Store
    from towline.services.secrets import Secrets

_TRIES = 9
_LONGEST_NAME = 240


class ToolLogins:
    """Keeps the logins of tools as docker pull secrets."""

    def __init__(self, *, store: Store, secrets: Secrets, clock: Clock) -> None:
        self._store = store
        self._secrets = secrets
        self._clock = clock

    async def keep(self, access: Access, server: str, *, username: str, password: Password, peer: str) -> str:
        """Keep a login and return the secret's name: this caller's own for the registry, or a new one.

        It is tried at its registry like any secret; an identity token is kept as such. Raises InvalidInput,
        Conflict where no name is free.
        """
        registry = RegistryAddress.parse(server, field="serverURL")
        credential = Credential(username, password)
        own = await self._own(access, registry)
        name = own.name if own else await self._free_name(access, registry)
        email = access.principal.user.email
        labels = {**(own.labels if own else {}), STORED_BY: access.principal.holder}
        draft = DockerDraft(name, registry, credential, email, labels=labels)
        if own:
            await self._secrets.replace(access, own.guid, draft)
        else:
            await self._secrets.create(access, draft)
        facts = facts_of(access, peer, registry=registry.key, username=username)
        await self._note(access, "credential.stored", name, facts)
        return name

    async def erase(self, access: Access, server: str, *, peer: str) -> str:
        """Delete what this caller stored for a registry and return the secret's name.

        Raises NotFound where it stored nothing, Conflict while a deployment uses the secret.
        """
        registry = RegistryAddress.parse(server, field="serverURL")
        facts = facts_of(access, peer, registry=registry.key)
        own = await self._own(access, registry)
        if own is None:
            await self._note_refused(access, registry.key, "not-found", facts)
            raise NotFound("login stored with this token for", registry.key)
        users = await self._secrets.used_by(access, own.guid)
        if users:
            await self._note_refused(access, own.guid, "in-use", facts)
            names = ", ".join(each.name for each in users[:5])
            raise Conflict(f"secret {own.name!r} is used by deployments ({names}); it stays in Towline")
        await self._secrets.delete(access, own.guid)
        await self._note(access, "credential.erased", own.name, facts)
        return own.name

    async def _own(self, access: Access, registry: RegistryAddress) -> SecretMetadata | None:
        """Return the secret that this caller stored for this registry."""
        for secret in await self._there(access, registry):
            whole = secret.registry.opens(registry) and secret.registry.path == registry.path
            if whole and secret.metadata.labels.get(STORED_BY) == access.principal.holder:
                return secret.metadata
        return None

    async def _there(self, access: Access, registry: RegistryAddress) -> Sequence[DockerSecret]:
        project, host = access.project.guid, registry.host
        records = await self._store.read(lambda tx: tx.secrets.of_registry(project, host))
        return [each.secret for each in records if isinstance(each.secret, DockerSecret)]

    async def _free_name(self, access: Access, registry: RegistryAddress) -> str:
        names = _names(access.principal, registry)
        project = access.project.guid
        free = await self._store.read(
            lambda tx: next((each for each in names if tx.secrets.document(project, each) is None), None)
        )
        if free is None:
            raise Conflict(f"secret {names[0]!r} exists and was not stored with this token")
        return free

    async def _note(self, access: Access, action: str, subject: str, facts: Facts) -> None:
        told = {"door": Door.CREDENTIAL_HELPER.value, **dict(facts)}
        row = entry(access, action, subject, at=self._clock(), **told)
        await self._store.write(lambda tx: tx.audit.append(row))

    async def _note_refused(self, access: Access, subject: str, outcome: str, facts: Facts) -> None:
        at, door = self._clock(), Door.CREDENTIAL_HELPER
        row = refusal_row(access, door, subject, at=at, outcome=outcome, facts=facts)
        await self._store.write(lambda tx: tx.audit.append(row))


def _names(principal: Principal, registry: RegistryAddress) -> Sequence[str]:
    """Return the names to try: after the registry, such that the token's own scopes let it be taken out."""
    place = "docker-hub" if registry.is_hub else registry.key.removeprefix("http://").lower()
    plain = re.sub(r"[^a-z0-9]+", "-", place).strip("-")[:_LONGEST_NAME]
    patterns = [scope.name for scope in principal.scopes if scope.kind is ScopeKind.SECRETS_USE]
    if patterns and not principal.has_scope(ScopeKind.SECRETS_USE, plain):
        if not patterns[0].endswith("*"):
            return (patterns[0],)
        plain = f"{patterns[0][:-1]}{plain}"[:_LONGEST_NAME].strip("-")
    return (plain, *(f"{plain}-{number}" for number in range(2, _TRIES + 1)))
