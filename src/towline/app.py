"""The composition root: Config in, running application out. The one file that knows every room."""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import secrets as randomness
import signal
import socket
import ssl
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
import uvicorn

from towline import api, console, eventlog
from towline.domain.errors import Conflict, InvalidInput
from towline.domain.names import new_guid as guid_from
from towline.engines.embedded import machine
from towline.engines.embedded.engine import EmbeddedEngine
from towline.engines.embedded.puller import Puller
from towline.keychain.stored import StoredKeychain
from towline.reconciler import Preparation, Reconciler
from towline.registry import Registry
from towline.services.accounts import Accounts
from towline.services.bell import LocalBell
from towline.services.deployments import Deployments
from towline.services.packages import Packages
from towline.services.projects import Projects
from towline.services.proofs import Proofs
from towline.services.registries import Registries
from towline.services.secrets import Secrets
from towline.services.standings import Standings
from towline.store.keyring import Keyring
from towline.store.keyring_command import printed_keyring
from towline.store.passwords import Argon2Hasher
from towline.store.sqlite import SqliteStore
from towline.store.vault import SealingVault
from towline.wire.secrets import present, present_public

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from starlette.types import ASGIApp

    from towline.config import Config

log = structlog.get_logger("towline.app")

DATABASE = "towline.db"
KEYRING = "keyring.json"
ENGINE_SETTING = "engine"
KEYRING_SETTING = "keyring"
SWEEP_SECONDS = 3600.0
GRACE_SECONDS = 3


def utc_now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)


def new_guid(prefix: str) -> str:
    """Return a fresh identifier; users' are UUIDs, as rapyuta.io's clients expect."""
    return guid_from(prefix, randomness.choice)


@dataclass(frozen=True, slots=True)
class Services:
    """Every use case, wired."""

    accounts: Accounts
    projects: Projects
    secrets: Secrets
    packages: Packages
    deployments: Deployments
    proofs: Proofs
    registries: Registries


@dataclass(frozen=True, slots=True)
class Application:
    """What runs: the web application and the reconciler, and the services behind both."""

    services: Services
    asgi: ASGIApp
    reconciler: Reconciler


