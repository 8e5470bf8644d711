"""What the services and the reconciler need from the rooms beside them, as small Protocols.

Every port that does I/O is async (decision 1), with one exception that is on purpose: a transaction
is a plain function handed to the store (decision 2), so nothing can be awaited, and so no network
used, while a transaction is open.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from towline.domain.account import Member, Organization, Project, Token, User
from towline.domain.audit import AuditEntry, Door
from towline.domain.credential import Credential, Password
from towline.domain.deployment import Deployment, DeploymentStatus, Phase
from towline.domain.image import ImageReference
from towline.domain.listing import LabelSelector, Listing, Page
from towline.domain.package import Package, SecretKeyRef
from towline.domain.proof import Answer, Platform, Proof
from towline.domain.registry import RegistryAddress, RegistrySettings
from towline.domain.secret import Secret
from towline.domain.workload import Fact, PullAccess, Workload

T = TypeVar("T")

Clock = Callable[[], datetime]
"""The present time, in UTC with its zone set."""

NewGuid = Callable[[str], str]
"""A fresh identifier with the given prefix: ``new_guid("secret")``."""

# --- the store -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SecretRecord:
    """A secret's row: the value, its sealed bytes, and the wire document kept ready-made beside it."""

    secret: Secret
    sealed: bytes
    document: bytes


class SecretRows(Protocol):
    """Secrets of all projects. ``name`` arguments take a name or a guid."""

    def add(self, record: SecretRecord) -> None:
        """Insert a new secret; raise Conflict if the project has one of that name."""

    def get(self, project_guid: str, name: str) -> SecretRecord | None:
        """Return the newest version of a secret."""

    def save(self, record: SecretRecord) -> None:
        """Replace the row of the secret with that guid; a new version number keeps the old one's
        metadata as history and destroys the old sealed value. Raise NotFound if the row is gone.
        """

    def remove(self, project_guid: str, name: str) -> SecretRecord | None:
        """Delete a secret with all versions and return what it was."""

    def document(self, project_guid: str, name: str) -> bytes | None:
        """Return only the ready-made document: the hot path of GET."""

    def page(
        self, project_guid: str, page: Page, *, selector: LabelSelector, names: Sequence[str] = ()
    ) -> Listing[SecretRecord]:
        """Return a page in order of creation."""

    def documents(
        self, project_guid: str, page: Page, *, selector: LabelSelector, names: Sequence[str] = ()
    ) -> Listing[bytes]:
        """Return a page of ready-made documents: the hot path of lists."""


class PackageRows(Protocol):
    """Packages of all projects."""

    def add(self, package: Package) -> None:
        """Insert a package; raise Conflict if name and version exist in its project."""

    def get(self, project_guid: str, name: str, *, version: str = "") -> Package | None:
        """Return the package by name or guid; without a version the newest created."""

    def remove(self, project_guid: str, name: str, *, version: str = "") -> Package | None:
        """Delete one version and return what it was."""

    def page(
        self, project_guid: str, page: Page, *, selector: LabelSelector, name: str = ""
    ) -> Listing[Package]:
        """Return a page in order of creation."""


@dataclass(frozen=True, slots=True)
class DeploymentQuery:
    """Which deployments a list wants; empty means all. Deleted ones only when ``phases`` names Stopped."""

    names: Sequence[str] = ()
    guids: Sequence[str] = ()
    phases: Sequence[Phase] = ()
    package_name: str = ""
    package_version: str = ""
    selector: LabelSelector = field(default_factory=LabelSelector)


@dataclass(frozen=True, slots=True)
class Claim:
    """A deployment that this process alone may move until ``expires_at``; ``epoch`` fences late writers."""

    deployment: Deployment
    epoch: int
    expires_at: datetime
    wakes: int = 0
    """How often the deployment had been woken when it was claimed: the store's own mark."""


