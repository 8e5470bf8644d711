"""One transaction: all rows on one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.store.sqlite.accounts import Accounts
from towline.store.sqlite.audit import Audit
from towline.store.sqlite.deployments import Deployments
from towline.store.sqlite.device_logins import DeviceLogins
from towline.store.sqlite.door_policies import DoorPolicies
from towline.store.sqlite.events import Events, Webhooks
from towline.store.sqlite.packages import Packages
from towline.store.sqlite.proofs import Proofs
from towline.store.sqlite.registries import Registries
from towline.store.sqlite.schedule import Schedule
from towline.store.sqlite.secrets import Secrets
from towline.store.sqlite.settings import Settings
from towline.store.sqlite.tenants import Tenants

if TYPE_CHECKING:
    import sqlite3


class SqliteTransaction:
    """The port ``Transaction``; begin and commit are the store's business."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.secrets = Secrets(connection)
        self.packages = Packages(connection)
        self.deployments = Deployments(connection)
        self.accounts = Accounts(connection)
        self.device_logins = DeviceLogins(connection)
        self.tenants = Tenants(connection)
        self.proofs = Proofs(connection)
        self.schedule = Schedule(connection)
        self.events = Events(connection)
        self.webhooks = Webhooks(connection)
        self.audit = Audit(connection)
        self.registries = Registries(connection)
        self.settings = Settings(connection)
        self.doors = DoorPolicies(connection)
