"""What the services and the reconciler need from the rooms beside them, as small Protocols.

Every port that does I/O is async (decision 1), with one exception that is on purpose: a transaction
is a plain function handed to the store (decision 2), so nothing can be awaited, and so no network
used, while a transaction is open.
"""

from towline.ports.account_rows import AccountRows, TenantRows
from towline.ports.credentials import Binding, Facts, Keychain, ResolvedCredential, Signing, Vault
from towline.ports.deployment_rows import EVERYWHERE, Claim, DeploymentQuery, DeploymentRows, Part
from towline.ports.device_rows import DeviceLoginRows
from towline.ports.disk_rows import DiskRows
from towline.ports.door_rows import (
    DoorPolicyRows,
    PullToken,
    PullTokens,
    ServiceAccount,
    ServiceAccountTokens,
)
from towline.ports.engine_rows import EngineRows
from towline.ports.engines import Engine, EngineDoors, EngineHost, Engines, OpenEngine
from towline.ports.event_rows import Courier, EventRows, WebhookRows, WebhookState
from towline.ports.group_rows import GroupRows
from towline.ports.identity import SignInProvider
from towline.ports.joining_rows import IdentityRows, InvitationRows
from towline.ports.keys import KeyCustody, KeyRows, SealedValue
from towline.ports.mirror_rows import MirrorRows, MirrorTarget
from towline.ports.process import (
    Bell,
    Clock,
    HearingBell,
    Listener,
    NewGuid,
    PasswordHasher,
    Postman,
    Present,
    Throttle,
)
from towline.ports.record_rows import (
    AuditRows,
    LeaseRows,
    MarkRows,
    ProofRows,
    RegistryRows,
    ScheduleRows,
    SettingRows,
)
from towline.ports.registries import ImageSource, Manifest, RegistryProver, RegistryTurns, TokenMint
from towline.ports.secret_rows import (
    DueRenewal,
    MintRecord,
    MintRows,
    PackageRows,
    SecretRecord,
    SecretRows,
)
from towline.ports.store import Store, StoreFigures, Transaction

__all__ = [
    "EVERYWHERE",
    "AccountRows",
    "AuditRows",
    "Bell",
    "Binding",
    "Claim",
    "Clock",
    "Courier",
    "DeploymentQuery",
    "DeploymentRows",
    "DeviceLoginRows",
    "DiskRows",
    "DoorPolicyRows",
    "DueRenewal",
    "Engine",
    "EngineDoors",
    "EngineHost",
    "EngineRows",
    "Engines",
    "EventRows",
    "Facts",
    "GroupRows",
    "HearingBell",
    "IdentityRows",
    "ImageSource",
    "InvitationRows",
    "KeyCustody",
    "KeyRows",
    "Keychain",
    "LeaseRows",
    "Listener",
    "Manifest",
    "MarkRows",
    "MintRecord",
    "MintRows",
    "MirrorRows",
    "MirrorTarget",
    "NewGuid",
    "OpenEngine",
    "PackageRows",
    "Part",
    "PasswordHasher",
    "Postman",
    "Present",
    "ProofRows",
    "PullToken",
    "PullTokens",
    "RegistryProver",
    "RegistryRows",
    "RegistryTurns",
    "ResolvedCredential",
    "ScheduleRows",
    "SealedValue",
    "SecretRecord",
    "SecretRows",
    "ServiceAccount",
    "ServiceAccountTokens",
    "SettingRows",
    "SignInProvider",
    "Signing",
    "Store",
    "StoreFigures",
    "TenantRows",
    "Throttle",
    "TokenMint",
    "Transaction",
    "Vault",
    "WebhookRows",
    "WebhookState",
]
