"""The services on real store, vault and keychain, with everything that does I/O in memory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from parts.fakes import (
    LINUX,
    CountedGuids,
    CountedNumbers,
    CountedTokens,
    FakeEngine,
    FakeHouse,
    FakeProvider,
    KeptPost,
    ManualClock,
    QuickHasher,
    ScriptedMint,
    ScriptedProver,
    ScriptedPullTokens,
)
from towline.domain.account import (
    Access,
    Organization,
    Permission,
    Principal,
    Project,
    SubjectRef,
    TokenLevel,
)
from towline.domain.credential import Password
from towline.domain.deployment import Dependency, DeploymentDraft
from towline.domain.engine import EngineKeys, EngineKind, EngineRecord, EngineSpec
from towline.domain.listing import Page
from towline.domain.package import EnvVar, Executable, PackageDraft, PackageSpec, Runtime
from towline.domain.scopes import parse_scopes
from towline.domain.secret import DockerDraft, DockerSecret, MintDraft, OpaqueDraft, Secret
from towline.keychain.service_accounts import ClusterTokens
from towline.keychain.stored import StoredKeychain
from towline.ports import Claim, Present, Store, Vault
from towline.services.accounts import Accounts
from towline.services.audit import Audit
from towline.services.bell import LocalBell
from towline.services.deployments import Deployments
from towline.services.device_logins import DeviceLogins
from towline.services.disks import Disks
from towline.services.doors import Doors
from towline.services.engine_following import EngineFollowing
from towline.services.engines import InstallationEngines
from towline.services.fleet import Fleet
from towline.services.groups import Groups
from towline.services.handouts import Handouts
from towline.services.invitations import InvitationMaker, Invitations
from towline.services.minting import Minting
from towline.services.mirrors import Mirrors
from towline.services.organizations import Organizations
from towline.services.packages import Packages
from towline.services.projects import Projects
from towline.services.proofs import Proofs
from towline.services.registries import Registries
from towline.services.renewals import Renewals
from towline.services.secret_uses import SecretUses
from towline.services.secrets import Secrets
from towline.services.service_accounts import ServiceAccounts
from towline.services.single_sign_on import SingleSignOn
from towline.services.standings import Standings
from towline.services.tally import Tally
from towline.services.throttle import LoginThrottle
from towline.services.tool_logins import ToolLogins
from towline.services.views import Views
from towline.services.webhooks import Webhooks
from towline.store.keyring import Keyring
from towline.store.sqlite import SqliteStore
from towline.store.vault import SealingVault

REGISTRY = "registry.example.com"
IMAGE = f"{REGISTRY}/team/app:1.0"
JANE = "jane@example.com"
JANES_PASSWORD = "open sesame 1"


def present(secret: Secret, project: Project, organization: Organization) -> bytes:
    """Return a document that shows what the tests look for; the wire's own is tested there."""
    metadata = secret.metadata
    document: dict[str, object] = {
        "name": metadata.name,
        "guid": metadata.guid,
        "version": metadata.version,
        "project": project.name,
        "organization": organization.name,
    }
    if isinstance(secret, DockerSecret):
        finding = secret.standing.finding
        document |= {
            "registry": secret.registry.key,
            "username": secret.username,
            "verdict": secret.standing.verdict.value,
            "stale": secret.standing.stale,
            "finding": finding.code.value if finding else "",
        }
    return json.dumps(document).encode()


def present_public(secret: Secret, project: Project, organization: Organization) -> bytes:
    """Return a document that says no more than the name."""
    return json.dumps({"name": secret.metadata.name}).encode()