class DeploymentRows(Protocol):
    """Deployments of all projects: people's wishes, and the reconciler's leases and statuses."""

    def add(self, deployment: Deployment, *, due: datetime) -> None:
        """Insert a deployment; raise Conflict if a live one of that name exists in its project."""

    def get(self, project_guid: str, name: str, *, guid: str = "") -> Deployment | None:
        """Return the live deployment of that name or guid, or any one by ``guid``."""

    def wish(self, deployment: Deployment, *, due: datetime) -> None:
        """Save wish, labels, generation, deleted_at and, when deleted, the status; make it due."""

    def page(self, project_guid: str, page: Page, *, query: DeploymentQuery) -> Listing[Deployment]:
        """Return a page in order of creation."""

    def claim(self, owner: str, *, now: datetime, until: datetime, most: int) -> Sequence[Claim]:
        """Take up to ``most`` deployments that are due and free, oldest due first."""

    def settle(
        self, claim: Claim, status: DeploymentStatus, *, due: datetime | None, release: bool, until: datetime
    ) -> bool:
        """Save a status under a lease, due again at ``due`` (None: at rest until woken).

        ``release`` gives the lease back, else it is renewed to ``until``. Returns False, and saves
        nothing, when the lease was lost. A wake or wish that arrived since the claim keeps the
        deployment due now. The status of a deployment deleted meanwhile stays Stopped.
        """

    def wake(
        self, *, now: datetime, guids: Sequence[str] = (), project_guid: str = "", secrets: Sequence[str] = ()
    ) -> int:
        """Make deployments due now: ``guids``, or those of a project that name one of ``secrets``."""

    def next_due(self) -> datetime | None:
        """Return when the next deployment can be claimed: due, and any lease on it run out."""

    def using_secret(self, project_guid: str, secrets: Sequence[str]) -> Sequence[Deployment]:
        """Return the live deployments that name one of ``secrets`` (names or guids)."""

    def live_guids(self) -> frozenset[str]:
        """Return the guids of all deployments that are not deleted, of all projects."""


class AccountRows(Protocol):
    """Users, their password hashes and tokens."""

    def add_user(self, user: User, *, password_hash: str) -> None:
        """Insert a user; raise Conflict if the address (any letter case) has an account."""

    def user(self, *, guid: str = "", email: str = "") -> tuple[User, str] | None:
        """Return a user and the password hash."""

    def save_user(self, user: User, *, password_hash: str) -> None:
        """Replace names and password hash."""

    def users(self, organization_guid: str, page: Page) -> Listing[User]:
        """Return a page of an organization's members."""

    def count(self) -> int:
        """Return how many users there are: none means a first start."""

    def add_token(self, token: Token) -> None:
        """Insert a token."""

    def token(self, digest: bytes) -> tuple[Token, User] | None:
        """Return a token by its SHA-256, with its user."""

    def remove_tokens(
        self,
        *,
        guid: str = "",
        digest: bytes = b"",
        user_guid: str = "",
        expired_before: datetime | None = None,
    ) -> int:
        """Delete one token by guid or digest, a user's, or the expired ones; return how many."""


class TenantRows(Protocol):
    """Organizations, projects and their members."""

    def add_organization(self, organization: Organization) -> None:
        """Insert an organization."""

    def organization(self, guid: str) -> Organization | None:
        """Return an organization."""

    def organization_named(self, name: str) -> Organization | None:
        """Return the oldest organization of exactly that name."""

    def organizations_of(self, user_guid: str) -> Sequence[tuple[Organization, tuple[str, ...]]]:
        """Return a user's organizations with the user's role names there, by name."""

    def add_project(self, project: Project) -> None:
        """Insert a project; raise Conflict if the organization has one of that name."""

    def project(self, guid: str) -> Project | None:
        """Return a project."""

    def project_named(self, organization_guid: str, name: str) -> Project | None:
        """Return an organization's project of exactly that name."""

    def save_project(self, project: Project) -> None:
        """Replace labels, features and updated_at."""

    def remove_project(self, guid: str) -> None:
        """Delete a project with its secrets, packages, registries and deployment records."""

    def projects_of(
        self,
        user_guid: str,
        page: Page,
        *,
        organizations: Sequence[str] = (),
        name: str = "",
        selector: LabelSelector,
    ) -> Listing[tuple[Project, tuple[str, ...]]]:
        """Return the projects a user may see, with the user's own role names there."""

    def set_member(self, owner_guid: str, user_guid: str, role_names: tuple[str, ...]) -> None:
        """Give a user these roles in an organization or project; an empty tuple takes membership away."""

    def members(self, owner_guid: str) -> Sequence[Member]:
        """Return the members of an organization or project, by address."""

    def roles(self, owner_guid: str, user_guid: str) -> tuple[str, ...]:
        """Return a user's role names in an organization or project."""


