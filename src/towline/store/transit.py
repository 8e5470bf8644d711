"""Data keys wrapped by the transit engine of HashiCorp Vault or OpenBao, which never lets its own key out.

Facts: https://openbao.org/api-docs/secret/transit/ and https://developer.hashicorp.com/vault/api-docs/secret/transit
(``datakey``, ``encrypt``, ``decrypt``, ``rewrap``, ``keys``). A wrapped key is Vault's own text,
``vault:vN:...``; N is the version of its key, and here each version is a key of its own: ``transit:NAME:vN``.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from towline.domain.errors import InvalidInput, KeysUnreachable
from towline.store.envelope import KEY_BYTES, broken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towline.ports import Binding
    from towline.store.transit_client import Reply, TransitClient

_VERSION = re.compile(r"vault:v([1-9][0-9]{0,8}):")
_KEY = re.compile(r"[A-Za-z0-9._-]{1,40}")
_PROBE = base64.b64encode(bytes(KEY_BYTES)).decode()


class Transit:
    """One key of a transit engine, all its versions."""

    def __init__(self, client: TransitClient, *, mount: str, key: str) -> None:
        if not _KEY.fullmatch(key):
            raise InvalidInput(
                "vault_key", problem=f"is {key[:60]!a}", rule="use at most 40 letters, digits, '-', '_', '.'"
            )
        self._client = client
        self._mount = mount.strip("/")
        self._name = key
        self._prefix = f"transit:{key}:v"

    @property
    def title(self) -> str:
        """Where the key is kept, in words."""
        return f"{self._client.address} {self._mount}/{self._name}"

    def names(self, key_id: str) -> bool:
        """Whether that is a version of this key."""
        return key_id.startswith(self._prefix) and key_id[len(self._prefix) :].isdigit()

    async def data_key(self, binding: Binding) -> tuple[str, bytes, bytes]:
        """Return the id of the version that wraps, a fresh data key, and the key wrapped."""
        data = await self._told("datakey/plaintext", {"bits": 8 * KEY_BYTES}, binding)
        key_id, wrapped = self._wrapped(data)
        return key_id, self._plain(data), wrapped

    async def wrap(self, data_key: bytes, binding: Binding) -> tuple[str, bytes]:
        """Return the id of the newest version, and a data key wrapped by it."""
        plain = base64.b64encode(data_key).decode()
        return self._wrapped(await self._told("encrypt", {"plaintext": plain}, binding))

    async def unwrap(self, wrapped: bytes, binding: Binding) -> bytes:
        """Return the data key; raise SealBroken where Vault says that this is none of its texts."""
        return self._plain(await self._told("decrypt", {"ciphertext": _text(wrapped, binding)}, binding))

    async def rewrap(self, wrapped: bytes, binding: Binding) -> tuple[str, bytes]:
        """Return the same data key under the newest version; it does not leave Vault."""
        return self._wrapped(await self._told("rewrap", {"ciphertext": _text(wrapped, binding)}, binding))

    async def newest(self) -> str:
        """Return the id of the version that wraps now, as a wrapping tells it without further rights."""
        reply = await self._ask("POST", f"encrypt/{self._name}", {"plaintext": _PROBE})
        return self._wrapped(self._good(reply))[0]

    async def keys(self) -> Sequence[str]:
        """Return the ids of the versions that still open; up to the newest where the policy hides which."""
        reply = await self._ask("GET", f"keys/{self._name}")
        if reply.status == 403:
            return self.up_to(await self.newest())
        data = self._good(reply)
        least, latest = data.get("min_decryption_version"), data.get("latest_version")
        if not isinstance(least, int) or not isinstance(latest, int):
            raise self._odd()
        return tuple(f"{self._prefix}{number}" for number in range(max(least, 1), latest + 1))

    async def rotate(self) -> str:
        """Have Vault make a new version; return its id."""
        self._good(await self._ask("POST", f"keys/{self._name}/rotate", {}))
        return await self.newest()

    def up_to(self, key_id: str) -> Sequence[str]:
        """Return the ids of a version and of all before it."""
        newest = int(key_id.removeprefix(self._prefix))
        return tuple(f"{self._prefix}{number}" for number in range(1, newest + 1))

    async def forbid(self, key_id: str) -> None:
        """Have Vault open nothing any more of this version and of those before it."""
        least = int(key_id.removeprefix(self._prefix)) + 1
        self._good(await self._ask("POST", f"keys/{self._name}/config", {"min_decryption_version": least}))

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def _told(self, verb: str, body: Mapping[str, object], binding: Binding) -> Mapping[str, object]:
        reply = await self._ask("POST", f"{verb}/{self._name}", body)
        if reply.status == 400 and "ciphertext" in body:
            raise broken(binding, f"Vault refuses its data key: {reply.trouble}")
        return self._good(reply)

    async def _ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Reply:
        return await self._client.ask(method, f"{self._mount}/{path}", body)

    def _good(self, reply: Reply) -> Mapping[str, object]:
        """Return an answer's data; raise KeysUnreachable for a refusal, naming what is missing."""
        if reply.status < 300:
            return reply.data
        advice = _ADVICE.get(reply.status, "")
        raise KeysUnreachable(
            f"{self._client.title} answered {reply.status} about {self._mount}/{self._name}:"
            f" {reply.trouble}{advice}"
        )

    def _wrapped(self, data: Mapping[str, object]) -> tuple[str, bytes]:
        text = data.get("ciphertext")
        version = _VERSION.match(text) if isinstance(text, str) else None
        if version is None or not isinstance(text, str):
            raise self._odd()
        return f"{self._prefix}{version[1]}", text.encode()

    def _plain(self, data: Mapping[str, object]) -> bytes:
        try:
            key = base64.b64decode(str(data.get("plaintext")), validate=True)
        except binascii.Error:
            key = b""
        if len(key) != KEY_BYTES:
            raise self._odd()
        return key

    def _odd(self) -> KeysUnreachable:
        return KeysUnreachable(f"{self._client.title} answered something else than a transit engine does")


_ADVICE = {
    403: "; the policy must allow update on encrypt, decrypt, rewrap and datakey/plaintext of the key",
    404: "; make engine and key: vault secrets enable transit, vault write -f transit/keys/NAME",
}


def _text(wrapped: bytes, binding: Binding) -> str:
    try:
        return wrapped.decode("ascii")
    except UnicodeDecodeError:
        raise broken(binding, "its data key is not Vault's text") from None