@dataclass
class World:
    """All services of one process, and one signed-in project admin: ``access``."""

    store: Store
    vault: Vault
    clock: ManualClock
    hasher: QuickHasher
    bell: LocalBell
    prover: ScriptedProver
    mint: ScriptedMint
    engine: FakeEngine
    house: FakeHouse
    clusters: list[str]
    fleet: Fleet
    engines: InstallationEngines
    following: EngineFollowing
    keychain: StoredKeychain
    proofs: Proofs
    secrets: Secrets
    renewals: Renewals
    packages: Packages
    deployments: Deployments
    disks: Disks
    registries: Registries
    webhooks: Webhooks
    pull_tokens: ScriptedPullTokens
    doors: Doors
    tool_logins: ToolLogins
    handouts: Handouts
    mirrors: Mirrors
    tally: Tally
    accounts: Accounts
    device_logins: DeviceLogins
    postman: KeptPost
    organizations: Organizations
    invitations: Invitations
    provider: FakeProvider
    single_sign_on: SingleSignOn
    groups: Groups
    service_accounts: ServiceAccounts
    projects: Projects
    audit: Audit
    secret_uses: SecretUses
    views: Views
    access: Access

    async def rows(self) -> list[tuple[str, str, str, Mapping[str, str]]]:
        """Return the audit trail as actor, action, outcome, detail."""
        listing = await self.store.read(lambda tx: tx.audit.page(Page(limit=500)))
        return [(row.actor, row.action, row.outcome, dict(row.detail)) for row in listing.items]

    async def actions(self) -> list[str]:
        """Return the actions of the audit trail in order."""
        return [action for _, action, _, _ in await self.rows()]

    async def claimed(self) -> list[Claim]:
        """Take all deployments that are due now, and put them to rest: what remains due was woken since."""
        now = self.clock()
        until = now + timedelta(seconds=30)
        claims = await self.store.write(
            lambda tx: tx.deployments.claim("test", now=now, until=until, most=100)
        )
        for claim in claims:
            await self._settle(claim)
        return list(claims)

    async def due(self) -> set[str]:
        """Return the names of the deployments that are due now, and put them to rest."""
        return {claim.deployment.name for claim in await self.claimed()}

    async def _settle(self, claim: Claim) -> None:
        until = self.clock() + timedelta(seconds=30)
        status = claim.deployment.status
        await self.store.write(
            lambda tx: tx.deployments.settle(claim, status, due=None, release=True, until=until)
        )

    async def misplace(self, name: str) -> None:
        """Make a secret one that does not open: the sealed bytes of one version in the row of the next."""
        record = await self.store.read(lambda tx: tx.secrets.get(self.access.project.guid, name))
        if record is None:
            raise LookupError(f"there is no secret {name!r}")
        metadata = record.secret.metadata.replaced(labels={}, at=self.clock())
        moved = replace(record, secret=replace(record.secret, metadata=metadata))
        await self.store.write(lambda tx: tx.secrets.save(moved))

    async def member(self, email: str, *, role: str) -> Access:
        """Return the access of a further user with this role in the project."""
        project = self.access.project
        await self.accounts.create_user(email=email, password=Password(JANES_PASSWORD))
        token = await self.accounts.login(
            email, Password(JANES_PASSWORD), level=TokenLevel.LOW, peer="127.0.0.1"
        )
        principal = await self.accounts.authenticate(token)
        await self.store.write(lambda tx: tx.tenants.set_member(project.guid, principal.user.guid, (role,)))
        self.accounts.forget_access()
        return await self.accounts.access(principal, project.guid, permission=Permission.VIEW)

    async def scoped(self, *scopes: str, name: str = "robot") -> Access:
        """Return the access of a token of Jane's with these scopes, for her project alone."""
        project = self.access.project.guid
        _, text = await self.accounts.create_scoped_token(
            self.access.principal, name=name, scopes=parse_scopes(scopes), project_guid=project, days=1
        )
        principal = await self.accounts.authenticate(text)
        return await self.accounts.access(principal, project, permission=Permission.VIEW)

    async def deployed(
        self,
        name: str,
        *,
        image: str = IMAGE,
        secret: str | None = None,
        environment: tuple[EnvVar, ...] = (),
        dependencies: tuple[Dependency, ...] = (),
    ) -> str:
        """Return the guid of a new deployment of a new package with one executable, ``app``."""
        package = package_draft(f"{name}-package", image=image, secret=secret, environment=environment)
        await self.packages.create(self.access, package)
        draft = deployment_draft(name, package=package.name, dependencies=dependencies)
        return (await self.deployments.create(self.access, draft)).guid


def person(name: str) -> SubjectRef:
    """Return a person as documents name one: by address, else by guid."""
    return SubjectRef("User", name) if "@" in name else SubjectRef("User", guid=name)


