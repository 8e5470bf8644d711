"""From a draft to all that a transaction needs to save it: sealed, presented, judged, written down.

A transaction awaits nothing, so the value is sealed before it, bound to the version that it is to be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from towline.domain.credential import Password, authorization_token, sealable_data
from towline.domain.credential_shape import Shape, shape_of
from towline.domain.minting import Minted
from towline.domain.proof import Proof, Standing
from towline.domain.providers import Provider, provider_of_host
from towline.domain.secret import DockerDraft, DockerSecret, MintDraft, OpaqueDraft, OpaqueSecret
from towline.ports import Binding, MintRecord, SecretRecord
from towline.services.audit import entry
from towline.services.refusals import NOTHING_NAMED

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from towline.domain.account import Access
    from towline.domain.audit import AuditEntry
    from towline.domain.minting import Grant
    from towline.domain.proof import Answer
    from towline.domain.secret import Secret, SecretDraft, SecretMetadata
    from towline.ports import NewGuid, Present, Vault
    from towline.services.minting import Tried


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that a transaction needs to save a secret, made outside of it.

    ``history`` where it was tried, ``parent`` where its login is minted.
    """

    record: SecretRecord
    row: AuditEntry
    history: Proof | None
    parent: MintRecord | None = None


class Sealing:
    """Prepares secrets for their transaction."""

    def __init__(
        self, *, vault: Vault, present: Present, new_guid: NewGuid, chance: Callable[[], float]
    ) -> None:
        self._vault = vault
        self._chance = chance
        self._present = present
        self._new_guid = new_guid

    async def prepare(
        self,
        access: Access,
        draft: SecretDraft,
        metadata: SecretMetadata,
        tried: Tried | None,
        *,
        action: str,
    ) -> Prepared:
        """Return a secret of this draft, sealed for exactly this version of it."""
        at = metadata.updated_at
        answer = _about(tried.answer if tried else None, metadata.name)
        grant = tried.grant if tried else None
        secret = self._secret(draft, metadata, answer, grant)
        binding = Binding(metadata.project_guid, metadata.guid, version=metadata.version)
        sealed = await self._vault.seal(_plain(draft, grant), binding)
        document = self._present(secret, access.project, access.organization)
        history = (
            None
            if answer is None
            else Proof(
                self._new_guid("proof"), metadata.guid, secret_version=metadata.version, at=at, answer=answer
            )
        )
        row = _row(access, action, secret, at=at)
        parent = await self._parent(draft, metadata)
        return Prepared(SecretRecord(secret, sealed, document=document), row, history=history, parent=parent)

    async def _parent(self, draft: SecretDraft, metadata: SecretMetadata) -> MintRecord | None:
        """Return what the login is minted from, sealed under a name of its own."""
        if not isinstance(draft, MintDraft):
            return None
        binding = Binding(metadata.project_guid, self._new_guid("mint"), version=1)
        return MintRecord(metadata.guid, binding, await self._vault.seal(draft.key, binding))

    def _secret(
        self, draft: SecretDraft, metadata: SecretMetadata, answer: Answer | None, grant: Grant | None
    ) -> Secret:
        at = metadata.updated_at
        standing = Standing().after(answer, at=at) if answer else Standing()
        match draft:
            case DockerDraft():
                return DockerSecret(
                    metadata,
                    draft.registry,
                    username=draft.credential.username,
                    email=draft.email,
                    standing=standing,
                    shape=shape_of(_provider(draft, answer), draft.credential, now=at),
                )
            case MintDraft():
                return DockerSecret(
                    metadata,
                    draft.registry,
                    username=grant.credential.username if grant else draft.mint.facts.username,
                    email=draft.email,
                    standing=standing,
                    shape=Shape(draft.mint.facts.token),
                    mint=self._minted(draft, metadata, answer, grant),
                )
            case OpaqueDraft():
                return OpaqueSecret(metadata, keys=tuple(draft.data))
            case _:
                assert_never(draft)

    def _minted(
        self, draft: MintDraft, metadata: SecretMetadata, answer: Answer | None, grant: Grant | None
    ) -> Minted:
        minted, trouble = Minted(draft.mint, entered=metadata.version), answer.finding if answer else None
        if grant is not None:
            minted = minted.renewed(grant, chance=self._chance())
            if trouble is None or not trouble.cause.blames_credential:
                return minted
        trouble = trouble or NOTHING_NAMED
        return minted.failed(trouble, now=metadata.updated_at, chance=self._chance())


def _about(answer: Answer | None, name: str) -> Answer | None:
    """Return the answer with the secret's name in its finding."""
    if answer is None or answer.finding is None:
        return answer
    return replace(answer, finding=answer.finding.about(secret=name))


def _provider(draft: DockerDraft, answer: Answer | None) -> Provider:
    """Return whose registry it is, as its answers told or as its name does."""
    if answer is not None and answer.provider:
        return Provider(answer.provider)
    return provider_of_host(draft.registry.host)


def _plain(draft: SecretDraft, grant: Grant | None) -> Password:
    """Return what is sealed; nothing where no login could be minted yet."""
    match draft:
        case MintDraft():
            return authorization_token(grant.credential) if grant else Password("")
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
