"""The bytes of a sealed value, cut and put together.

Each value has a data key of its own, used once; that key is wrapped by a key of the keyring or by Vault::

    1 byte   format (2)
    1 byte   length of the wrapping key's id, then the id in ASCII
    2 bytes  length of the wrapped data key, then it: nonce and ciphertext, or Vault's own text
    12 + n   nonce, and the value under the data key

The value is bound to project, secret and version, the wrapped key also to its id: whoever renews only the
wrapping never sees the value. Format 1, written before, has a wrapped key of fixed length and no length of
it, and binds the value to the id as well: it is opened once and sealed anew when its key is rotated.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from towline.domain.errors import SealBroken

if TYPE_CHECKING:
    from towline.ports import Binding

FORMAT, FIRST_FORMAT = 2, 1
NONCE, TAG, KEY_BYTES = 12, 16, 32

_FIRST_WRAPPED = NONCE + KEY_BYTES + TAG
_KEY, _VALUE = b"key", b"value"


@dataclass(frozen=True, slots=True)
class Envelope:
    """A sealed value in its parts: ``wrapped`` is the data key, ``value`` nonce and ciphertext."""

    format: int
    key_id: str
    wrapped: bytes
    value: bytes

    @classmethod
    def cut(cls, sealed: bytes, binding: Binding) -> Self:
        """Return the parts; raise SealBroken for what cannot be a sealed value."""
        kind = sealed[0] if sealed else 0
        if kind not in (FORMAT, FIRST_FORMAT):
            raise broken(binding, "it is empty or of a format that this program does not know")
        at = 2 + int.from_bytes(sealed[1:2])
        key_id = sealed[2:at].decode("ascii", errors="backslashreplace")
        length = _FIRST_WRAPPED
        if kind == FORMAT:
            length, at = int.from_bytes(sealed[at : at + 2]), at + 2
        value = sealed[at + length :]
        if len(value) < NONCE + TAG:
            raise broken(binding, "it is cut short")
        return cls(kind, key_id, sealed[at : at + length], value=value)

    def joined(self) -> bytes:
        """Return the bytes of an envelope of the present format."""
        length = struct.pack(">H", len(self.wrapped))
        return b"".join((header(self.key_id), length, self.wrapped, self.value))


def key_of(sealed: bytes) -> str:
    """Return the id of the key that wraps a sealed value's data key; empty where there is none."""
    length = int.from_bytes(sealed[1:2])
    return sealed[2 : 2 + length].decode("ascii", errors="backslashreplace")


def header(key_id: str, kind: int = FORMAT) -> bytes:
    """Return the first bytes of an envelope: its format and its key's id."""
    name = key_id.encode("ascii", errors="replace")
    return bytes((kind, len(name))) + name


def bound_key(key_id: str, binding: Binding, kind: int = FORMAT) -> bytes:
    """Return the additional data of a wrapped data key."""
    return _bound(header(key_id, kind), _KEY, binding)


def bound_value(envelope_format: int, key_id: str, binding: Binding) -> bytes:
    """Return the additional data of the value: in the first format it holds the key's id as well."""
    head = bytes((FORMAT,)) if envelope_format == FORMAT else header(key_id, FIRST_FORMAT)
    return _bound(head, _VALUE, binding)


def broken(binding: Binding, reason: str) -> SealBroken:
    """Return the error for a value that does not open, naming whose it is and nothing of it."""
    return SealBroken(
        f"the value of {binding.secret_guid}, version {binding.version}, does not open: {reason}"
    )


def _bound(head: bytes, layer: bytes, binding: Binding) -> bytes:
    """Return the parts each with its length before it, so that no two differ by cut only."""
    version = struct.pack(">Q", binding.version)
    parts = (head, layer, binding.project_guid.encode(), binding.secret_guid.encode(), version)
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)
