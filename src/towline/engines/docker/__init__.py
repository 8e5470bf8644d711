"""Containers on a Docker Engine, or whatever speaks its API (podman): over a Unix socket or TCP with TLS.

The Engine pulls, keeps images and logs, and starts again what ends; Towline says what is to run, hears
the Engine's events and turns them into facts. Spec: moby ``api/swagger.yaml``.
"""

from __future__ import annotations

from towline.engines.docker.address import EngineAddress
from towline.engines.docker.daemon import Daemon


async def answers_at(address: EngineAddress) -> None:
    """Return when an Engine answers at this address, raise EngineFailed when none does."""
    daemon = Daemon(address)
    try:
        await daemon.ping(patience=2.0)
    finally:
        await daemon.close()


__all__ = ["EngineAddress", "answers_at"]
