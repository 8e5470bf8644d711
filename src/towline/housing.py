"""Which engine an installation has, and opening it: the table of engines."""

from __future__ import annotations

import random
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from towline.domain.errors import EngineFailed, InvalidInput
from towline.domain.proof import Platform
from towline.engines.docker import EngineAddress, answers_at
from towline.engines.docker.engine import DockerEngine
from towline.engines.embedded import machine
from towline.engines.embedded.engine import EmbeddedEngine
from towline.engines.embedded.puller import Puller
from towline.engines.swarm.engine import SwarmEngine
from towline.services.drifts import Drifts
from towline.wiring import new_guid, utc_now

if TYPE_CHECKING:
    from towline.config import Config
    from towline.ports import Engine, MirrorTarget, Store
    from towline.registry import Registry

log = structlog.get_logger("towline.app")

ENGINE_SETTING = "engine"
INSTALLATION_SETTING = "installation"


@dataclass(frozen=True, slots=True)
class Housed:
    """An open engine, a cheap question whether it answers, and what keeps mirrors of secrets, if anything."""

    engine: Engine
    answers: Callable[[], Awaitable[object]]
    mirrors: MirrorTarget | None = None


async def chosen_engine(config: Config, store: Store) -> str:
    """Return which engine this installation has, written down at the first start.

    Later only a person changes it, by the setting: neither a Docker that appears nor one that is gone does.
    """
    kept = await store.read(lambda tx: tx.settings.get(ENGINE_SETTING))
    chosen = config.engine or kept or await _proposed(config)
    if chosen != kept:
        await store.write(lambda tx: tx.settings.put(ENGINE_SETTING, chosen))
        log.info("engine.chosen", engine=chosen, was=kept or "none")
    return chosen


async def running_engine(
    name: str, config: Config, *, store: Store, registry: Registry, closing: AsyncExitStack
) -> Housed:
    """Open the engine of that name; ``closing`` closes it."""
    return await _ENGINES[name](config, store, registry, closing)


async def _proposed(config: Config) -> str:
    try:
        await answers_at(_address(config))
    except (EngineFailed, InvalidInput):
        return "embedded"
    return "docker"


async def _embedded(config: Config, store: Store, registry: Registry, closing: AsyncExitStack) -> Housed:
    del store
    puller = await Puller.open(
        config.folder / "images",
        source=registry.source,
        platform=machine.platform(),
        user_namespace=machine.host().user_namespace,
    )
    closing.push_async_callback(puller.close)
    engine = EmbeddedEngine.on_this_machine(
        config.folder / "engine", run=config.run_folder, images=puller, clock=utc_now
    )
    await engine.start()
    closing.push_async_callback(engine.close)
    return Housed(engine, answers=engine.inventory)


async def _docker(config: Config, store: Store, registry: Registry, closing: AsyncExitStack) -> Housed:
    engine = DockerEngine(
        _address(config),
        installation=await _installation(store),
        tokens=registry.tokens,
        platform=machine.platform(),
        clock=utc_now,
        memory=config.folder / "docker-images.json",
        network=config.docker_network,
    )
    await engine.start()
    closing.push_async_callback(engine.close)
    return Housed(engine, answers=engine.answers)


async def _swarm(config: Config, store: Store, registry: Registry, closing: AsyncExitStack) -> Housed:
    del registry
    engine = SwarmEngine(
        _address(config),
        installation=await _installation(store),
        platform=machine.platform(),
        clock=utc_now,
        network=config.docker_network,
    )
    await engine.start()
    closing.push_async_callback(engine.close)
    return Housed(engine, answers=engine.answers)


def _address(config: Config) -> EngineAddress:
    return EngineAddress.parse(config.docker_host, certificates=config.docker_cert_path)


async def _kubernetes(config: Config, store: Store, registry: Registry, closing: AsyncExitStack) -> Housed:
    """Open the engine on a cluster; its libraries are an extra and loaded here, when they are used."""
    del registry
    try:
        from towline.engines.kubernetes import access, naming  # noqa: PLC0415
        from towline.engines.kubernetes.engine import KubernetesEngine  # noqa: PLC0415
        from towline.engines.kubernetes.mirroring import Mirroring  # noqa: PLC0415
    except ImportError as error:
        raise InvalidInput(
            "engine",
            problem=f"kubernetes needs the library {error.name}",
            rule="install it: pip install 'towline[kubernetes]'",
        ) from error
    drifts = Drifts(store=store, new_guid=new_guid)
    cluster = access.cluster(config.kubernetes_kubeconfig, context=config.kubernetes_context)
    names = naming.Names(
        await _installation(store),
        prefix=config.kubernetes_namespace_prefix,
        namespace=config.kubernetes_namespace,
    )
    engine = KubernetesEngine(
        cluster,
        names,
        platform=_platform(config.kubernetes_platform),
        clock=utc_now,
        jitter=random.random,
        tell=drifts.note,
    )
    await engine.start()
    closing.push_async_callback(engine.close)
    mirrors = Mirroring(
        cluster,
        names,
        allowed=config.kubernetes_mirror_namespaces,
        clock=utc_now,
        jitter=random.random,
    )
    return Housed(engine, answers=engine.answers, mirrors=mirrors)


def _platform(text: str) -> Platform:
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise InvalidInput(
            "kubernetes_platform", problem=f"is {text[:40]!a}", rule="write it as linux/amd64 or linux/arm64"
        )
    return Platform(*parts)


async def _installation(store: Store) -> str:
    """Return the short name that keeps this installation's containers apart from others' on one Engine."""
    kept = await store.read(lambda tx: tx.settings.get(INSTALLATION_SETTING))
    if kept:
        return kept
    made = secrets.token_hex(4)
    await store.write(lambda tx: tx.settings.put(INSTALLATION_SETTING, made))
    return made


_ENGINES: Mapping[str, Callable[[Config, Store, Registry, AsyncExitStack], Awaitable[Housed]]] = {
    "embedded": _embedded,
    "docker": _docker,
    "swarm": _swarm,
    "kubernetes": _kubernetes,
}
