"""The use cases, wired to one store, vault and registry: the half of composition that holds no resources."""

from __future__ import annotations

import itertools
import random
import secrets as randomness
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from towline.connecting import PASSWORDS_ALONE, SignInWays
from towline.domain.names import new_guid as guid_from
from towline.services.accounts import Accounts
from towline.services.audit import Audit
from towline.services.deployments import Deployments
from towline.services.device_logins import DeviceLogins
from towline.services.disks import Disks
from towline.services.doors import Doors
from towline.services.engines import InstallationEngines
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
from towline.services.throttle import MOST_PER_ACCOUNT, LoginThrottle, SharedThrottle
from towline.services.tool_logins import ToolLogins
from towline.services.views import Views
from towline.services.webhooks import Webhooks
from towline.store.passwords import Argon2Hasher
from towline.wire.secrets import present, present_public

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from towline.ports import (
        Bell,
        EngineDoors,
        Keychain,
        Postman,
        PullTokens,
        RegistryProver,
        ServiceAccountTokens,
        Store,
        Throttle,
        TokenMint,
        Vault,
    )

PEOPLE = "people"
"""What servers tell each other: that somebody's sessions, tokens or roles are other ones now."""

_OnEngines = TypeVar("_OnEngines", Deployments, Disks)


def utc_now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)


