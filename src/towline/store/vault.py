"""Sealing secret values: AES-256-GCM in an envelope, as section 3 of the design lays down.

Each value gets a data key of its own, used once, and that key is wrapped by the keyring's active key.
Both layers are bound to project, secret and version, so a sealed value that is copied to another row
does not open there. A sealed value is::

    1 byte   format (1)
    1 byte   length of the key's id, then the id in ASCII
    12 + 48  nonce, and the data key under the wrapping key
    12 + n   nonce, and the value under the data key

AES-GCM: NIST SP 800-38D, https://doi.org/10.6028/NIST.SP.800-38D
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from towline.domain.credential import Password
from towline.domain.errors import SealBroken
from towline.ports import Binding
from towline.store.keyring import KEY_BYTES, Keyring, RandomBytes

FORMAT = 1

_NONCE = 12
_TAG = 16
_WRAPPED = KEY_BYTES + _TAG
_KEY, _VALUE = b"key", b"value"


class SealingVault:
    """The port ``Vault`` over a keyring."""

    def __init__(self, keyring: Keyring, *, random: RandomBytes = os.urandom) -> None:
        self._active = keyring.active
        self._wrapping = {name: AESGCM(key) for name, key in keyring.keys.items()}
        self._random = random

    async def seal(self, plain: Password, binding: Binding) -> bytes:
        """Return ``plain`` encrypted for ``binding`` with a fresh data key."""
        header = _header(self._active)
        data_key, key_nonce, value_nonce = self._fresh()
        wrapped = self._wrapping[self._active].encrypt(key_nonce, data_key, _bound(header, _KEY, binding))
        text = plain.reveal().encode(errors="surrogatepass")
        value = AESGCM(data_key).encrypt(value_nonce, text, _bound(header, _VALUE, binding))
        return b"".join((header, key_nonce, wrapped, value_nonce, value))

    def _fresh(self) -> tuple[bytes, bytes, bytes]:
        """Return a data key and both nonces, drawn at once: each such call costs as much as sealing."""
        drawn = self._random(KEY_BYTES + 2 * _NONCE)
        return drawn[:KEY_BYTES], drawn[KEY_BYTES:-_NONCE], drawn[-_NONCE:]

    async def open(self, sealed: bytes, binding: Binding) -> Password:
        """Return what was sealed; raise SealBroken if it does not open there."""
        envelope = _Envelope.cut(sealed, binding)
        wrapping = self._wrapping.get(envelope.key_id)
        if wrapping is None:
            raise _broken(binding, f"its key {envelope.key_id!r} is not in the keyring")
        header = _header(envelope.key_id)
        try:
            data_key = wrapping.decrypt(envelope.key_nonce, envelope.wrapped, _bound(header, _KEY, binding))
            text = AESGCM(data_key).decrypt(
                envelope.value_nonce, envelope.value, _bound(header, _VALUE, binding)
            )
        except InvalidTag:
            reason = f"it was changed, moved here, or sealed under another key {envelope.key_id!r}"
            raise _broken(binding, reason) from None
        return Password(text.decode(errors="surrogatepass"))


@dataclass(frozen=True, slots=True)
class _Envelope:
    """A sealed value, cut into its parts."""

    key_id: str
    key_nonce: bytes
    wrapped: bytes
    value_nonce: bytes
    value: bytes

    @classmethod
    def cut(cls, sealed: bytes, binding: Binding) -> Self:
        """Return the parts; raise SealBroken for what cannot be a sealed value of this format."""
        if sealed[:1] != bytes((FORMAT,)):
            raise _broken(binding, "it is empty or of a format that this program does not know")
        rest = 2 + int.from_bytes(sealed[1:2])
        if len(sealed) < rest + _NONCE + _WRAPPED + _NONCE + _TAG:
            raise _broken(binding, "it is cut short")
        value_at = rest + _NONCE + _WRAPPED
        return cls(
            sealed[2:rest].decode("ascii", errors="backslashreplace"),
            sealed[rest : rest + _NONCE],
            wrapped=sealed[rest + _NONCE : value_at],
            value_nonce=sealed[value_at : value_at + _NONCE],
            value=sealed[value_at + _NONCE :],
        )


def _header(key_id: str) -> bytes:
    name = key_id.encode("ascii", errors="replace")
    return bytes((FORMAT, len(name))) + name


def _bound(header: bytes, layer: bytes, binding: Binding) -> bytes:
    """Return the additional data: every part with its length before it, so that no two differ by cut only."""
    version = struct.pack(">Q", binding.version)
    parts = (header, layer, binding.project_guid.encode(), binding.secret_guid.encode(), version)
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def _broken(binding: Binding, reason: str) -> SealBroken:
    return SealBroken(
        f"the value of {binding.secret_guid}, version {binding.version}, does not open: {reason}"
    )
