"""Credentials and values out of Towline's own sealed secrets, each opening written down first.

Security rule 1 (design section 8) is kept here: whether a secret belongs to an image's registry is
decided before its sealed value is opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.domain.audit import AuditEntry, Door
from towline.domain.causes import FindingCode
from towline.domain.credential import from_authorization_token, from_sealable_data
from towline.domain.errors import KeysUnreachable, PullRefused, SealBroken
from towline.domain.findings import Finding
from towline.domain.secret import DockerSecret, OpaqueSecret
from towline.ports import Binding, Facts, ResolvedCredential

if TYPE_CHECKING:
    from towline.domain.credential import Password
    from towline.domain.image import ImageReference
    from towline.domain.minting import Minted
    from towline.domain.package import SecretKeyRef
    from towline.ports import Clock, SecretRecord, Store, Vault


@dataclass(frozen=True, slots=True)
class _Use:
    """Who wants a secret opened, through which door, and what for."""

    actor: str
    door: Door
    image: str = ""
    key: str = ""
    facts: Facts = ()


class StoredKeychain:
    """The port ``Keychain`` over store and vault.

    Every opening, and every refusal to open, is an audit row; nothing leaves before it is durable.
    """

    def __init__(self, *, store: Store, vault: Vault, clock: Clock) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock

    async def resolve(
        self,
        project_guid: str,
        secret: str,
        image: ImageReference,
        *,
        door: Door,
        actor: str,
        facts: Facts = (),
    ) -> ResolvedCredential | None:
        """Return what opens ``image`` from that secret; see the port."""
        record = await self._record(project_guid, secret)
        if record is None or not isinstance(record.secret, DockerSecret):
            return None
        use = _Use(actor, door, image=str(image), facts=facts)
        if not record.secret.registry.covers(image):
            await self._note(record, use, outcome=FindingCode.SECRET_REGISTRY_MISMATCH.value)
            raise PullRefused(_mismatch(record.secret, image))
        return await self._credential(record, record.secret, use)

    async def login(
        self, project_guid: str, secret: str, *, door: Door, actor: str, facts: Facts = ()
    ) -> ResolvedCredential | None:
        """Return the credential for a login at the secret's own registry; see the port."""
        record = await self._record(project_guid, secret)
        if record is None or not isinstance(record.secret, DockerSecret):
            return None
        return await self._credential(record, record.secret, _Use(actor, door, facts=facts))

    async def value(self, project_guid: str, ref: SecretKeyRef, *, actor: str) -> Password | None:
        """Return the value of one key of an opaque secret; see the port."""
        record = await self._record(project_guid, ref.secret)
        if record is None or not isinstance(record.secret, OpaqueSecret) or ref.key not in record.secret.keys:
            return None
        plain = await self._open(record, _Use(actor, Door.ENVIRONMENT, key=ref.key))
        return from_sealable_data(plain)[ref.key]

    async def _record(self, project_guid: str, secret: str) -> SecretRecord | None:
        return await self._store.read(lambda tx: tx.secrets.get(project_guid, secret))

    async def _credential(self, record: SecretRecord, secret: DockerSecret, use: _Use) -> ResolvedCredential:
        if secret.mint is not None and secret.mint.has_ended(self._clock()):
            await self._note(record, use, outcome="ended")
            raise PullRefused(_ended(secret, secret.mint, image=use.image))
        credential = from_authorization_token(await self._open(record, use))
        metadata = secret.metadata
        return ResolvedCredential(
            credential,
            metadata.guid,
            secret_version=metadata.version,
            address=secret.registry,
            expires_at=secret.mint.expires_at if secret.mint else None,
        )

    async def _open(self, record: SecretRecord, use: _Use) -> Password:
        metadata = record.secret.metadata
        binding = Binding(metadata.project_guid, metadata.guid, version=metadata.version)
        try:
            plain = await self._vault.open(record.sealed, binding)
        except SealBroken:
            await self._note(record, use, outcome="seal-broken")
            raise
        except KeysUnreachable:
            await self._note(record, use, outcome="keys-unreachable")
            raise
        await self._note(record, use, outcome="ok")
        return plain

    async def _note(self, record: SecretRecord, use: _Use, *, outcome: str) -> None:
        metadata = record.secret.metadata
        facts = {
            "name": metadata.name,
            "version": str(metadata.version),
            "door": use.door.value,
            "image": use.image,
            "key": use.key,
            **dict(use.facts),
        }
        row = AuditEntry(
            self._clock(),
            use.actor,
            "secret.opened" if outcome == "ok" else "secret.not-opened",
            metadata.guid,
            outcome=outcome,
            project_guid=metadata.project_guid,
            detail=tuple((name, text) for name, text in facts.items() if text),
        )
        await self._store.write(lambda tx: tx.audit.append(row))


def _mismatch(secret: DockerSecret, image: ImageReference) -> Finding:
    detail = (
        f"secret {secret.metadata.name!r} is for {secret.registry.key}, "
        f"the image {image} is at {image.registry}"
    )
    return Finding(FindingCode.SECRET_REGISTRY_MISMATCH, detail, image=str(image))


def _ended(secret: DockerSecret, minted: Minted, *, image: str) -> Finding:
    """Return why there is no minted login that opens anything: what kept it from being renewed."""
    if minted.trouble is not None:
        return minted.trouble.about(image=image)
    detail = f"the login minted for secret {secret.metadata.name!r} has ended at {minted.expires_at}"
    fix = "Wait a moment: Towline mints a new one by itself, and what waits for it goes on then."
    return Finding(
        FindingCode.CREDENTIAL_EXPIRED, detail, image=image, secret=secret.metadata.name, fix_hint=fix
    )
