"""What leaves by a secret's name: an export with its password, or a token for one repository without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.domain.audit import Door
from towline.domain.causes import FindingCode
from towline.domain.credential import IDENTITY_USER
from towline.domain.doors import DoorPolicy, ExportFormat
from towline.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound, PullRefused
from towline.domain.image import ImageReference
from towline.domain.scopes import ScopeKind
from towline.domain.secret import DockerSecret
from towline.services.audit import entry
from towline.services.door_rows import facts_of, refusal_row
from towline.services.pull_access import access_to_image

if TYPE_CHECKING:
    from towline.domain.account import Access
    from towline.domain.audit import AuditEntry
    from towline.ports import (
        Clock,
        Facts,
        Keychain,
        PullToken,
        PullTokens,
        ResolvedCredential,
        Store,
        Transaction,
    )


@dataclass(frozen=True, slots=True)
class Export:
    """A credential that is to be written as a file. ``namespace`` is empty where none was named."""

    resolved: ResolvedCredential
    name: str
    email: str
    form: ExportFormat
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class HandedToken:
    """A registry's token, for which repository and from which version of which secret."""

    token: PullToken
    image: ImageReference
    name: str
    version: int


class Handouts:
    """Exports and pull tokens. ``name`` arguments take a name or a guid."""

    def __init__(self, *, store: Store, keychain: Keychain, tokens: PullTokens, clock: Clock) -> None:
        self._store = store
        self._keychain = keychain
        self._tokens = tokens
        self._clock = clock

    async def export(
        self, access: Access, name: str, *, confirm: str, form: ExportFormat, namespace: str = "", peer: str
    ) -> Export:
        """Return a docker secret with its password; ``confirm`` must be its name.

        Raises NotFound, InvalidInput where it is not confirmed or the format cannot hold it, NotAllowed.
        """
        secret = await self._docker_secret(access, name)
        if confirm != secret.metadata.name:
            raise InvalidInput(
                "confirm",
                problem="is not the secret's name",
                rule=f"send {secret.metadata.name!r} to confirm that its password is to leave",
            )
        if secret.username == IDENTITY_USER and form is not ExportFormat.CONFIG_JSON:
            raise InvalidInput(
                "format",
                problem=f"{form.value} cannot hold an identity token, which is what this secret is",
                rule="use config.json, or a secret with a user name and a password",
            )
        facts = facts_of(access, peer, format=form.value)
        await self._require_scope(access, secret, ScopeKind.SECRETS_EXPORT, Door.EXPORT, facts)
        resolved = await self._keychain.login(
            access.project.guid, secret.metadata.guid, door=Door.EXPORT, actor=access.actor, facts=facts
        )
        if resolved is None:
            raise NotFound("secret", name)
        return Export(resolved, secret.metadata.name, secret.email, form, namespace=namespace)

    async def pull_token(
        self, access: Access, name: str, *, image: str = "", repository: str = "", peer: str
    ) -> HandedToken:
        """Return the registry's own token that can pull from one repository, named by either argument.

        Raises NotFound, InvalidInput where the image is elsewhere, NotAllowed, Conflict where the
        registry gives no tokens, PullRefused where it refuses.
        """
        secret = await self._docker_secret(access, name)
        wanted = _wanted(secret, image, repository)
        facts = facts_of(access, peer)
        await self._require_scope(access, secret, ScopeKind.SECRETS_USE, Door.BEARER, facts)
        resolved = await self._resolved(access, secret, wanted, facts)
        registry = await access_to_image(self._store, access.project.guid, wanted, resolved)
        token = await self._tokens.pull_token(wanted, registry, now=self._clock())
        if token is None:
            raise Conflict(
                f"{wanted.registry} gives no tokens: it asks for the password itself (Basic), or for nothing"
            )
        return HandedToken(token, wanted, secret.metadata.name, version=resolved.secret_version)

    async def policy(self, access: Access) -> DoorPolicy:
        """Return what the project allows at its doors."""
        return await self._store.read(lambda tx: tx.doors.get(access.project.guid))

    async def set_policy(self, access: Access, policy: DoorPolicy) -> DoorPolicy:
        """Put what the project allows at its doors in place, as a whole."""
        facts = {
            "offline-minutes": str(policy.offline_minutes),
            "issuers": " ".join(each.issuer for each in policy.issuers),
        }

        def change(tx: Transaction) -> None:
            tx.doors.put(access.project.guid, policy)
            tx.audit.append(entry(access, "doors.set", access.project.guid, at=self._clock(), **facts))

        await self._store.write(change)
        return policy

    async def _resolved(
        self, access: Access, secret: DockerSecret, image: ImageReference, facts: Facts
    ) -> ResolvedCredential:
        """Return the credential for an image, which the keychain refuses to any other registry."""
        guid = secret.metadata.guid
        try:
            resolved = await self._keychain.resolve(
                access.project.guid, guid, image, door=Door.BEARER, actor=access.actor, facts=facts
            )
        except PullRefused as refusal:
            if refusal.finding.code is not FindingCode.SECRET_REGISTRY_MISMATCH:
                raise
            raise InvalidInput(
                "image",
                problem=f"is at {image.name}, and the secret is for {secret.registry.key}",
                rule="name an image of the secret's registry",
            ) from refusal
        if resolved is None:
            raise NotFound("secret", secret.metadata.name)
        return resolved

    async def _docker_secret(self, access: Access, name: str) -> DockerSecret:
        record = await self._store.read(lambda tx: tx.secrets.get(access.project.guid, name))
        if record is None:
            raise NotFound("secret", name)
        if not isinstance(record.secret, DockerSecret):
            raise InvalidInput(
                "spec.type", problem=f"secret {name!r} is Opaque", rule="only Docker secrets leave this way"
            )
        return record.secret

    async def _require_scope(
        self, access: Access, secret: DockerSecret, kind: ScopeKind, door: Door, facts: Facts
    ) -> None:
        """Refuse, and write down, what the token's scopes do not name."""
        if access.principal.has_scope(kind, secret.metadata.name):
            return
        row: AuditEntry = refusal_row(
            access, door, secret.metadata.guid, at=self._clock(), outcome="not-allowed", facts=facts
        )
        await self._store.write(lambda tx: tx.audit.append(row))
        raise NotAllowed(f"this token lacks the scope {kind.value}:{secret.metadata.name}")


def _wanted(secret: DockerSecret, image: str, repository: str) -> ImageReference:
    if bool(image) == bool(repository):
        raise InvalidInput("image", problem="or repository: one of them is wanted", rule="give exactly one")
    if image:
        return ImageReference.parse(image)
    return ImageReference.parse(f"{secret.registry.netloc}/{repository}", field="repository")
