"""Credentials that are tried and not kept: a registry, a login, perhaps an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from towline.domain.credential import Credential, Password
from towline.domain.credential_shape import Shape
from towline.domain.proof import Answer, Verdict
from towline.domain.registry import RegistryAddress
from towline.wire.metadata import API_VERSION
from towline.wire.problems import read, required
from towline.wire.proofs import (
    FindingDocument,
    TokenDocument,
    WarningDocument,
    finding_document,
    token_document,
    warning_documents,
)


class CredentialIn(msgspec.Struct):
    """Body of a try; an empty registry is Docker Hub, username ``<token>`` means an identity token."""

    registry: str | None = None
    username: str | None = None
    password: str | None = None
    image: str | None = None


class CredentialProofDocument(msgspec.Struct, omit_defaults=True):
    """What a registry said to a login that is not kept."""

    kind: Literal["CredentialProof"]
    api_version: str = msgspec.field(name="apiVersion")
    registry: str
    verdict: Verdict
    finding: FindingDocument | None = None
    warnings: list[WarningDocument] | None = None
    token: TokenDocument | None = None


@dataclass(frozen=True, slots=True)
class CredentialDraft:
    """A login to try, checked."""

    address: RegistryAddress
    credential: Credential
    image: str


def credential_draft(body: bytes) -> CredentialDraft:
    """Return what is to be tried; raise InvalidInput naming the field."""
    asked = read(body, CredentialIn)
    username = required(asked.username, field="username")
    password = required(asked.password, field="password")
    address = (
        RegistryAddress.parse(asked.registry, field="registry") if asked.registry else RegistryAddress.hub()
    )
    return CredentialDraft(address, Credential(username, Password(password)), asked.image or "")


def credential_proof(address: RegistryAddress, answer: Answer, shape: Shape) -> bytes:
    """Return the answer to a try."""
    return msgspec.json.encode(
        CredentialProofDocument(
            kind="CredentialProof",
            api_version=API_VERSION,
            registry=address.key,
            verdict=answer.verdict,
            finding=finding_document(answer.finding) if answer.finding else None,
            warnings=warning_documents(shape),
            token=token_document(shape),
        )
    )