class ProofRows(Protocol):
    """The history of proofs."""

    def add(self, proof: Proof) -> None:
        """Insert a proof."""

    def newest(self, secret_guid: str, *, image: str | None = None, most: int = 50) -> Sequence[Proof]:
        """Return a secret's newest proofs first; with ``image`` only those of that image."""


class AuditRows(Protocol):
    """The audit trail."""

    def append(self, entry: AuditEntry) -> None:
        """Chain and insert a row."""

    def page(self, page: Page, *, project_guid: str = "", subject: str = "") -> Listing[AuditEntry]:
        """Return a page, oldest first, of all rows or only a project's, or those about one subject."""

    def verify(self) -> int | None:
        """Walk the chain; return the number of the first row that does not fit, None if all do."""


class RegistryRows(Protocol):
    """Settings of registries, per project."""

    def put(self, project_guid: str, settings: RegistrySettings) -> None:
        """Insert or replace."""

    def get(self, project_guid: str, netloc: str) -> RegistrySettings | None:
        """Return what was set for a registry."""

    def remove(self, project_guid: str, netloc: str) -> bool:
        """Delete; return whether there was anything."""

    def all(self, project_guid: str) -> Sequence[RegistrySettings]:
        """Return all of a project, by host."""


class SettingRows(Protocol):
    """Facts about this installation: which engine it runs, the set-up link's digest."""

    def get(self, name: str) -> str | None:
        """Return a setting."""

    def put(self, name: str, value: str | None) -> None:
        """Set it, or delete it with None."""


class Transaction(Protocol):
    """All rows, seen and changed together: everything happens or nothing does."""

    @property
    def secrets(self) -> SecretRows: ...
    @property
    def packages(self) -> PackageRows: ...
    @property
    def deployments(self) -> DeploymentRows: ...
    @property
    def accounts(self) -> AccountRows: ...
    @property
    def tenants(self) -> TenantRows: ...
    @property
    def proofs(self) -> ProofRows: ...
    @property
    def audit(self) -> AuditRows: ...
    @property
    def registries(self) -> RegistryRows: ...
    @property
    def settings(self) -> SettingRows: ...


class Store(Protocol):
    """Where state rests."""

    async def read(self, question: Callable[[Transaction], T]) -> T:
        """Run ``question`` on a consistent view and return its result. It must not write."""

    async def write(self, change: Callable[[Transaction], T]) -> T:
        """Run ``change`` in a transaction and return its result once it is durable.

        An exception from ``change`` undoes all it did and is raised here. It may run on another
        thread and together with other changes in one commit.
        """

    async def close(self) -> None:
        """Finish what was accepted and close."""


# --- secrets' values -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Binding:
    """What a sealed value belongs to; it does not open in another place."""

    project_guid: str
    secret_guid: str
    version: int


class Vault(Protocol):
    """Seals secret values."""

    async def seal(self, plain: Password, binding: Binding) -> bytes:
        """Return ``plain`` encrypted for ``binding`` with a fresh data key."""

    async def open(self, sealed: bytes, binding: Binding) -> Password:
        """Return what was sealed; raise SealBroken if it does not open there."""


@dataclass(frozen=True, slots=True)
class ResolvedCredential:
    """A credential that came out of a door, and where it came from."""

    credential: Credential
    secret_guid: str
    secret_version: int
    address: RegistryAddress