def new_guid(prefix: str) -> str:
    """Return a fresh identifier; users' are UUIDs, as rapyuta.io's clients expect."""
    return guid_from(prefix, randomness.token_bytes, milliseconds=time.time_ns() // 1_000_000)


def request_ids() -> Callable[[], str]:
    """Return a maker of identifiers that no other server has: a random stem and a count."""
    stem, numbers = randomness.token_hex(5), itertools.count(1)
    return lambda: f"{stem}-{next(numbers):x}"


@dataclass(frozen=True, slots=True)
class Services:
    """Every use case, wired."""

    accounts: Accounts
    device_logins: DeviceLogins
    organizations: Organizations
    invitations: Invitations
    single_sign_on: SingleSignOn
    groups: Groups
    service_accounts: ServiceAccounts
    projects: Projects
    secrets: Secrets
    renewals: Renewals
    packages: Packages
    deployments: Deployments
    disks: Disks
    proofs: Proofs
    registries: Registries
    webhooks: Webhooks
    doors: Doors
    tool_logins: ToolLogins
    handouts: Handouts
    mirrors: Mirrors
    tally: Tally
    audit: Audit
    secret_uses: SecretUses
    views: Views
    engines: InstallationEngines


@dataclass(frozen=True, slots=True)
class Parts:
    """What the use cases stand on: each behind its port.

    ``is_shared``: other servers may be on the same database.
    ``mirror_namespaces``: where projects may keep copies of secrets; ``clusters`` names the engines for that.
    """

    store: Store
    vault: Vault
    keychain: Keychain
    prover: RegistryProver
    mint: TokenMint
    engines: EngineDoors
    bell: Bell
    tokens: PullTokens
    service_accounts: ServiceAccountTokens
    postman: Postman
    sign_in: SignInWays = PASSWORDS_ALONE
    machine: str = ""
    is_shared: bool = False
    mirror_namespaces: Sequence[str] = ()
    clusters: Callable[[], Sequence[str]] = lambda: ()
    login_failures: int = MOST_PER_ACCOUNT


def services_on(parts: Parts) -> Services:
    """Return every use case on ``parts``."""
    store, bell = parts.store, parts.bell
    accounts = accounts_on(
        store,
        bell=bell,
        throttle=_throttle(parts, "failed logins", most=parts.login_failures),
        passwords=parts.sign_in.takes_password_of,
    )
    tally = Tally()
    proofs = _proofs(parts, tally)
    secrets, renewals = _secrets(parts, proofs, tally)
    maker = InvitationMaker(clock=utc_now, new_guid=new_guid, new_token=_new_token)
    return Services(
        accounts=accounts,
        device_logins=device_logins_on(store, accounts, _throttle(parts, "wrong codes")),
        organizations=Organizations(store=store, clock=utc_now, invitations=maker, on_change=accounts.forget),
        invitations=_invitations(parts, accounts, maker),
        single_sign_on=_single_sign_on(parts, accounts),
        groups=Groups(store=store, clock=utc_now, new_guid=new_guid, on_change=accounts.forget_access),
        service_accounts=_service_accounts(store, accounts),
        projects=Projects(store=store, clock=utc_now, new_guid=new_guid, on_change=accounts.forget_access),
        secrets=secrets,
        renewals=renewals,
        packages=Packages(store=store, clock=utc_now, new_guid=new_guid),
        deployments=_on_engines(Deployments, parts),
        disks=_on_engines(Disks, parts),
        proofs=proofs,
        registries=Registries(store=store, bell=bell, clock=utc_now),
        webhooks=_webhooks(parts),
        doors=_doors(parts),
        tool_logins=ToolLogins(store=store, secrets=secrets, clock=utc_now),
        handouts=Handouts(store=store, keychain=parts.keychain, tokens=parts.tokens, clock=utc_now),
        mirrors=_mirrors(parts),
        tally=tally,
        audit=Audit(store=store),
        secret_uses=SecretUses(store=store),
        views=Views(store=store),
        engines=_engines(parts),
    )


def _service_accounts(store: Store, accounts: Accounts) -> ServiceAccounts:
    return ServiceAccounts(
        store=store, clock=utc_now, new_guid=new_guid, new_token=_new_token, on_change=accounts.forget
    )


def _engines(parts: Parts) -> InstallationEngines:
    return InstallationEngines(
        store=parts.store,
        vault=parts.vault,
        doors=parts.engines,
        bell=parts.bell,
        clock=utc_now,
        new_guid=new_guid,
    )


def _mirrors(parts: Parts) -> Mirrors:
    return Mirrors(
        store=parts.store,
        bell=parts.bell,
        clock=utc_now,
        new_guid=new_guid,
        allowed=parts.mirror_namespaces,
        clusters=parts.clusters,
        own=parts.engines.own,
    )


def _doors(parts: Parts) -> Doors:
    tokens = parts.service_accounts
    return Doors(store=parts.store, keychain=parts.keychain, service_accounts=tokens, clock=utc_now)


def _on_engines(kind: type[_OnEngines], parts: Parts) -> _OnEngines:
    return kind(
        store=parts.store,
        engines=parts.engines,
        bell=parts.bell,
        clock=utc_now,
        new_guid=new_guid,
        machine=parts.machine,
    )


def _invitations(parts: Parts, accounts: Accounts, maker: InvitationMaker) -> Invitations:
    return Invitations(
        store=parts.store,
        maker=maker,
        sign_in=accounts.sign_in,
        hasher=Argon2Hasher(),
        postman=parts.postman,
        clock=utc_now,
        new_guid=new_guid,
        on_change=accounts.forget_access,
    )


def _single_sign_on(parts: Parts, accounts: Accounts) -> SingleSignOn:
    return SingleSignOn(
        store=parts.store,
        sign_in=accounts.sign_in,
        provider=parts.sign_in.provider,
        name=parts.sign_in.name,
        passwords=parts.sign_in.takes_password_of,
        clock=utc_now,
        new_guid=new_guid,
        new_token=_new_token,
        on_change=accounts.forget,
    )


def _throttle(parts: Parts, what: str, *, most: int = MOST_PER_ACCOUNT) -> Throttle:
    """Return what counts failures: in the database where other servers count there too."""
    if parts.is_shared:
        return SharedThrottle(store=parts.store, clock=utc_now, what=what, most=most)
    return LoginThrottle(clock=utc_now, what=what, most=most)


def accounts_on(
    store: Store,
    *,
    bell: Bell,
    throttle: Throttle | None = None,
    passwords: Callable[[str], bool] = lambda _: True,
) -> Accounts:
    """Return the accounts of a store, which administration needs alone; other servers hear of changes."""
    accounts = Accounts(
        store=store,
        hasher=Argon2Hasher(),
        clock=utc_now,
        new_guid=new_guid,
        new_token=_new_token,
        throttle=throttle,
        passwords=passwords,
        told=lambda: bell.tell(PEOPLE, ""),
    )
    bell.on(PEOPLE, lambda _: accounts.forget_here())
    return accounts


def device_logins_on(store: Store, accounts: Accounts, throttle: Throttle) -> DeviceLogins:
    """Return the signing in of programs through a browser."""
    return DeviceLogins(
        store=store,
        issuing=accounts.issuing,
        clock=utc_now,
        new_code=lambda: randomness.token_urlsafe(32),
        below=randomness.randbelow,
        throttle=throttle,
    )


def _new_token() -> str:
    return randomness.token_urlsafe(32)


def _proofs(parts: Parts, tally: Tally) -> Proofs:
    standings = Standings(
        store=parts.store,
        present=present,
        bell=parts.bell,
        clock=utc_now,
        new_guid=new_guid,
        chance=random.random,
        tally=tally,
    )
    return Proofs(
        store=parts.store,
        keychain=parts.keychain,
        prover=parts.prover,
        engine_platform=parts.engines.all()[parts.engines.own].engine.platform,
        standings=standings,
        clock=utc_now,
    )


def _renewals(parts: Parts, proofs: Proofs, minting: Minting, tally: Tally) -> Renewals:
    return Renewals(
        store=parts.store,
        vault=parts.vault,
        minting=minting,
        proofs=proofs,
        present=present,
        bell=parts.bell,
        clock=utc_now,
        new_guid=new_guid,
        chance=random.random,
        tally=tally,
    )


def _secrets(parts: Parts, proofs: Proofs, tally: Tally) -> tuple[Secrets, Renewals]:
    minting = Minting(store=parts.store, mint=parts.mint, proofs=proofs, clock=utc_now)
    renewals = _renewals(parts, proofs, minting, tally)
    secrets = Secrets(
        store=parts.store,
        vault=parts.vault,
        keychain=parts.keychain,
        proofs=proofs,
        minting=minting,
        renewals=renewals,
        present=present,
        present_public=present_public,
        bell=parts.bell,
        clock=utc_now,
        new_guid=new_guid,
        chance=random.random,
    )
    return secrets, renewals


def _webhooks(parts: Parts) -> Webhooks:
    return Webhooks(
        store=parts.store,
        vault=parts.vault,
        bell=parts.bell,
        clock=utc_now,
        new_guid=new_guid,
        new_key=lambda: f"twh_{randomness.token_urlsafe(32)}",
    )
