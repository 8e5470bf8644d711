"""The doors through which credentials leave: which secret answers, and what a project allows there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from towline.domain.account import Principal
from towline.domain.errors import InvalidInput
from towline.domain.proof import Verdict
from towline.domain.scopes import ScopeKind, matches
from towline.domain.secret import DockerSecret

STORED_BY = "towline.io/stored-by"
"""The label of a secret that a tool stored: the token, or the person, that may erase it again."""

LONGEST_OFFLINE = timedelta(days=7)
MOST_ISSUERS = 10


class ExportFormat(StrEnum):
    """The files that a stored credential can be exported as."""

    CONFIG_JSON = "config.json"
    KUBERNETES = "kubernetes"
    DOCKERCFG = "dockercfg"


@dataclass(frozen=True, slots=True)
class Workload:
    """Which service accounts of a cluster may have which secrets; the ends of all three may be ``*``."""

    namespace: str
    service_account: str
    secrets: tuple[str, ...]

    def fits(self, namespace: str, service_account: str) -> bool:
        """Whether this row is about that service account."""
        return matches(self.namespace, namespace) and matches(self.service_account, service_account)


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """A cluster whose service account tokens are believed. ``keys`` is its JWKS document as text."""

    issuer: str
    audience: str
    keys: str
    workloads: tuple[Workload, ...]

    def secrets_of(self, namespace: str, service_account: str) -> tuple[str, ...]:
        """Return the patterns of the secrets that a service account may have."""
        found = (each.secrets for each in self.workloads if each.fits(namespace, service_account))
        return tuple(dict.fromkeys(pattern for patterns in found for pattern in patterns))


@dataclass(frozen=True, slots=True)
class DoorPolicy:
    """What a project's owner allows at its doors: nothing beyond the doors themselves, unless told so.

    ``offline_minutes``: how long a tool may go on with what it was given while the server is out of reach.
    """

    offline_minutes: int = 0
    issuers: tuple[TrustedIssuer, ...] = ()

    def __post_init__(self) -> None:
        most = int(LONGEST_OFFLINE.total_seconds() // 60)
        if not 0 <= self.offline_minutes <= most:
            raise InvalidInput(
                "spec.offlineMinutes", problem=f"is {self.offline_minutes}", rule=f"use 0 to {most} (7 days)"
            )
        names = [each.issuer for each in self.issuers]
        if len(set(names)) < len(names):
            raise InvalidInput("spec.issuers", problem="names an issuer twice", rule="give each once")
        if len(names) > MOST_ISSUERS:
            raise InvalidInput(
                "spec.issuers", problem=f"holds {len(names)} issuers", rule=f"use at most {MOST_ISSUERS}"
            )


def best_first(secrets: Iterable[DockerSecret], principal: Principal) -> tuple[DockerSecret, ...]:
    """Return the secrets that a principal may take, in the order in which a door hands them out.

    What its own tool stored, what a scope names in full, what is limited to a path, verified before
    unproved before failing, the newest.
    """
    usable = [each for each in secrets if principal.has_scope(ScopeKind.SECRETS_USE, each.metadata.name)]
    return tuple(sorted(usable, key=lambda each: _rank(each, principal), reverse=True))


def _rank(secret: DockerSecret, principal: Principal) -> tuple[bool, bool, int, int, float]:
    metadata = secret.metadata
    verdicts = {Verdict.VERIFIED: 2, Verdict.FAILING: 0}
    return (
        metadata.labels.get(STORED_BY) == principal.holder,
        any(scope.name == metadata.name for scope in principal.scopes),
        len(secret.registry.path),
        verdicts.get(secret.standing.verdict, 1),
        metadata.updated_at.timestamp(),
    )
