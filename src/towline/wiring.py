"""The use cases, wired to one store, vault and registry: the half of composition that holds no resources."""

from __future__ import annotations

import asyncio
import itertools
import random
import secrets as randomness
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from towline.dialing import Guard
from towline.domain.credential import Password
from towline.domain.errors import InvalidInput
from towline.domain.names import new_guid as guid_from
from towline.notices import MailServer, NoticeCourier
from towline.services.accounts import Accounts
from towline.services.audit import Audit
from towline.services.deployments import Deployments
from towline.services.device_logins import DeviceLogins
from towline.services.doors import Doors
from towline.services.engines import InstallationEngines
from towline.services.handouts import Handouts
from towline.services.mirrors import Mirrors
from towline.services.packages import Packages
from towline.services.projects import Projects
from towline.services.proofs import Proofs
from towline.services.registries import Registries
from towline.services.secret_uses import SecretUses
from towline.services.secrets import Secrets
from towline.services.standings import Standings
from towline.services.tally import Tally
from towline.services.throttle import MOST_PER_ACCOUNT, LoginThrottle
from towline.services.tool_logins import ToolLogins
from towline.services.views import Views
from towline.services.webhooks import Webhooks
from towline.store.passwords import Argon2Hasher
from towline.wire.secrets import present, present_public

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from towline.config import Config
    from towline.ports import (
        Bell,
        EngineDoors,
        Keychain,
        PullTokens,
        RegistryProver,
        ServiceAccountTokens,
        Store,
        Vault,
    )


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
    projects: Projects
    secrets: Secrets
    packages: Packages
    deployments: Deployments
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

    ``mirror_namespaces``: where projects may keep copies of secrets in a cluster; None: there is no cluster.
    """

    store: Store
    vault: Vault
    keychain: Keychain
    prover: RegistryProver
    engines: EngineDoors
    bell: Bell
    tokens: PullTokens
    service_accounts: ServiceAccountTokens
    machine: str = ""
    mirror_namespaces: Sequence[str] | None = None
    login_failures: int = MOST_PER_ACCOUNT


def services_on(parts: Parts) -> Services:
    """Return every use case on ``parts``."""
    store, bell = parts.store, parts.bell
    accounts, tally = accounts_on(store, login_failures=parts.login_failures), Tally()
    proofs = _proofs(parts, tally)
    secrets = _secrets(parts, proofs)
    return Services(
        accounts=accounts,
        device_logins=device_logins_on(store, accounts),
        projects=Projects(store=store, clock=utc_now, new_guid=new_guid, on_change=accounts.forget_access),
        secrets=secrets,
        packages=Packages(store=store, clock=utc_now, new_guid=new_guid),
        deployments=Deployments(
            store=store,
            engines=parts.engines,
            bell=bell,
            clock=utc_now,
            new_guid=new_guid,
            machine=parts.machine,
        ),
        proofs=proofs,
        registries=Registries(store=store, bell=bell, clock=utc_now),
        webhooks=_webhooks(parts),
        doors=Doors(
            store=store, keychain=parts.keychain, service_accounts=parts.service_accounts, clock=utc_now
        ),
        tool_logins=ToolLogins(store=store, secrets=secrets, clock=utc_now),
        handouts=Handouts(store=store, keychain=parts.keychain, tokens=parts.tokens, clock=utc_now),
        mirrors=Mirrors(
            store=store, bell=bell, clock=utc_now, new_guid=new_guid, allowed=parts.mirror_namespaces
        ),
        tally=tally,
        audit=Audit(store=store),
        secret_uses=SecretUses(store=store),
        views=Views(store=store),
        engines=InstallationEngines(
            store=store, vault=parts.vault, doors=parts.engines, bell=bell, clock=utc_now, new_guid=new_guid
        ),
    )


def accounts_on(store: Store, *, login_failures: int = MOST_PER_ACCOUNT) -> Accounts:
    """Return the accounts of a store, which administration needs alone."""
    return Accounts(
        store=store,
        hasher=Argon2Hasher(),
        clock=utc_now,
        new_guid=new_guid,
        new_token=lambda: randomness.token_urlsafe(32),
        throttle=LoginThrottle(clock=utc_now, most=login_failures),
    )


def device_logins_on(store: Store, accounts: Accounts) -> DeviceLogins:
    """Return the signing in of programs through a browser."""
    return DeviceLogins(
        store=store,
        issuing=accounts.issuing,
        clock=utc_now,
        new_code=lambda: randomness.token_urlsafe(32),
        below=randomness.randbelow,
    )


def guard_of(config: Config) -> Guard:
    """Return the installation's rules about addresses."""
    return Guard(
        deny_private=config.deny_private_registries, allow_loopback=config.allows_loopback_registries
    )


async def courier_of(config: Config) -> NoticeCourier:
    """Return what carries notices; raise InvalidInput when the mail server's password cannot be read."""
    return NoticeCourier(guard_of(config), mail=await _mail_server(config))


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


def _secrets(parts: Parts, proofs: Proofs) -> Secrets:
    return Secrets(
        store=parts.store,
        vault=parts.vault,
        keychain=parts.keychain,
        proofs=proofs,
        present=present,
        present_public=present_public,
        bell=parts.bell,
        clock=utc_now,
        new_guid=new_guid,
    )


def _webhooks(parts: Parts) -> Webhooks:
    return Webhooks(
        store=parts.store,
        vault=parts.vault,
        bell=parts.bell,
        clock=utc_now,
        new_guid=new_guid,
        new_key=lambda: f"twh_{randomness.token_urlsafe(32)}",
    )


async def _mail_server(config: Config) -> MailServer | None:
    if not config.smtp_host:
        return None
    password = Password("")
    if config.smtp_password_file:
        password = Password((await asyncio.to_thread(_text_of, Path(config.smtp_password_file))).strip())
    return MailServer(
        config.smtp_host,
        config.smtp_port,
        sender=config.smtp_from,
        security=config.smtp_security,
        username=config.smtp_username,
        password=password,
    )


def _text_of(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise InvalidInput(
            "smtp_password_file", problem=f"{path} cannot be read", rule=str(error.strerror)
        ) from error
