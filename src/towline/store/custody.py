"""Making, activating and destroying keys, in a keyring file of Towline's or in Vault's transit engine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from towline.domain.errors import Conflict, NotFound
from towline.store.envelope import KEY_BYTES
from towline.store.keyring import Keyring, new_key_id
from towline.store.keyring_places import changed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.domain.keys import HeldKey
    from towline.ports import Binding
    from towline.store.keyring import RandomBytes
    from towline.store.keyring_places import KeyringPlace
    from towline.store.transit import Transit
    from towline.store.vault import SealingVault


class Custody:
    """The port ``KeyCustody``. With ``sealer`` new keys are versions of Vault's, made there."""

    def __init__(
        self,
        vault: SealingVault,
        place: KeyringPlace,
        *,
        transit: Transit | None = None,
        transit_seals: bool = True,
        random: RandomBytes = os.urandom,
    ) -> None:
        self._vault = vault
        self._place = place
        self._transit = transit
        self._sealer = transit if transit_seals else None
        self._random = random

    async def keys(self) -> Sequence[HeldKey]:
        """Return every key that opens something; see the port."""
        return await self._vault.keys()

    async def active(self) -> str:
        """Return the active key's id."""
        return await self._vault.active()

    async def add(self) -> str:
        """Make a key; see the port."""
        if self._sealer is not None:
            raise Conflict(
                "Vault makes its versions itself, each active at once: run towline admin keys rotate"
            )
        name, key = new_key_id(self._random), self._random(KEY_BYTES)
        await changed(
            self._place, lambda ring: ring.with_key(name, key) if ring else Keyring(name, {name: key})
        )
        return name

    async def activate(self, key_id: str) -> str:
        """Seal under another key from now on; see the port."""
        if self._sealer is not None:
            if key_id:
                raise Conflict("Vault seals by its newest version only: leave --to out")
            return await self._sealer.rotate()
        name, key = key_id or new_key_id(self._random), self._random(KEY_BYTES)

        def change(ring: Keyring | None) -> Keyring:
            if ring is None:
                raise Conflict("there is no keyring: restore it, or run towline admin keys add")
            if not key_id:
                return ring.with_key(name, key).activated(name)
            if key_id not in ring.keys:
                raise NotFound("key", key_id)
            return ring.activated(key_id)

        await changed(self._place, change)
        return name

    async def falls_with(self, key_id: str) -> Sequence[str]:
        """Return the keys that go together: of Vault's versions also all older ones."""
        if self._transit is None or not self._transit.names(key_id):
            return (key_id,)
        return self._transit.up_to(key_id)

    async def forget(self, key_id: str) -> None:
        """Destroy a key; see the port."""
        if self._transit is not None and self._transit.names(key_id):
            await self._transit.forbid(key_id)
            return

        def change(ring: Keyring | None) -> Keyring:
            if ring is None or key_id not in ring.keys:
                raise NotFound("key", key_id)
            if ring.active == key_id:
                raise Conflict(f"{key_id} is the active key: run towline admin keys rotate first")
            return ring.without(key_id)

        await changed(self._place, change)

    async def rewrap(self, sealed: bytes, binding: Binding) -> bytes:
        """Return a value under the active key; see the port."""
        return await self._vault.rewrap(sealed, binding)

    async def check(self, sealed: bytes, binding: Binding) -> None:
        """Raise SealBroken unless the value opens."""
        await self._vault.check(sealed, binding)
