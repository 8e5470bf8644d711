"""All rows on one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.store.rows.accounts import Accounts
from towline.store.rows.audit import Audit
from towline.store.rows.deployments import Deployments
from towline.store.rows.device_logins import DeviceLogins
from towline.store.rows.disks import Disks
from towline.store.rows.door_policies import DoorPolicies
from towline.store.rows.engines import Engines
from towline.store.rows.events import Events, Webhooks
from towline.store.rows.groups import Groups
from towline.store.rows.joining import Identities, Invitations
from towline.store.rows.keys import Keys
from towline.store.rows.leases import Leases
from towline.store.rows.marks import Marks
from towline.store.rows.mints import Mints
from towline.store.rows.mirrors import Mirrors
from towline.store.rows.packages import Packages
from towline.store.rows.proofs import Proofs
from towline.store.rows.registries import Registries
from towline.store.rows.schedule import Schedule
from towline.store.rows.secrets import Secrets
from towline.store.rows.settings import Settings
from towline.store.rows.tenants import Tenants

if TYPE_CHECKING:
    from towline.store.rows.connection import Connection


class AllRows:
    """The port ``Transaction``; begin and commit are the store's business."""

    def __init__(self, connection: Connection) -> None:
        self.secrets = Secrets(connection)
        self.mints = Mints(connection)
        self.packages = Packages(connection)
        self.deployments = Deployments(connection)
        self.disks = Disks(connection)
        self.accounts = Accounts(connection)
        self.device_logins = DeviceLogins(connection)
        self.tenants = Tenants(connection)
        self.groups = Groups(connection)
        self.invitations = Invitations(connection)
        self.identities = Identities(connection)
        self.proofs = Proofs(connection)
        self.schedule = Schedule(connection)
        self.events = Events(connection)
        self.webhooks = Webhooks(connection)
        self.audit = Audit(connection)
        self.registries = Registries(connection)
        self.settings = Settings(connection)
        self.leases = Leases(connection)
        self.marks = Marks(connection)
        self.doors = DoorPolicies(connection)
        self.mirrors = Mirrors(connection)
        self.engines = Engines(connection)
        self.keys = Keys(connection)
