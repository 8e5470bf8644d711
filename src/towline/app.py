"""The composition root: Config in, running application out. The one file that knows every room."""

from __future__ import annotations

import asyncio
import gc
import shutil
import signal
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import structlog

from towline import api, console, eventlog
from towline.api.endpoint import Limits
from towline.connecting import courier_of, provider_of, sign_in_of
from towline.domain.engine import EngineKeys
from towline.domain.retention import Retention
from towline.housing import opener, own_engine
from towline.keeping import KEYRING_SETTING, audit_streams_of, audit_trail_of, keeping
from towline.keychain.service_accounts import ClusterTokens
from towline.keychain.stored import StoredKeychain
from towline.listening import alone_in, listening, machine_of, room_for_connections, server_name, shown
from towline.reconciler import Preparation
from towline.reconciling import Reconciling
from towline.registry import CONNECTIONS_PER_REGISTRY, Pauses, Registry
from towline.services.bell import LocalBell
from towline.services.deliveries import Deliveries
from towline.services.engine_following import EngineFollowing
from towline.services.figures import Figure, Figures
from towline.services.fleet import Fleet
from towline.services.key_watch import KeyWatch
from towline.services.keys import Keys
from towline.services.lasting import lasting
from towline.services.leading import Leading
from towline.services.leaving import Leaving
from towline.services.mirror_keeping import MirrorKeeping
from towline.services.pruning import Pruning
from towline.services.rates import Rates
from towline.services.registry_turns import RegistryTurnsOfAll
from towline.services.reproofs import BATCH, BATCH_AMONG_OTHERS, Reproofs
from towline.store.opening import hung, opened
from towline.store.patient import PatientStore
from towline.webserver import WebServer, web_settings
from towline.wire.secrets import present
from towline.wiring import (
    Parts,
    Services,
    accounts_on,
    request_ids,
    services_on,
    utc_now,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping

    from starlette.types import ASGIApp

    from towline.config import Config
    from towline.keeping import Kept
    from towline.notices import NoticeCourier
    from towline.oidc import OpenIdProvider
    from towline.ports import Bell, Store, Vault
    from towline.services.accounts import Accounts
    from towline.services.audit_streams import AuditStreams
    from towline.services.audit_trail import AuditTrail
    from towline.services.spreading import Spreading

log = structlog.get_logger("towline.app")

DATABASE = "towline.db"
EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class Application:
    """What runs: the web application, the reconciler, the schedule of proofs, and the services behind."""

    services: Services
    asgi: ASGIApp
    reconciling: Reconciling
    reproofs: Reproofs
    deliveries: Deliveries
    mirrors: MirrorKeeping
    following: EngineFollowing
    courier: NoticeCourier
    provider: OpenIdProvider | None
    leaving: Leaving
    leading: Leading
    spreading: Spreading
    pruning: Pruning
    key_watch: KeyWatch
    audit_trail: AuditTrail
    audit_streams: AuditStreams | None


async def serve(config: Config, *, announce: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT, then finish requests, give leases back and leave containers running.

    ``announce`` is told where the server is and, on a first start, the set-up link.
    """
    eventlog.configure(config.log_level, form=config.log_format)
    room_for_connections()
    with listening(config.host, config.port) as listener:
        address = f"{config.scheme}://{shown(config.host)}:{listener.getsockname()[1]}"
        async with running(config) as application:
            await _greet(application.services.accounts, address, announce=announce)
            await _run(application, config, listener)


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[Application]:
    """Open everything in order and close it in reverse; raise Conflict when the data folder is in use."""
    async with AsyncExitStack() as closing:
        folder = config.folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        closing.enter_context(alone_in(folder))
        store = await store_of(config)
        closing.push_async_callback(store.close)
        bell = await closing.enter_async_context(hung(LocalBell(), config.postgresql))
        owner = server_name()
        registry = _registry(config, store, bell, owner=owner, closing=closing)
        own = await own_engine(config, store)
        fleet = Fleet(opener(config, store=store, registry=registry), own=own.name, bell=bell, clock=utc_now)
        closing.push_async_callback(fleet.close_all)
        await fleet.open_own(own, EngineKeys())
        kept = await keeping(config, store, closing=closing)
        application = await _wired(
            config, store=store, registry=registry, fleet=fleet, bell=bell, kept=kept, owner=owner
        )
        closing.push_async_callback(application.courier.close)
        if application.provider is not None:
            closing.push_async_callback(application.provider.close)
        await fleet.open_all(await application.following.kept())
        yield application


@asynccontextmanager
async def administration(config: Config) -> AsyncIterator[Accounts]:
    """Open only the accounts of a data folder, beside a running server or without one."""
    config.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with AsyncExitStack() as closing:
        store = await store_of(config)
        closing.push_async_callback(store.close)
        bell = await closing.enter_async_context(hung(LocalBell(), config.postgresql))
        yield accounts_on(store, bell=bell)


async def store_of(config: Config) -> Store:
    """Open the database that the settings name."""
    file = config.folder / DATABASE
    return await opened(file, config.postgresql, connections=config.database_connections)


@asynccontextmanager
async def audit_administration(config: Config) -> AsyncIterator[AuditTrail]:
    """Open only the audit trail of an installation, beside a running server or without one."""
    async with AsyncExitStack() as closing:
        store = await store_of(config)
        closing.push_async_callback(store.close)
        kept = await keeping(config, store, closing=closing, is_server=False)
        yield audit_trail_of(config, store, kept.vault)


@asynccontextmanager
async def key_administration(config: Config) -> AsyncIterator[Keys]:
    """Open only the keys of an installation, beside a running server or without one."""
    async with AsyncExitStack() as closing:
        store = await store_of(config)
        closing.push_async_callback(store.close)
        kept = await keeping(config, store, closing=closing, is_server=False)
        yield Keys(store=store, custody=kept.custody, clock=utc_now)


def _registry(config: Config, store: Store, bell: Bell, *, owner: str, closing: AsyncExitStack) -> Registry:
    """Return the way to registries; servers that share a database share turns, and what they are told."""
    turns = None
    if config.postgresql is not None:
        turns = RegistryTurnsOfAll(
            store=store, bell=bell, clock=utc_now, owner=owner, most=CONNECTIONS_PER_REGISTRY
        )
        closing.push_async_callback(turns.close)
    pauses = Pauses(told=lambda text: bell.tell("registry-pause", text))
    bell.on("registry-pause", pauses.heard)
    registry = Registry(
        deny_private=config.deny_private_registries,
        allow_loopback=config.allows_loopback_registries,
        turns=turns,
        pauses=pauses,
    )
    closing.push_async_callback(registry.close)
    return registry


async def _wired(
    config: Config, *, store: Store, registry: Registry, fleet: Fleet, bell: Bell, kept: Kept, owner: str
) -> Application:
    machine, vault = await _machine(config, fleet.own, store), kept.vault
    keychain = StoredKeychain(store=store, vault=vault, clock=utc_now)
    courier, leaving, provider = await courier_of(config), Leaving(), await provider_of(config)
    services = services_on(
        Parts(
            store, vault, keychain=keychain, prover=registry.prover, mint=registry.mint, engines=fleet,
            bell=bell, machine=machine, tokens=registry.tokens, service_accounts=ClusterTokens(),
            login_failures=config.login_failures, is_shared=config.postgresql is not None,
            mirror_namespaces=config.kubernetes_mirror_namespaces, clusters=fleet.clusters,
            postman=courier, sign_in=sign_in_of(config, provider),
        )
    )  # fmt: skip
    patient, leading = PatientStore(store), Leading(store=store, clock=utc_now, owner=owner)
    preparation = Preparation(store=patient, proofs=services.proofs, keychain=keychain, clock=utc_now)
    reconciling = Reconciling(
        patient, fleet, preparation, bell=bell, tally=services.tally, machine=machine, owner=owner
    )
    standing = _standing_of(config, reconciling)
    checks = {"engine": fleet.all()[fleet.own].host.about, "keys": vault.answers}
    return Application(
        services,
        _web(config, services, store=store, checks=checks, bell=bell, leaving=leaving, standing=standing),
        reconciling,
        _reproofs(config, services, patient),
        deliveries=_deliveries(services, store=patient, vault=vault, courier=courier, bell=bell),
        mirrors=_mirrors(fleet, store=patient, keychain=keychain, bell=bell),
        courier=courier,
        provider=provider,
        leaving=leaving,
        leading=leading,
        spreading=reconciling.spread(leading, store, bell),
        pruning=_pruning(config, services, patient),
        key_watch=KeyWatch(store=patient, custody=kept.custody, present=present, clock=utc_now),
        following=EngineFollowing(store=patient, vault=vault, doors=fleet),
        audit_trail=audit_trail_of(config, patient, kept.vault),
        audit_streams=await audit_streams_of(config, patient),
    )


async def _machine(config: Config, own: str, store: Store) -> str:
    """Return where deployments live when the engine is this machine's own and others may serve as well."""
    if config.postgresql is None or own != EMBEDDED:
        return ""
    machine = await asyncio.to_thread(machine_of, config.folder)
    if adopted := await store.write(lambda tx: tx.deployments.place_on(machine, engine=own)):
        log.info("deployments.adopted", machine=machine, deployments=adopted)
    return machine


def _reproofs(config: Config, services: Services, store: Store) -> Reproofs:
    batch = BATCH if config.postgresql is None else BATCH_AMONG_OTHERS
    return Reproofs(store=store, proofs=services.proofs, clock=utc_now, batch=batch)


def _mirrors(fleet: Fleet, *, store: Store, keychain: StoredKeychain, bell: Bell) -> MirrorKeeping:
    own, targets = fleet.own, fleet.mirror_targets
    return MirrorKeeping(store=store, keychain=keychain, targets=targets, own=own, bell=bell, clock=utc_now)


def _deliveries(
    services: Services, *, store: Store, vault: Vault, courier: NoticeCourier, bell: Bell
) -> Deliveries:
    def note(outcome: str) -> None:
        services.tally.count("deliveries", outcome=outcome)

    return Deliveries(store=store, vault=vault, courier=courier, bell=bell, clock=utc_now, note=note)


def _pruning(config: Config, services: Services, store: Store) -> Pruning:
    rules = Retention(
        timedelta(days=config.retention_deployments),
        timedelta(days=config.retention_events),
        proofs=timedelta(days=config.retention_proofs),
        events_most=config.retention_events_most,
    )
    return Pruning(
        store=store, clock=utc_now, rules=rules, tally=services.tally, sweep=services.accounts.sweep
    )


def _standing_of(config: Config, reconciling: Reconciling) -> Callable[[], Iterator[Figure]]:
    def standing() -> Iterator[Figure]:
        yield Figure("walks", reconciling.walks)
        yield Figure("disk_free_bytes", shutil.disk_usage(config.folder).free)

    return standing


def _web(
    config: Config,
    services: Services,
    *,
    store: Store,
    checks: Mapping[str, Callable[[], Awaitable[object]]],
    bell: Bell,
    leaving: Leaving,
    standing: Callable[[], Iterator[Figure]],
) -> ASGIApp:
    async def store_answers() -> object:
        return await store.read(lambda tx: tx.settings.get(KEYRING_SETTING))

    limits = Limits(
        Rates(config.requests_per_token),
        body_bytes=config.body_bytes,
        note=lambda limit: services.tally.count("throttled", limit=limit),
    )
    checks = {"store": store_answers, **checks}
    figures = Figures(store=store, clock=utc_now, more=(standing,))
    url = config.public_url
    table = api.build(
        services, checks=checks, figures=figures, limits=limits, leaving=leaving, public_url=url
    )
    secure = config.scheme == "https" or url.startswith("https:")
    pages = console.routes(services, bell=bell, clock=utc_now, secure=secure, leaving=leaving, public_url=url)
    rates = Rates(config.requests_per_address)
    return api.framed(table, pages, new_request_id=request_ids(), rates=rates)


async def _run(application: Application, config: Config, listener: socket.socket) -> None:
    """Serve and reconcile; the end of either ends both."""
    notice = config.drain_notice_seconds
    server = WebServer(web_settings(application.asgi, config), application.leaving, notice=notice)
    gc.freeze()  # code, routes and templates live as long as the process: no collection need look at them
    gc.enable()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.leave)
    async with asyncio.TaskGroup() as group:
        background = [
            group.create_task(lasting("delivering", application.deliveries.run)),
            group.create_task(lasting("minding keys", application.key_watch.run)),
            group.create_task(lasting("following", application.following.run)),
            group.create_task(lasting("proving again", application.reproofs.run)),
            *(group.create_task(work) for work in _shared_work(application, alone=config.postgresql is None)),
        ]
        await server.serve(sockets=[listener])
        for task in background:
            task.cancel()


def _shared_work(application: Application, *, alone: bool) -> Iterator[Coroutine[object, object, None]]:
    """Yield what one server at a time does for all: by a lease, unless it is ``alone`` anyway.

    What lives on this machine no other server has a hand in.
    """
    reconciling = application.reconciling
    if reconciling.here is not None:
        yield lasting("reconciling here", reconciling.here)
    if not alone:
        yield application.spreading.run()
    works: dict[str, Callable[[], Awaitable[None]]] = {
        "reconciler": reconciling.alone if alone else reconciling.rest,
        "renewals": application.services.renewals.run,
        "pruning": application.pruning.run,
        "audit": application.audit_trail.run,
        "mirrors": application.mirrors.run,
    }
    if application.audit_streams is not None:
        works["audit streams"] = application.audit_streams.run
    for name, run in works.items():
        work = partial(lasting, name, run)
        yield work() if alone else application.leading.lead(name, work)


async def _greet(accounts: Accounts, address: str, *, announce: Callable[[str], None]) -> None:
    announce(f"Towline is at {address}")
    token = await accounts.setup_token()
    if token is not None:
        announce("First start. Make your account with this one-time link, good for 24 hours:")
        announce(f"  {address}/setup?token={token}")
