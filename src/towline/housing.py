"""The table of engines: which one an installation has of its own, and how each kind is opened."""

from __future__ import annotations

import random
import secrets
import shutil
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

import structlog

from towline.domain.engine import EngineKeys, EngineKind, EngineRecord, EngineSpec, platform_named
from towline.domain.errors import EngineFailed, InvalidInput
from towline.domain.mirror import allowed_on
from towline.engines.docker import EngineAddress, answers_at
from towline.engines.embedded import machine
from towline.engines.embedded.engine import EmbeddedEngine
from towline.engines.embedded.puller import Puller
from towline.services.disks import refuse_disks_of
from towline.services.drifts import Drifts
from towline.services.fleet import Housed, Opener
from towline.wiring import new_guid, utc_now

if TYPE_CHECKING:
    from contextlib import AsyncExitStack
    from pathlib import Path

    from towline.config import Config
    from towline.ports import Store
    from towline.registry import Registry

log = structlog.get_logger("towline.app")

ENGINE_SETTING = "engine"
INSTALLATION_SETTING = "installation"


async def own_engine(config: Config, store: Store) -> EngineRecord:
    """Return the installation's own engine, written down at the first start.

    Later only a person changes it, by the setting, and only while nothing runs on it: neither a Docker that
    appears nor one that is gone does. Raises InvalidInput.
    """
    kept = await store.read(lambda tx: tx.settings.get(ENGINE_SETTING))
    chosen = config.engine or kept or await _proposed(config)
    if chosen != kept:
        if kept is not None:
            await _refuse_while_used(store, kept, chosen)
        await store.write(lambda tx: tx.settings.put(ENGINE_SETTING, chosen))
        log.info("engine.chosen", engine=chosen, was=kept or "none")
    await store.write(lambda tx: tx.deployments.adopt(chosen))
    return EngineRecord("", chosen, _own_spec(EngineKind(chosen), config))


async def _refuse_while_used(store: Store, kept: str, chosen: str) -> None:
    count = await store.read(lambda tx: tx.deployments.on_engine(kept))
    if count:
        are = "deployment lives" if count == 1 else "deployments live"
        raise InvalidInput(
            "engine",
            problem=f"is {chosen}, but this installation's own engine is {kept}, and {count} {are} there",
            rule=f"start without the setting and add the other one beside it (`towline engine add`), or"
            f" delete what lives on {kept} first: a deployment never moves",
        )
    await store.read(lambda tx: refuse_disks_of(tx, kept))


def _own_spec(kind: EngineKind, config: Config) -> EngineSpec:
    match kind:
        case EngineKind.EMBEDDED:
            return EngineSpec(kind)
        case EngineKind.DOCKER | EngineKind.SWARM:
            return EngineSpec(kind, config.docker_host, network=config.docker_network)
        case EngineKind.KUBERNETES:
            return EngineSpec(
                kind,
                context=config.kubernetes_context,
                namespace=config.kubernetes_namespace,
                namespace_prefix=config.kubernetes_namespace_prefix,
                platform=config.kubernetes_platform,
            )
        case _:
            assert_never(kind)


def opener(config: Config, *, store: Store, registry: Registry) -> Opener:
    """Return what opens an engine of any kind: the installation's own, and those that were added.

    The sockets that a killed process left are taken away.
    """
    shutil.rmtree(_tunnels(config), ignore_errors=True)

    async def opened(record: EngineRecord, keys: EngineKeys, closing: AsyncExitStack) -> Housed:
        order = _Order(record, keys, config, store=store, registry=registry, closing=closing)
        return await _KINDS[record.spec.kind](order)

    return opened


@dataclass(frozen=True, slots=True)
class _Order:
    """Everything of which an engine is made. An installation's own record has no guid."""

    record: EngineRecord
    keys: EngineKeys
    config: Config
    store: Store
    registry: Registry
    closing: AsyncExitStack

    @property
    def is_own(self) -> bool:
        return not self.record.guid

    @property
    def address(self) -> EngineAddress:
        """Where a Docker Engine is, and what proves both sides to each other."""
        if self.is_own:
            return EngineAddress.parse(self.config.docker_host, certificates=self.config.docker_cert_path)
        return EngineAddress.added(self.record.spec.address, self.keys, run=_tunnels(self.config))


def _tunnels(config: Config) -> Path:
    return config.run_folder / "ssh"


async def _proposed(config: Config) -> str:
    try:
        await answers_at(EngineAddress.parse(config.docker_host, certificates=config.docker_cert_path))
    except (EngineFailed, InvalidInput):
        return "embedded"
    return "docker"


