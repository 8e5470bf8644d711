"""The store: transactions over all rows."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Protocol, TypeVar

from towline.domain.errors import StoreFailed
from towline.domain.spread import Spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from towline.ports.account_rows import AccountRows, TenantRows
    from towline.ports.deployment_rows import DeploymentRows
    from towline.ports.device_rows import DeviceLoginRows
    from towline.ports.disk_rows import DiskRows
    from towline.ports.door_rows import DoorPolicyRows
    from towline.ports.engine_rows import EngineRows
    from towline.ports.event_rows import EventRows, WebhookRows
    from towline.ports.group_rows import GroupRows
    from towline.ports.joining_rows import IdentityRows, InvitationRows
    from towline.ports.keys import KeyRows
    from towline.ports.mirror_rows import MirrorRows
    from towline.ports.record_rows import (
        AuditRows,
        LeaseRows,
        MarkRows,
        ProofRows,
        RegistryRows,
        ScheduleRows,
        SettingRows,
    )
    from towline.ports.secret_rows import MintRows, PackageRows, SecretRows

T = TypeVar("T")


class Transaction(Protocol):
    """All rows, seen and changed together: everything happens or nothing does."""

    @property
    def secrets(self) -> SecretRows: ...
    @property
    def mints(self) -> MintRows: ...
    @property
    def packages(self) -> PackageRows: ...
    @property
    def deployments(self) -> DeploymentRows: ...
    @property
    def disks(self) -> DiskRows: ...
    @property
    def accounts(self) -> AccountRows: ...
    @property
    def device_logins(self) -> DeviceLoginRows: ...
    @property
    def tenants(self) -> TenantRows: ...
    @property
    def groups(self) -> GroupRows: ...
    @property
    def invitations(self) -> InvitationRows: ...
    @property
    def identities(self) -> IdentityRows: ...
    @property
    def proofs(self) -> ProofRows: ...
    @property
    def schedule(self) -> ScheduleRows: ...
    @property
    def events(self) -> EventRows: ...
    @property
    def webhooks(self) -> WebhookRows: ...
    @property
    def audit(self) -> AuditRows: ...
    @property
    def registries(self) -> RegistryRows: ...
    @property
    def settings(self) -> SettingRows: ...
    @property
    def leases(self) -> LeaseRows: ...
    @property
    def marks(self) -> MarkRows: ...
    @property
    def doors(self) -> DoorPolicyRows: ...
    @property
    def mirrors(self) -> MirrorRows: ...
    @property
    def engines(self) -> EngineRows: ...
    @property
    def keys(self) -> KeyRows: ...


@dataclass(slots=True)
class StoreFigures:
    """How long changes took until they were durable, and how many a database did not keep."""

    writes: Spread = field(default_factory=Spread)
    failures: int = 0

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Note how long the change inside the block takes, and whether the database failed it."""
        began = perf_counter()
        try:
            yield
        except StoreFailed:
            self.failures += 1
            raise
        finally:
            self.writes.note(perf_counter() - began)


class Store(Protocol):
    """Where state rests."""

    @property
    def figures(self) -> StoreFigures: ...

    async def read(self, question: Callable[[Transaction], T]) -> T:
        """Run ``question`` on a consistent view and return its result. It must not write."""

    async def glance(self, question: Callable[[Transaction], T]) -> T:
        """Run a ``question`` for which each statement may see its own moment: cheaper than ``read``."""

    async def survey(self, question: Callable[[Transaction], T]) -> T:
        """Do as ``read``, beside the loop: for a ``question`` that may walk very many rows."""

    async def write(self, change: Callable[[Transaction], T]) -> T:
        """Run ``change`` in a transaction and return its result once it is durable.

        An exception from ``change`` undoes all it did and is raised here. It may run on another
        thread and together with other changes in one commit.
        """

    async def size(self) -> int:
        """Return how many bytes the database takes."""

    async def close(self) -> None:
        """Finish what was accepted and close."""
