"""Sealing secret values: AES-256-GCM in an envelope, as section 3 of the design lays down.

Each value gets a data key of its own, used once, and that key is wrapped: by the active key of a keyring,
or by the transit engine of Vault or OpenBao. The envelope's bytes and what they are bound to stand in
``envelope.py``. A value that is copied to another row does not open there.

AES-GCM: NIST SP 800-38D, https://doi.org/10.6028/NIST.SP.800-38D
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from towline.domain.credential import Password
from towline.domain.errors import InvalidInput, KeysUnreachable
from towline.domain.keys import HeldKey
from towline.store.envelope import (
    FIRST_FORMAT,
    FORMAT,
    KEY_BYTES,
    NONCE,
    Envelope,
    bound_key,
    bound_value,
    broken,
    key_of,
)
from towline.store.keyring_places import GivenPlace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.ports import Binding
    from towline.store.keyring import Keyring, RandomBytes
    from towline.store.keyring_places import KeyringPlace
    from towline.store.transit import Transit


log = structlog.get_logger("towline.keys")


class SealingVault:
    """The port ``Vault`` over a keyring, over Vault's transit engine, or over both.

    With ``transit`` new values are sealed by it, unless ``transit_seals`` is false, and the keyring only
    opens what it sealed before. ``place`` is looked at before each sealing, so that a rotation by another
    process is obeyed at once.
    """

    def __init__(
        self,
        keyring: Keyring | None,
        *,
        place: KeyringPlace | None = None,
        transit: Transit | None = None,
        transit_seals: bool = True,
        random: RandomBytes = os.urandom,
    ) -> None:
        self._place = place or GivenPlace()
        self._transit = transit
        self._sealer = transit if transit_seals else None
        self._random = random
        self._stamp = self._place.stamp()
        self._take(keyring)

    async def seal(self, plain: Password, binding: Binding) -> bytes:
        """Return ``plain`` encrypted for ``binding`` with a fresh data key."""
        key_id, data_key, wrapped = await self._new_key(binding)
        nonce = self._random(NONCE)
        text = plain.reveal().encode(errors="surrogatepass")
        value = AESGCM(data_key).encrypt(nonce, text, bound_value(FORMAT, key_id, binding))
        return Envelope(FORMAT, key_id, wrapped, value=nonce + value).joined()

    async def open(self, sealed: bytes, binding: Binding) -> Password:
        """Return what was sealed; raise SealBroken if it does not open there, KeysUnreachable."""
        envelope = Envelope.cut(sealed, binding)
        data_key = await self._data_key(envelope, binding)
        bound = bound_value(envelope.format, envelope.key_id, binding)
        try:
            text = AESGCM(data_key).decrypt(envelope.value[:NONCE], envelope.value[NONCE:], bound)
        except InvalidTag:
            raise _changed(envelope, binding) from None
        return Password(text.decode(errors="surrogatepass"))

    async def rewrap(self, sealed: bytes, binding: Binding) -> bytes:
        """Return the same value with its data key wrapped by the active key; see the port."""
        envelope = Envelope.cut(sealed, binding)
        if envelope.format == FIRST_FORMAT:
            return await self.seal(await self.open(sealed, binding), binding)
        transit = self._sealer
        if transit is not None and transit.names(envelope.key_id):
            key_id, wrapped = await transit.rewrap(envelope.wrapped, binding)
        else:
            data_key = await self._data_key(envelope, binding)
            key_id, wrapped = await self._wrap(data_key, binding)
        return Envelope(FORMAT, key_id, wrapped, value=envelope.value).joined()

    async def check(self, sealed: bytes, binding: Binding) -> None:
        """Raise SealBroken unless the value opens; nothing of it is kept."""
        await self.open(sealed, binding)

    def key_of(self, sealed: bytes) -> str:
        """Return the id of the key that a value is sealed under."""
        return key_of(sealed)

    async def keys(self) -> Sequence[HeldKey]:
        """Return every key that opens something here, the active one first; see the port."""
        await self.refresh()
        held = [HeldKey(name, self._place.title, active=False) for name in self._wrapping]
        if self._transit is not None:
            held += [HeldKey(name, self._transit.title, active=False) for name in await self._transit.keys()]
        active = await self.active()
        marked = (HeldKey(key.id, key.place, active=key.id == active) for key in held)
        return sorted(marked, key=lambda key: (not key.active, key.id))

    async def active(self) -> str:
        """Return the id of the key that new values are sealed under; empty where there is none."""
        if self._sealer is not None:
            return await self._sealer.newest()
        self._keep_up()
        return self._active

    async def answers(self) -> None:
        """Raise KeysUnreachable unless a value could be sealed now."""
        if not await self.active():
            raise _no_keys()

    async def refresh(self) -> None:
        """Read the keyring again from where it is kept."""
        keyring = await self._place.read()
        if keyring is not None:
            self._take(keyring)

    def _take(self, keyring: Keyring | None) -> None:
        keys = keyring.keys if keyring else {}
        self._active = keyring.active if keyring else ""
        self._wrapping = {name: AESGCM(key) for name, key in keys.items()}

    def _keep_up(self) -> None:
        """Take the keyring anew where its file is another one than before.

        A file that is gone or damaged takes nothing away: what this process holds may be all that is left.
        """
        stamp = self._place.stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            keyring = self._place.now()
        except InvalidInput as error:
            log.warning("keyring.unreadable", place=self._place.title, problem=str(error))
            return
        if keyring is None:
            log.warning("keyring.gone", place=self._place.title, advice="put it back from a backup")
            return
        self._take(keyring)

    async def _new_key(self, binding: Binding) -> tuple[str, bytes, bytes]:
        """Return a fresh data key with the id of the key that wraps it, and wrapped."""
        if self._sealer is not None:
            return await self._sealer.data_key(binding)
        data_key = self._random(KEY_BYTES)
        key_id, wrapped = await self._wrap(data_key, binding)
        return key_id, data_key, wrapped

    async def _wrap(self, data_key: bytes, binding: Binding) -> tuple[str, bytes]:
        if self._sealer is not None:
            return await self._sealer.wrap(data_key, binding)
        self._keep_up()
        if not self._active:
            raise _no_keys()
        nonce = self._random(NONCE)
        bound = bound_key(self._active, binding)
        return self._active, nonce + self._wrapping[self._active].encrypt(nonce, data_key, bound)

    async def _data_key(self, envelope: Envelope, binding: Binding) -> bytes:
        if self._transit is not None and self._transit.names(envelope.key_id):
            return await self._transit.unwrap(envelope.wrapped, binding)
        wrapping = self._wrapping.get(envelope.key_id)
        if wrapping is None:
            self._keep_up()
            wrapping = self._wrapping.get(envelope.key_id)
        if wrapping is None:
            raise broken(binding, f"its key {envelope.key_id!r} is not in the keyring")
        bound = bound_key(envelope.key_id, binding, envelope.format)
        try:
            return wrapping.decrypt(envelope.wrapped[:NONCE], envelope.wrapped[NONCE:], bound)
        except (InvalidTag, ValueError):  # the latter is the library's for a nonce that is cut short
            raise _changed(envelope, binding) from None


def _changed(envelope: Envelope, binding: Binding) -> Exception:
    return broken(binding, f"it was changed, moved here, or sealed under another key {envelope.key_id!r}")


def _no_keys() -> KeysUnreachable:
    return KeysUnreachable(
        "there is no key to seal with: restore the keyring, or run: towline admin keys add"
    )
