"""What the services and the reconciler need from the rooms beside them, as small Protocols.

Every port that does I/O is async (decision 1), with one exception that is on purpose: a transaction
is a plain function handed to the store (decision 2), so nothing can be awaited, and so no network
used, while a transaction is open.
"""

from towline.ports.account_rows import AccountRows, TenantRows
from towline.ports.credentials import Binding, Keychain, ResolvedCredential, Vault
from towline.ports.deployment_rows import Claim, DeploymentQuery, DeploymentRows
from towline.ports.engines import Engine
from towline.ports.process import Bell, Clock, Listener, NewGuid, PasswordHasher, Present
from towline.ports.record_rows import AuditRows, ProofRows, RegistryRows, SettingRows
from towline.ports.registries import ImageSource, Manifest, RegistryProver
from towline.ports.secret_rows import PackageRows, SecretRecord, SecretRows
from towline.ports.store import Store, Transaction

__all__ = [
    "AccountRows",
    "AuditRows",
    "Bell",
    "Binding",
    "Claim",
    "Clock",
    "DeploymentQuery",
    "DeploymentRows",
    "Engine",
    "ImageSource",
    "Keychain",
    "Listener",
    "Manifest",
    "NewGuid",
    "PackageRows",
    "PasswordHasher",
    "Present",
    "ProofRows",
    "RegistryProver",
    "RegistryRows",
    "ResolvedCredential",
    "SecretRecord",
    "SecretRows",
    "SettingRows",
    "Store",
    "TenantRows",
    "Transaction",
    "Vault",
]
