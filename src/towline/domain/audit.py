"""The audit trail: append-only rows, each holding the hash of the row before."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

GENESIS = bytes(32)

_CANONICAL = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))


class Door(StrEnum):
    """The ways in which a credential is used or leaves; nothing else opens a sealed value."""

    ENGINE_PULL = "engine-pull"
    REGISTRY_PROOF = "registry-proof"
    ENVIRONMENT = "environment"
    CREDENTIAL_HELPER = "credential-helper"
    KUBELET = "kubelet"
    BEARER = "bearer"
    EXPORT = "export"
    MIRROR = "mirror"
    MINT = "mint"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to which object, and what came of it. Holds no credential.

    ``action`` is ``noun.verb`` (``secret.created``); ``subject`` the guid or name of the object;
    ``detail`` further facts as text pairs.
    """

    at: datetime
    actor: str
    action: str
    subject: str
    outcome: str = "ok"
    project_guid: str = ""
    detail: tuple[tuple[str, str], ...] = ()

    def chained(self, previous: bytes) -> bytes:
        """Return this row's hash: SHA-256 over the previous row's hash and the row's canonical JSON."""
        row = [
            self.at.isoformat(),
            self.actor,
            self.action,
            self.subject,
            self.outcome,
            self.project_guid,
            [list(pair) for pair in self.detail],
        ]
        canonical = _CANONICAL.encode(row).encode()
        return hashlib.sha256(previous + canonical).digest()
