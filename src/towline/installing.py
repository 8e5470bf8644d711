"""Towline itself on a cluster: the composition of ``towline kubernetes install`` and ``uninstall``."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from towline import config
from towline.domain.errors import InvalidInput
from towline.engines.kubernetes.installation import keyring
from towline.extras import libraries_of
from towline.store.keyring import Keyring

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from typing import Any

    from towline.domain.credential import Password
    from towline.engines.kubernetes.cluster import Cluster
    from towline.engines.kubernetes.installation.carrying_out import Step
    from towline.engines.kubernetes.installation.options import Options
    from towline.engines.kubernetes.installation.removing import Removal


def check_settings(settings: Mapping[str, str]) -> None:
    """Raise InvalidInput for a setting that the server does not have."""
    known = {name for name, *_ in config.settings()}
    if unknown := sorted(settings.keys() - known):
        rule = f"use one of {', '.join(sorted(known))}"
        raise InvalidInput("set", problem=f"{unknown[0]!r} is not a setting", rule=rule)


def keyring_document(options: Options) -> dict[str, Any]:
    """Return the Secret of a fresh keyring."""
    return keyring.document(options, _fresh())


async def install(
    options: Options,
    *,
    access: Mapping[str, str],
    tell: Callable[[Step], None],
    force: bool = False,
    is_trial: bool = False,
    may_replace_keyring: bool = False,
) -> None:
    """Apply an installation to the cluster of ``access`` (kubeconfig, context)."""
    async with _cluster(access) as cluster:
        from towline.engines.kubernetes.installation.carrying_out import CarryingOut  # noqa: PLC0415

        work = CarryingOut(cluster, options, tell=tell, force=force, is_trial=is_trial)
        await work.apply(fresh=_fresh, may_replace=may_replace_keyring)


async def trouble(
    options: Options, *, access: Mapping[str, str], seconds: float, tell: Callable[[str], None]
) -> str:
    """Return once every replica of an installation serves: empty, or what keeps it from that so long."""
    async with _cluster(access) as cluster:
        from towline.engines.kubernetes.installation import rollout  # noqa: PLC0415

        return await rollout.trouble(cluster, options, seconds=seconds, tell=tell)


async def planned_removal(options: Options, *, access: Mapping[str, str], with_data: bool) -> Removal:
    """Return what an uninstall would delete."""
    async with _cluster(access) as cluster:
        from towline.engines.kubernetes.installation import removing  # noqa: PLC0415

        return await removing.planned(cluster, options, with_data=with_data)


async def remove(removal: Removal, *, access: Mapping[str, str], tell: Callable[[str], None]) -> None:
    """Delete what was planned."""
    async with _cluster(access) as cluster:
        from towline.engines.kubernetes.installation import removing  # noqa: PLC0415

        await removing.remove(cluster, removal.doomed, tell=tell)


def _fresh() -> Password:
    return Keyring.fresh().document()


@asynccontextmanager
async def _cluster(access: Mapping[str, str]) -> AsyncIterator[Cluster]:
    """Open a cluster; its refusals become EngineFailed. The libraries are an extra, loaded when used."""
    with libraries_of("kubernetes"):
        from towline.engines.kubernetes import access as accesses  # noqa: PLC0415
        from towline.engines.kubernetes import refusals  # noqa: PLC0415
        from towline.engines.kubernetes.cluster import ClusterRefused, ClusterUnreachable  # noqa: PLC0415
    cluster = accesses.cluster(access.get("kubeconfig", ""), context=access.get("context", ""))
    try:
        yield cluster
    except (ClusterRefused, ClusterUnreachable) as trouble:
        raise refusals.engine_failed(trouble) from trouble
    finally:
        await cluster.close()
