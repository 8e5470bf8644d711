"""Where the keys of secrets are, as the settings say: environment, command, file, Vault, or two of these."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from towline.domain.credential import Password
from towline.domain.errors import InvalidInput
from towline.notices.audit_sinks import FileSink, SyslogSink, WebSink
from towline.services.audit_streams import AuditStreams
from towline.services.audit_trail import AuditTrail
from towline.store.anchor import anchored_at
from towline.store.custody import Custody
from towline.store.keyring import Keyring
from towline.store.keyring_places import CommandPlace, FilePlace, GivenPlace
from towline.store.signing import Ed25519Signing
from towline.store.vault import SealingVault
from towline.wiring import utc_now

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from towline.config import Config
    from towline.ports import Store
    from towline.ports.audit_sinks import AuditSink
    from towline.store.keyring_places import KeyringPlace
    from towline.store.transit import Transit

log = structlog.get_logger("towline.keys")

KEYRING = "keyring.json"
KEYRING_SETTING = "keyring"


@dataclass(frozen=True, slots=True)
class Kept:
    """What opens and seals values, and who can make and destroy keys."""

    vault: SealingVault
    custody: Custody


async def keeping(config: Config, store: Store, *, closing: AsyncExitStack, is_server: bool = True) -> Kept:
    """Return the keys of an installation.

    A server makes a keyring file at its first start, and refuses to start without one that was there once,
    as nothing would open; administration looks at what there is. A Vault that is away hinders nobody here.
    """
    transit = transit_of(config)
    if transit is not None:
        closing.push_async_callback(transit.close)
    place, seals = _place(config), not config.vault_only_opens
    keyring = await place.read()
    if is_server and keyring is None and not (transit and seals):
        keyring = await _first_keyring(config, store)
    if is_server and isinstance(place, FilePlace) and keyring is not None:
        await _remember(store)
    vault = SealingVault(keyring, place=place, transit=transit, transit_seals=seals)
    return Kept(vault, Custody(vault, place, transit=transit, transit_seals=seals))


def _place(config: Config) -> KeyringPlace:
    if config.keyring is not None:
        return GivenPlace(Keyring.parse(config.keyring))
    if config.keyring_command:
        return CommandPlace(config.keyring_command)
    return FilePlace(config.folder / KEYRING)


async def _first_keyring(config: Config, store: Store) -> Keyring:
    """Return the keyring of a first start, made now.

    A file that was there once is never replaced by a fresh one: what it sealed would not open again.
    """
    path = config.folder / KEYRING
    was_made = await store.read(lambda tx: tx.settings.get(KEYRING_SETTING))
    if was_made:
        raise InvalidInput(
            "keyring",
            problem=f"{path} is missing, and secrets were sealed with it",
            rule="restore it from a backup; where there is none, begin a new one: towline admin keys add",
        )
    keyring, made = await asyncio.to_thread(Keyring.at, path)
    if made:
        log.warning("keyring.made", path=str(path), advice="back it up: without it no secret opens again")
    return keyring


async def _remember(store: Store) -> None:
    """Note that there is a keyring file, so that none is made in place of a lost one."""
    if not await store.read(lambda tx: tx.settings.get(KEYRING_SETTING)):
        await store.write(lambda tx: tx.settings.put(KEYRING_SETTING, "file"))


def transit_of(config: Config) -> Transit | None:
    """Return the transit engine, where one is set; the HTTP client is imported only then."""
    if not config.vault_address:
        return None
    from towline.store.transit import Transit  # noqa: PLC0415  (few installations use it)
    from towline.store.transit_client import TransitClient, VaultLogin  # noqa: PLC0415

    login = VaultLogin(
        token=config.vault_token,
        token_file=config.vault_token_file,
        role_id=config.vault_role_id,
        secret_id_file=config.vault_secret_id_file,
        approle_mount=config.vault_approle_mount,
    )
    client = TransitClient(
        config.vault_address, login, namespace=config.vault_namespace, ca_file=config.vault_ca
    )
    return Transit(client, mount=config.vault_mount, key=config.vault_key)


def audit_trail_of(config: Config, store: Store, vault: SealingVault) -> AuditTrail:
    """Return the audit trail, signed by a key that ``vault`` seals."""
    return AuditTrail(
        store=store,
        vault=vault,
        signing=Ed25519Signing(),
        clock=utc_now,
        keep_days=config.audit_retention,
        anchor=anchored_at(Path(config.audit_anchor)) if config.audit_anchor else lambda _: None,
    )


async def audit_streams_of(config: Config, store: Store) -> AuditStreams | None:
    """Return what sends the audit trail elsewhere; None where the settings name no place for it."""
    sinks: list[AuditSink] = []
    if config.audit_file:
        sinks.append(FileSink(Path(config.audit_file)))
    if config.audit_syslog:
        sinks.append(SyslogSink(config.audit_syslog, ca_file=config.audit_syslog_ca))
    if config.audit_webhook:
        token = await asyncio.to_thread(_token_in, config.audit_webhook_token_file)
        sinks.append(WebSink(config.audit_webhook, token=token))
    return AuditStreams(store=store, sinks=sinks) if sinks else None


def _token_in(path: str) -> Password | None:
    if not path:
        return None
    try:
        return Password(Path(path).read_text().strip())
    except OSError as error:
        raise InvalidInput(
            "audit_webhook_token_file", problem=f"{path} cannot be read: {error.strerror}"
        ) from error