async def _embedded(order: _Order) -> Housed:
    config = order.config
    puller = await Puller.open(
        config.folder / "images",
        source=order.registry.source,
        platform=machine.platform(),
        user_namespace=machine.host().user_namespace,
    )
    order.closing.push_async_callback(puller.close)
    engine = EmbeddedEngine.on_this_machine(
        config.folder / "engine", run=config.run_folder, images=puller, clock=utc_now
    )
    order.closing.push_async_callback(engine.close)
    return Housed(engine, engine, engine.start)


async def _docker(order: _Order) -> Housed:
    from towline.engines.docker.engine import DockerEngine  # noqa: PLC0415 - of no use where none is

    memory = "docker-images.json" if order.is_own else f"docker-images-{order.record.guid}.json"
    engine = DockerEngine(
        order.address,
        installation=await _installation(order.store),
        tokens=order.registry.tokens,
        platform=machine.platform(),
        clock=utc_now,
        memory=order.config.folder / memory,
        network=order.record.spec.network,
    )
    order.closing.push_async_callback(engine.close)
    return Housed(engine, engine, engine.start)


async def _swarm(order: _Order) -> Housed:
    from towline.engines.swarm.engine import SwarmEngine  # noqa: PLC0415 - likewise

    engine = SwarmEngine(
        order.address,
        installation=await _installation(order.store),
        platform=machine.platform(),
        clock=utc_now,
        network=order.record.spec.network,
    )
    order.closing.push_async_callback(engine.close)
    return Housed(engine, engine, engine.start)


async def _kubernetes(order: _Order) -> Housed:
    """Make the engine of a cluster; its libraries are an extra and loaded here, when they are used."""
    try:
        from towline.engines.kubernetes import access, naming  # noqa: PLC0415
        from towline.engines.kubernetes.engine import KubernetesEngine  # noqa: PLC0415
        from towline.engines.kubernetes.mirroring import Mirroring  # noqa: PLC0415
    except ImportError as error:
        raise _lacks(error) from error
    spec = order.record.spec
    if order.is_own:
        cluster = access.cluster(order.config.kubernetes_kubeconfig, context=spec.context)
    else:
        cluster = access.given_cluster(order.keys.kubeconfig, context=spec.context)
    mapped = _mapped(order.config.kubernetes_project_namespaces) if order.is_own else {}
    installation = await _installation(order.store)
    names = naming.Names(installation, spec.namespace_prefix, namespace=spec.namespace, mapped=mapped)
    field = "kubernetes_platform" if order.is_own else "spec.platform"
    engine = KubernetesEngine(
        cluster,
        names,
        platform=platform_named(spec.platform, field=field),
        clock=utc_now,
        jitter=random.random,
        tell=Drifts(store=order.store, new_guid=new_guid).note,
    )
    order.closing.push_async_callback(engine.close)
    setting = order.config.kubernetes_mirror_namespaces
    allowed = allowed_on(setting, "" if order.is_own else order.record.name)
    mirrors = Mirroring(cluster, names, allowed=allowed, clock=utc_now, jitter=random.random)
    return Housed(engine, engine, engine.start, mirrors=mirrors)


def _lacks(error: ImportError) -> InvalidInput:
    problem = f"kubernetes needs the library {error.name}"
    return InvalidInput("engine", problem=problem, rule="install it: pip install 'towline[kubernetes]'")


def _mapped(texts: Iterable[str]) -> Mapping[str, str]:
    """Return the namespaces of projects that have one of somebody else's making."""
    found = {}
    for text in texts:
        project, _, namespace = text.partition("=")
        if not project or not namespace:
            rule = "write PROJECT-GUID=NAMESPACE"
            raise InvalidInput("kubernetes_project_namespaces", problem=f"{text!r} is no pair", rule=rule)
        found[project] = namespace
    return found


async def _installation(store: Store) -> str:
    """Return the short name that keeps this installation's containers apart from others' on one Engine."""
    kept = await store.read(lambda tx: tx.settings.get(INSTALLATION_SETTING))
    if kept:
        return kept
    made = secrets.token_hex(4)
    await store.write(lambda tx: tx.settings.put(INSTALLATION_SETTING, made))
    return made


_KINDS: Mapping[EngineKind, Callable[[_Order], Awaitable[Housed]]] = {
    EngineKind.EMBEDDED: _embedded,
    EngineKind.DOCKER: _docker,
    EngineKind.SWARM: _swarm,
    EngineKind.KUBERNETES: _kubernetes,
}