async def serve(config: Config, *, announce: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT, then finish requests, give leases back and leave containers running.

    ``announce`` is told where the server is and, on a first start, the set-up link.
    """
    eventlog.configure(config.log_level, form=config.log_format)
    with listening(config.host, config.port) as listener:
        address = f"{config.scheme}://{_shown(config.host)}:{listener.getsockname()[1]}"
        async with running(config) as application:
            await _greet(application.services.accounts, address, announce=announce)
            await _run(application, config, listener)


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[Application]:
    """Open everything in order and close it in reverse; raise Conflict when the data folder is in use."""
    async with AsyncExitStack() as closing:
        folder = config.folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        closing.enter_context(_alone_in(folder))
        store = await SqliteStore.open(folder / DATABASE)
        closing.push_async_callback(store.close)
        registry = Registry(
            deny_private=config.deny_private_registries, allow_loopback=config.allows_loopback_registries
        )
        closing.push_async_callback(registry.close)
        await _note_engine(config, store)
        puller = await Puller.open(
            folder / "images",
            source=registry.source,
            platform=machine.platform(),
            user_namespace=machine.host().user_namespace,
        )
        closing.push_async_callback(puller.close)
        engine = EmbeddedEngine.on_this_machine(
            folder / "engine", run=config.run_folder, images=puller, clock=utc_now
        )
        await engine.start()
        closing.push_async_callback(engine.close)
        yield await _wired(config, store=store, registry=registry, engine=engine)


@asynccontextmanager
async def administration(config: Config) -> AsyncIterator[Accounts]:
    """Open only the accounts of a data folder, beside a running server or without one."""
    config.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = await SqliteStore.open(config.folder / DATABASE)
    try:
        yield _accounts(store)
    finally:
        await store.close()


async def _note_engine(config: Config, store: SqliteStore) -> None:
    """Write down at the first start which engine this installation has; only a person changes it later."""
    kept = await store.read(lambda tx: tx.settings.get(ENGINE_SETTING))
    chosen = config.engine or kept or "embedded"
    if chosen != kept:
        await store.write(lambda tx: tx.settings.put(ENGINE_SETTING, chosen))
        log.info("engine.chosen", engine=chosen)


async def _wired(
    config: Config, *, store: SqliteStore, registry: Registry, engine: EmbeddedEngine
) -> Application:
    bell = LocalBell()
    vault = SealingVault(await _keyring(config, store))
    keychain = StoredKeychain(store=store, vault=vault, clock=utc_now)
    services = _services(store, vault=vault, keychain=keychain, registry=registry, engine=engine, bell=bell)
    preparation = Preparation(store=store, proofs=services.proofs, keychain=keychain, clock=utc_now)
    reconciler = Reconciler(
        store=store,
        engine=engine,
        preparation=preparation,
        bell=bell,
        clock=utc_now,
        jitter=random.random,
        owner=f"{socket.gethostname()}:{os.getpid()}",
    )
    return Application(services, _web(config, services, store=store, engine=engine), reconciler)


async def _keyring(config: Config, store: SqliteStore) -> Keyring:
    """Return the keyring from where the settings say: environment, command, or a file made at first start.

    A file that was there once is never replaced by a fresh one: what it sealed would not open again.
    """
    if config.keyring is not None:
        return Keyring.parse(config.keyring)
    if config.keyring_command:
        return await printed_keyring(config.keyring_command)
    path = config.folder / KEYRING
    was_made = await store.read(lambda tx: tx.settings.get(KEYRING_SETTING))
    if was_made and not await asyncio.to_thread(path.exists):
        raise InvalidInput(
            "keyring",
            problem=f"{path} is missing, and secrets were sealed with it",
            rule="restore it from a backup",
        )
    keyring, made = await asyncio.to_thread(Keyring.at, path)
    if not was_made:
        await store.write(lambda tx: tx.settings.put(KEYRING_SETTING, "file"))
    if made:
        log.warning("keyring.made", path=str(path), advice="back it up: without it no secret opens again")
    return keyring


def _web(config: Config, services: Services, *, store: SqliteStore, engine: EmbeddedEngine) -> ASGIApp:
    async def store_answers() -> object:
        return await store.read(lambda tx: tx.settings.get(ENGINE_SETTING))

    table = api.build(services, checks={"store": store_answers, "engine": engine.inventory})
    pages = console.routes(
        accounts=services.accounts,
        secrets=services.secrets,
        deployments=services.deployments,
        clock=utc_now,
        secure=config.scheme == "https",
    )
    return api.framed(table, pages, new_request_id=lambda: randomness.token_hex(8))


def _services(
    store: SqliteStore,
    *,
    vault: SealingVault,
    keychain: StoredKeychain,
    registry: Registry,
    engine: EmbeddedEngine,
    bell: LocalBell,
) -> Services:
    accounts = _accounts(store)
    standings = Standings(store=store, present=present, bell=bell, clock=utc_now, new_guid=new_guid)
    proofs = Proofs(
        store=store,
        keychain=keychain,
        prover=registry.prover,
        engine_platform=engine.platform,
        standings=standings,
        clock=utc_now,
    )
    return Services(
        accounts=accounts,
        projects=Projects(store=store, clock=utc_now, new_guid=new_guid, on_change=accounts.forget_access),
        secrets=Secrets(
            store=store,
            vault=vault,
            proofs=proofs,
            present=present,
            present_public=present_public,
            bell=bell,
            clock=utc_now,
            new_guid=new_guid,
        ),
        packages=Packages(store=store, clock=utc_now, new_guid=new_guid),
        deployments=Deployments(store=store, engine=engine, bell=bell, clock=utc_now, new_guid=new_guid),
        proofs=proofs,
        registries=Registries(store=store, bell=bell, clock=utc_now),
    )


def _accounts(store: SqliteStore) -> Accounts:
    return Accounts(
        store=store,
        hasher=Argon2Hasher(),
        clock=utc_now,
        new_guid=new_guid,
        new_token=lambda: randomness.token_urlsafe(32),
    )


async def _run(application: Application, config: Config, listener: socket.socket) -> None:
    """Serve and reconcile; the end of either ends both."""
    server = _Server(_uvicorn(application.asgi, config))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.leave)
    async with asyncio.TaskGroup() as group:
        background = [
            group.create_task(application.reconciler.run()),
            group.create_task(_sweep(application.services.accounts)),
        ]
        await server.serve(sockets=[listener])
        for task in background:
            task.cancel()


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn would raise them again, and the process end with the store open."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    def leave(self) -> None:
        """Finish the requests under way, then return from ``serve``."""
        self.should_exit = True


def _uvicorn(asgi: ASGIApp, config: Config) -> uvicorn.Config:
    return uvicorn.Config(
        asgi,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        ssl_certfile=config.tls_cert or None,
        ssl_keyfile=config.tls_key or None,
        ssl_version=ssl.PROTOCOL_TLS_SERVER,
        proxy_headers=bool(config.trusted_proxies),
        forwarded_allow_ips=list(config.trusted_proxies),
        timeout_graceful_shutdown=GRACE_SECONDS,
        h11_max_incomplete_event_size=64 * 1024,
    )


async def _sweep(accounts: Accounts) -> None:
    while True:
        await accounts.sweep()
        await asyncio.sleep(SWEEP_SECONDS)


async def _greet(accounts: Accounts, address: str, *, announce: Callable[[str], None]) -> None:
    announce(f"Towline is at {address}")
    token = await accounts.setup_token()
    if token is not None:
        announce("First start. Make your account with this one-time link, good for 24 hours:")
        announce(f"  {address}/setup?token={token}")


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens on ``host`` and ``port``; raise Conflict naming both when it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # the protocol is named because asyncio looks at it before it sets TCP_NODELAY
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Conflict(f"cannot listen on {host}, port {port}: {error.strerror or error}") from error
    listener.listen(1024)
    listener.setblocking(False)  # noqa: FBT003  (the library's own signature)
    return listener


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold the data folder's lock: two servers on one folder would fight over its containers."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(f"another towline serves the data folder {folder}; stop it first") from error
        yield


def _shown(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104  (shown, not bound)
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host
