"""Talking to OCI registries: challenge, login, proof of pull, download.

Protocol rules are plain functions (challenge, auth, realm, manifests); the transport is apart. Specs:
opencontainers/distribution-spec ``spec.md``; distribution ``docs/content/spec/auth``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from towline.dialing import Guard, Lookup, system_lookup
from towline.ports import RegistryTurns
from towline.registry.lanes import CONNECTIONS_PER_REGISTRY
from towline.registry.minting import Mint
from towline.registry.pauses import Pauses
from towline.registry.prover import Prover
from towline.registry.pull_tokens import Exchange
from towline.registry.source import Source
from towline.registry.transport import Patience, Transport


class Registry:
    """The room's faces: ``prover`` asks, ``source`` delivers images, ``tokens`` exchanges, ``mint`` mints."""

    def __init__(
        self,
        *,
        deny_private: bool = False,
        allow_loopback: bool = True,
        lookup: Lookup = system_lookup,
        patience: Patience | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        turns: RegistryTurns | None = None,
        pauses: Pauses | None = None,
    ) -> None:
        guard = Guard(deny_private=deny_private, allow_loopback=allow_loopback)
        self._transport = Transport(guard, lookup, patience, turns=turns, pauses=pauses)
        self.prover = Prover(self._transport, clock)
        self.source = Source(self._transport)
        self.tokens = Exchange(self._transport)
        self.mint = Mint(self._transport)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()


__all__ = ["CONNECTIONS_PER_REGISTRY", "Patience", "Pauses", "Registry"]