def docker_draft(
    name: str = "pull", *, registry: str = REGISTRY, username: str = "robot", password: str = "hunter2"
) -> DockerDraft:
    """Return a docker pull secret as somebody asks for it."""
    return DockerDraft.checked(
        name, registry=registry, username=username, password=password, email=JANE, labels={}
    )


def mint_draft(
    name: str = "pull", *, key: str = "AKIA-OBVIOUSLY-A-TEST", registry: str = REGISTRY
) -> MintDraft:
    """Return a docker pull secret whose login Towline mints, as somebody asks for it."""
    return MintDraft.checked(
        name, registry=registry, mint=("ecr", {"region": "eu-west-1"}), key=key, email=JANE, labels={}
    )


def opaque_draft(name: str = "keys", **data: str) -> OpaqueDraft:
    """Return an opaque secret as somebody asks for it."""
    return OpaqueDraft.checked(name, data=data or {"API_KEY": "abc123"}, labels={})


def package_draft(
    name: str = "talker",
    *,
    version: str = "v1",
    image: str = IMAGE,
    secret: str | None = None,
    environment: tuple[EnvVar, ...] = (),
    runtime: Runtime = Runtime.CLOUD,
) -> PackageDraft:
    """Return a package with one executable, ``app``."""
    run = Executable("app", image, pull_secret=secret)
    spec = PackageSpec(runtime, (run,), environment=environment)
    return PackageDraft(name, version, spec, document=b"{}")


def deployment_draft(
    name: str = "talker-1",
    *,
    package: str = "talker",
    version: str = "v1",
    dependencies: tuple[Dependency, ...] = (),
    labels: Mapping[str, str] | None = None,
) -> DeploymentDraft:
    """Return a deployment as somebody asks for it."""
    return DeploymentDraft(
        name, package, version, document=b"{}", labels=labels or {}, dependencies=dependencies
    )


@asynccontextmanager
async def small_world(
    *,
    present: Present = present,
    present_public: Present = present_public,
    vault: Vault | None = None,
    store: Store | None = None,
) -> AsyncIterator[World]:
    """Yield the services with Jane signed in as organization and project admin."""
    store = store or SqliteStore.memory()
    vault = vault or SealingVault(Keyring.fresh())
    try:
        world = await _world(store, present, present_public, vault=vault)
        try:
            yield world
        finally:
            await world.fleet.close_all()
    finally:
        await store.close()


