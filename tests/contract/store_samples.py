"""Values to put into a store, as small as they can be, and whom they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from parts.fakes import NOON
from towline.domain.account import Organization, Project, User
from towline.domain.deployment import Deployment, Wish
from towline.domain.listing import Listing, Page
from towline.domain.package import EnvVar, Executable, Package, PackageSpec, Runtime, SecretKeyRef
from towline.domain.registry import RegistryAddress
from towline.domain.secret import DockerSecret, OpaqueSecret, SecretMetadata
from towline.ports import SecretRecord, Store, Transaction

JANE = User("user-jane", "Jane@example.com", "Jane", "Doe", created_at=NOON)
JOHN = User("user-john", "john@example.com", "", "", created_at=NOON)
ACME = Organization("org-acme", "acme", "abcde", JANE.guid, created_at=NOON)


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def project(
    name: str, *, organization: Organization = ACME, labels: Mapping[str, str] | None = None
) -> Project:
    return Project(
        f"project-{name}",
        name,
        organization.guid,
        JANE.guid,
        created_at=NOON,
        updated_at=NOON,
        labels=labels or {},
    )


ALPHA, BETA = project("alpha"), project("beta")


def settle_in(tx: Transaction) -> None:
    """Insert Jane, John, their organization and two projects."""
    tx.accounts.add_user(JANE, password_hash="jane's hash")
    tx.accounts.add_user(JOHN, password_hash="john's hash")
    tx.tenants.add_organization(ACME)
    tx.tenants.add_project(ALPHA)
    tx.tenants.add_project(BETA)


def metadata(
    name: str,
    *,
    guid: str = "",
    project_guid: str = ALPHA.guid,
    version: int = 1,
    labels: Mapping[str, str] | None = None,
) -> SecretMetadata:
    return SecretMetadata(
        guid or f"secret-{project_guid}-{name}",
        name,
        project_guid,
        JANE.guid,
        created_at=NOON,
        updated_at=later(version),
        version=version,
        labels=labels or {},
    )


def pull_secret(
    name: str,
    *,
    guid: str = "",
    project_guid: str = ALPHA.guid,
    version: int = 1,
    labels: Mapping[str, str] | None = None,
    username: str = "robot",
) -> SecretRecord:
    about = metadata(name, guid=guid, project_guid=project_guid, version=version, labels=labels)
    address = RegistryAddress.parse("registry.example.com:5000/team")
    secret = DockerSecret(about, address, username=username, email="jane@example.com")
    return SecretRecord(secret, f"sealed {name} v{version}".encode(), f'{{"{name}": {version}}}'.encode())


def opaque_secret(name: str) -> SecretRecord:
    secret = OpaqueSecret(metadata(name), keys=("API_KEY", "TOKEN"))
    return SecretRecord(secret, b"sealed", document=b"{}")


def spec(*, secrets: Sequence[str] = (), values_of: Sequence[str] = ()) -> PackageSpec:
    """Return a spec that pulls with ``secrets`` and takes variables from ``values_of``."""
    runs = tuple(
        Executable(f"run-{number}", "registry.example.com/team/app:1", pull_secret=secret)
        for number, secret in enumerate(secrets or [None])
    )
    variables = tuple(
        EnvVar(f"V{n}", secret_ref=SecretKeyRef(name, "KEY")) for n, name in enumerate(values_of)
    )
    return PackageSpec(Runtime.CLOUD, runs, environment=variables, ports=(8080,))


def package(
    name: str, version: str = "v1", *, guid: str = "", labels: Mapping[str, str] | None = None
) -> Package:
    return Package(
        guid or f"pkg-{name}-{version}",
        name,
        version,
        ALPHA.guid,
        JANE.guid,
        created_at=NOON,
        spec=spec(secrets=["pull"]),
        document=b'{"executables": []}',
        description="says hello",
        labels=labels or {},
    )


def deployment(
    name: str,
    *,
    guid: str = "",
    project_guid: str = ALPHA.guid,
    plan: PackageSpec | None = None,
    package_name: str = "talker",
    version: str = "v1",
    labels: Mapping[str, str] | None = None,
    engine: str = "embedded",
) -> Deployment:
    wish = Wish(f"pkg-{package_name}", package_name, version, plan or spec(), document=b'{"a": 1}')
    return Deployment(
        guid or f"dep-{name}",
        name,
        project_guid,
        JANE.guid,
        created_at=NOON,
        updated_at=NOON,
        wish=wish,
        labels=labels or {},
        engine=engine,
    )


def all_pages(ask, *, limit: int) -> list[list[object]]:
    """Return the items of every page until the empty one, page by page."""
    pages: list[list[object]] = []
    after: int | None = 0
    while after is not None:
        listing: Listing[object] = ask(Page(after=after, limit=limit))
        if listing.items:
            pages.append(list(listing.items))
        after = listing.next
    return pages


def run(tx: Transaction, statement: str) -> list[tuple[object, ...]]:
    """Run a statement in a transaction, behind the rows' back; return what it finds."""
    cursor = tx.settings._connection.execute(statement)  # type: ignore[attr-defined]
    return list(cursor.fetchall()) if statement.startswith("SELECT") else []


async def rows(store: Store, query: str) -> list[tuple[object, ...]]:
    """Return what a query finds."""
    return await store.read(lambda tx: run(tx, query))
