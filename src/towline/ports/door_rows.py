"""What the doors need: what a project allows there, who a service account is, tokens for one repository."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from towline.domain.credential import Password
    from towline.domain.doors import DoorPolicy, TrustedIssuer
    from towline.domain.image import ImageReference
    from towline.domain.workload import PullAccess


class DoorPolicyRows(Protocol):
    """What projects allow at their doors."""

    def get(self, project_guid: str) -> DoorPolicy:
        """Return a project's policy; the default where none was set."""

    def put(self, project_guid: str, policy: DoorPolicy) -> None:
        """Insert or replace."""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """Whom a cluster's token names."""

    namespace: str
    name: str


class ServiceAccountTokens(Protocol):
    """Believes service account tokens of clusters that a project trusts."""

    async def verified(
        self, token: Password, trusted: Sequence[TrustedIssuer], *, now: datetime
    ) -> tuple[TrustedIssuer, ServiceAccount]:
        """Return whom the token names, by which issuer.

        Raises NotAllowed where none of ``trusted`` made it, or signature, audience or time do not fit.
        """


@dataclass(frozen=True, slots=True)
class PullToken:
    """A registry's own short-lived token that can pull from one repository, and nothing else."""

    token: Password
    scope: str
    expires_at: datetime


class PullTokens(Protocol):
    """Does a registry's token exchange for somebody else."""

    async def pull_token(
        self, image: ImageReference, access: PullAccess, *, now: datetime
    ) -> PullToken | None:
        """Return a token for the image's repository; None where the registry gives none, as for Basic.

        Raises PullRefused with the finding.
        """
