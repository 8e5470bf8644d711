"""From a draft to all that a transaction needs to save it: sealed, presented, judged, written down.

A transaction awaits nothing, so the value is sealed before it, bound to the version that it is to be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from towline.domain.credential import authorization_token, sealable_data
from towline.domain.credential_shape import shape_of
from towline.domain.proof import Proof, Standing
from towline.domain.providers import Provider, provider_of_host
from towline.domain.secret import DockerDraft, DockerSecret, OpaqueDraft, OpaqueSecret
from towline.ports import Binding, SecretRecord
from towline.services.audit import entry

if TYPE_CHECKING:
    from datetime import datetime

    from towline.domain.account import Access
    from towline.domain.audit import AuditEntry
    from towline.domain.credential import Password
    from towline.domain.proof import Answer
    from towline.domain.secret import Secret, SecretDraft, SecretMetadata
    from towline.ports import NewGuid, Present, Vault


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that a transaction needs to save a secret, made outside of it; ``history`` where it was tried."""

    record: SecretRecord
    row: AuditEntry
    history: Proof | None


class Sealing:
    """Prepares secrets for their transaction."""

    def __init__(self, *, vault: Vault, present: Present, new_guid: NewGuid) -> None:
        self._vault = vault
        self._present = present
        self._new_guid = new_guid

    async def prepare(
        self,
        access: Access,
        draft: SecretDraft,
        metadata: SecretMetadata,
        answer: Answer | None,
        *,
        action: str,
    ) -> Prepared:
        """Return a secret of this draft, sealed for exactly this version of it."""
        at = metadata.updated_at
        answer = _about(answer, metadata.name)
        secret = _secret(draft, metadata, answer)
        binding = Binding(metadata.project_guid, metadata.guid, version=metadata.version)
        sealed = await self._vault.seal(_plain(draft), binding)
        document = self._present(secret, access.project, access.organization)
        history = (
            None
            if answer is None
            else Proof(
                self._new_guid("proof"), metadata.guid, secret_version=metadata.version, at=at, answer=answer
            )
        )
        row = _row(access, action, secret, at=at)
        return Prepared(SecretRecord(secret, sealed, document=document), row, history=history)


def _about(answer: Answer | None, name: str) -> Answer | None:
    """Return the answer with the secret's name in its finding."""
    if answer is None or answer.finding is None:
        return answer
    return replace(answer, finding=answer.finding.about(secret=name))


def _secret(draft: SecretDraft, metadata: SecretMetadata, answer: Answer | None) -> Secret:
    match draft:
        case DockerDraft():
            standing = Standing().after(answer, at=metadata.updated_at) if answer else Standing()
            return DockerSecret(
                metadata,
                draft.registry,
                username=draft.credential.username,
                email=draft.email,
                standing=standing,
                shape=shape_of(_provider(draft, answer), draft.credential, now=metadata.updated_at),
            )
        case OpaqueDraft():
            return OpaqueSecret(metadata, keys=tuple(draft.data))
        case _:
            assert_never(draft)


def _provider(draft: DockerDraft, answer: Answer | None) -> Provider:
    """Return whose registry it is, as its answers told or as its name does."""
    if answer is not None and answer.provider:
        return Provider(answer.provider)
    return provider_of_host(draft.registry.host)


def _plain(draft: SecretDraft) -> Password:
    match draft:
        case DockerDraft():
            return authorization_token(draft.credential)
        case OpaqueDraft():
            return sealable_data(draft.data)
        case _:
            assert_never(draft)


def _row(access: Access, action: str, secret: Secret, *, at: datetime) -> AuditEntry:
    metadata = secret.metadata
    facts = {"name": metadata.name, "version": str(metadata.version)}
    if isinstance(secret, DockerSecret):
        finding = secret.standing.finding
        facts |= {"registry": secret.registry.key, "username": secret.username}
        facts |= {"verdict": secret.standing.verdict.value, "finding": finding.code.value if finding else ""}
    return entry(access, action, metadata.guid, at=at, **facts)
