"""Talking to OCI registries: challenge, login, proof of pull, download.

Protocol rules are plain functions (challenge, auth, realm, manifests); the transport is apart. Specs:
opencontainers/distribution-spec ``spec.md``; distribution ``docs/content/spec/auth``.
"""

from __future__ import annotations

from towline.registry.guard import Guard
from towline.registry.prover import Prover
from towline.registry.source import Source
from towline.registry.transport import Transport


class Registry:
    """The room's two faces: ``prover`` asks questions, ``source`` delivers images."""

    def __init__(self, *, deny_private: bool = False, allow_loopback: bool = True) -> None:
        self._transport = Transport(Guard(deny_private=deny_private, allow_loopback=allow_loopback))
        self.prover = Prover(self._transport)
        self.source = Source(self._transport)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()


__all__ = ["Registry"]