async def _world(store: Store, present: Present, present_public: Present, *, vault: Vault) -> World:
    clock, new_guid, bell = ManualClock(), CountedGuids(), LocalBell()
    prover, engine, hasher = ScriptedProver(), FakeEngine(clock=clock), QuickHasher()
    keychain = StoredKeychain(store=store, vault=vault, clock=clock)
    tally = Tally()
    house, clusters = FakeHouse(engine, clock=clock), ["kubernetes"]
    fleet = Fleet(house, own=EngineKind.EMBEDDED.value, bell=bell, clock=clock)
    await fleet.open_own(EngineRecord("", "embedded", EngineSpec(EngineKind.EMBEDDED)), EngineKeys())
    standings = Standings(
        store=store,
        present=present,
        bell=bell,
        clock=clock,
        new_guid=new_guid,
        chance=lambda: 0.5,
        tally=tally,
    )
    proofs = Proofs(
        store=store,
        keychain=keychain,
        prover=prover,
        engine_platform=LINUX,
        standings=standings,
        clock=clock,
        login_wait=0.05,
    )
    mint = ScriptedMint()
    minting = Minting(store=store, mint=mint, proofs=proofs, clock=clock, wait=0.5)
    renewals = Renewals(
        store=store,
        vault=vault,
        minting=minting,
        proofs=proofs,
        present=present,
        bell=bell,
        clock=clock,
        new_guid=new_guid,
        chance=lambda: 0.5,
        tally=tally,
    )
    secrets = Secrets(
        store=store,
        vault=vault,
        keychain=keychain,
        proofs=proofs,
        minting=minting,
        renewals=renewals,
        present=present,
        present_public=present_public,
        bell=bell,
        clock=clock,
        new_guid=new_guid,
        chance=lambda: 0.5,
    )
    pull_tokens = ScriptedPullTokens()
    new_token, postman = CountedTokens(), KeptPost()
    provider = FakeProvider()
    passwords = provider.takes_password_of
    accounts = Accounts(
        store=store,
        hasher=hasher,
        clock=clock,
        new_guid=new_guid,
        new_token=new_token,
        passwords=passwords,
    )
    maker = InvitationMaker(clock=clock, new_guid=new_guid, new_token=new_token)
    return World(
        store=store,
        vault=vault,
        clock=clock,
        hasher=hasher,
        bell=bell,
        prover=prover,
        mint=mint,
        engine=engine,
        keychain=keychain,
        proofs=proofs,
        secrets=secrets,
        renewals=renewals,
        packages=Packages(store=store, clock=clock, new_guid=new_guid),
        deployments=Deployments(store=store, engines=fleet, bell=bell, clock=clock, new_guid=new_guid),
        disks=Disks(store=store, engines=fleet, bell=bell, clock=clock, new_guid=new_guid),
        house=house,
        clusters=clusters,
        fleet=fleet,
        following=EngineFollowing(store=store, vault=vault, doors=fleet),
        engines=InstallationEngines(
            store=store, vault=vault, doors=fleet, bell=bell, clock=clock, new_guid=new_guid
        ),
        registries=Registries(store=store, bell=bell, clock=clock),
        webhooks=Webhooks(
            store=store,
            vault=vault,
            bell=bell,
            clock=clock,
            new_guid=new_guid,
            new_key=lambda: "twh_obviously-a-test-key",
        ),
        pull_tokens=pull_tokens,
        doors=Doors(store=store, keychain=keychain, service_accounts=ClusterTokens(), clock=clock),
        tool_logins=ToolLogins(store=store, secrets=secrets, clock=clock),
        handouts=Handouts(store=store, keychain=keychain, tokens=pull_tokens, clock=clock),
        mirrors=Mirrors(
            store=store,
            bell=bell,
            clock=clock,
            new_guid=new_guid,
            allowed=("web*", "shop", "prod/apps"),
            clusters=lambda: clusters,
            own="kubernetes",
        ),
        tally=tally,
        accounts=accounts,
        device_logins=DeviceLogins(
            store=store,
            issuing=accounts.issuing,
            clock=clock,
            new_code=CountedTokens(),
            below=CountedNumbers(),
            throttle=LoginThrottle(clock=clock, what="wrong codes"),
        ),
        postman=postman,
        organizations=Organizations(store=store, clock=clock, invitations=maker, on_change=accounts.forget),
        invitations=Invitations(
            store=store,
            maker=maker,
            sign_in=accounts.sign_in,
            hasher=hasher,
            postman=postman,
            clock=clock,
            new_guid=new_guid,
            on_change=accounts.forget_access,
        ),
        provider=provider,
        single_sign_on=SingleSignOn(
            store=store,
            sign_in=accounts.sign_in,
            provider=provider,
            name="id.example.com",
            passwords=passwords,
            clock=clock,
            new_guid=new_guid,
            new_token=new_token,
            on_change=accounts.forget,
        ),
        groups=Groups(store=store, clock=clock, new_guid=new_guid, on_change=accounts.forget_access),
        service_accounts=ServiceAccounts(
            store=store, clock=clock, new_guid=new_guid, new_token=new_token, on_change=accounts.forget
        ),
        projects=Projects(store=store, clock=clock, new_guid=new_guid, on_change=accounts.forget_access),
        audit=Audit(store=store),
        secret_uses=SecretUses(store=store),
        views=Views(store=store),
        access=await _jane(accounts),
    )


async def _jane(accounts: Accounts) -> Access:
    profile = await accounts.create_user(
        email=JANE,
        password=Password(JANES_PASSWORD),
        first_name="Jane",
        last_name="Doe",
        organization="acme",
        project="demo",
    )
    token = await accounts.login(JANE, Password(JANES_PASSWORD), level=TokenLevel.MEDIUM, peer="127.0.0.1")
    principal: Principal = await accounts.authenticate(token)
    project, _, _ = profile.projects[0]
    return await accounts.access(principal, project.guid, permission=Permission.VIEW)