class Keychain(Protocol):
    """Where credentials and secret values come from; every answer leaves an audit row."""

    async def resolve(
        self, project_guid: str, secret: str, image: ImageReference, *, door: Door, actor: str
    ) -> ResolvedCredential | None:
        """Return what opens ``image`` from the secret of that name or guid.

        None when there is no such docker secret. Raises PullRefused with
        ``secret-registry-mismatch`` when the secret belongs to another registry: it is then not opened.
        """

    async def login(self, project_guid: str, secret: str, *, door: Door, actor: str) -> ResolvedCredential | None:
        """Return the credential of that docker secret, for a login at its own registry and nowhere else."""

    async def value(self, project_guid: str, ref: SecretKeyRef, *, actor: str) -> Password | None:
        """Return the value of one key of an opaque secret; None when secret or key is missing."""


# --- registries ----------------------------------------------------------------------------------


class RegistryProver(Protocol):
    """Asks registries questions without pulling. Never raises for what a registry does: it answers."""

    async def login(self, address: RegistryAddress, access: PullAccess) -> Answer:
        """Answer whether the registry accepts the credential, without naming an image."""

    async def image(self, image: ImageReference, access: PullAccess, *, platform: Platform) -> Answer:
        """Answer whether the image can be pulled for ``platform``, and what it is."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as the registry sent it, its digest checked."""

    digest: str
    media_type: str
    content: bytes


class ImageSource(Protocol):
    """Where an engine that pulls images itself gets them from. Raises PullRefused with the finding."""

    async def manifest(self, image: ImageReference, access: PullAccess) -> Manifest:
        """Return the manifest that the reference's digest (else tag) names; its digest is verified."""

    def blob(
        self, image: ImageReference, digest: str, access: PullAccess, *, offset: int = 0
    ) -> AsyncIterator[bytes]:
        """Yield a blob's bytes from ``offset`` on, not verified: the receiver hashes what it stores."""


# --- engines -------------------------------------------------------------------------------------


class Engine(Protocol):
    """What runs containers. Every method is idempotent; names derive from guid, generation, executable."""

    @property
    def name(self) -> str:
        """``embedded``, ``docker`` or ``kubernetes``."""

    @property
    def platform(self) -> Platform:
        """What the engine's containers run on."""

    async def apply(self, workload: Workload) -> None:
        """Pull what is missing and start what is not running of this generation; return once every
        container was started. Other generations are left alone, unless the workload is exclusive:
        then they are ended after the pull and before the start.

        Raises PullRefused when an image cannot be pulled, EngineFailed (a TowlineError with a
        ``finding``) when a container cannot be started. May be cancelled at any point and repeated.
        """

    def observe(self) -> AsyncIterator[Fact]:
        """Yield every fact from now on; the present ones come from ``inventory``."""

    async def remove(self, deployment_guid: str, *, below: int | None = None) -> None:
        """End and delete all containers of a deployment, or only those of generations before ``below``."""

    def logs(
        self,
        deployment_guid: str,
        executable: str,
        *,
        replica: int = 0,
        follow: bool = False,
        tail: int | None = None,
    ) -> AsyncIterator[bytes]:
        """Yield the log of the newest generation's container in chunks that end at line ends.

        An empty chunk is a sign of life while nothing is logged (at most 15 s apart).
        """

    async def inventory(self) -> Sequence[Fact]:
        """Return one fact for every container that the engine holds, of all deployments."""


# --- people --------------------------------------------------------------------------------------


class PasswordHasher(Protocol):
    """Hashes people's passwords; slow by intent, so it runs beside the loop."""

    async def hash(self, password: Password) -> str:
        """Return a salted hash with its parameters in it."""

    async def matches(self, password: Password, password_hash: str) -> bool:
        """Whether ``password`` has that hash; takes as long for an unknown user's empty hash."""


class Listener(Protocol):
    """One who waits for the bell; a ring between two waits is not lost."""

    async def heard(self, seconds: float) -> bool:
        """Wait for a ring since the last wait, at most so long; return whether it rang."""


class Bell(Protocol):
    """Wakes the reconciler of this process, and streams that wait for news."""

    def ring(self) -> None:
        """Tell all listeners that something changed."""

    def listen(self) -> Listener:
        """Return a new listener; it hears rings from now on."""


class Present(Protocol):
    """Makes a secret's wire document, so that the store can keep it ready."""

    def __call__(self, secret: Secret, project: Project, organization: Organization) -> bytes: ...
