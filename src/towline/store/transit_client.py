"""Requests to Vault or OpenBao: signing in by token or AppRole, namespaces, TLS, and what its refusals mean.

Facts: https://openbao.org/api-docs/ ("HTTP API"), ``auth/approle/login``, ``auth/token/renew-self``. A token
is renewed, or asked for anew, when two thirds of its time are gone and whenever Vault refuses it.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from towline.domain.credential import Password
from towline.domain.errors import InvalidInput, KeysUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PATIENCE = aiohttp.ClientTimeout(total=10, sock_connect=3)
MOST_CONNECTIONS = 16
MOST_BYTES = 1 << 20
_SPENT = 2 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultLogin:
    """How to sign in: by a token, given or in a file (which an agent may renew), or by AppRole."""

    token: Password | None = None
    token_file: str = ""
    role_id: str = ""
    secret_id_file: str = ""
    approle_mount: str = "approle"


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, what stood under ``data`` and ``auth``, and what Vault said about an error."""

    status: int
    data: Mapping[str, object]
    auth: Mapping[str, object]
    trouble: str


@dataclass(slots=True)
class _Pass:
    """A token that is good for a while; ``until`` by the monotonic clock, None for ever."""

    token: Password = field(repr=False)
    until: float | None
    renewable: bool


class TransitClient:
    """Requests to one Vault."""

    def __init__(
        self,
        address: str,
        login: VaultLogin,
        *,
        namespace: str = "",
        ca_file: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address = address.rstrip("/")
        self._login = login
        self._namespace = namespace
        self._ca_file = ca_file
        self._clock = clock
        self._pass: _Pass | None = None
        self._signing_in = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    @property
    def title(self) -> str:
        """Who answers, in words."""
        return f"Vault at {self.address}"

    async def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Reply:
        """Return the answer, signed in; raise KeysUnreachable when there is none or Vault is sealed."""
        used = await self._signed_in()
        reply = await self._send(method, path, body, token=used.token)
        if reply.status == 403 and await self._another(used):
            reply = await self._send(method, path, body, token=(await self._signed_in()).token)
        return reply

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def _another(self, refused: _Pass) -> bool:
        """Give a token up that was refused; return whether there is another one to try."""
        if self._pass is refused:
            self._pass = None
        fresh = await self._signed_in()
        return fresh.token != refused.token

    async def _signed_in(self) -> _Pass:
        async with self._signing_in:
            held = self._pass
            if held is None:
                held = await self._first()
            elif held.until is not None and self._clock() >= held.until:
                held = await self._renewed(held)
            self._pass = held
            return held

    async def _first(self) -> _Pass:
        if self._login.role_id:
            return await self._by_role()
        token = await self._given_token()
        reply = await self._send("GET", "auth/token/lookup-self", None, token=token)
        if reply.status >= 300:
            raise self._refused(f"the token ({reply.status}: {reply.trouble})")
        return self._made(token, seconds=reply.data.get("ttl"), renewable=reply.data.get("renewable"))

    async def _renewed(self, held: _Pass) -> _Pass:
        """Return the same token with more time, or another one."""
        if not held.renewable:
            return await self._first()
        reply = await self._send("POST", "auth/token/renew-self", {}, token=held.token)
        if reply.status >= 300:
            return await self._first()
        return self._made(
            held.token, seconds=reply.auth.get("lease_duration"), renewable=reply.auth.get("renewable")
        )

    async def _by_role(self) -> _Pass:
        body = {"role_id": self._login.role_id}
        if self._login.secret_id_file:
            secret = await asyncio.to_thread(_text_of, self._login.secret_id_file, "vault_secret_id_file")
            body["secret_id"] = secret.reveal()
        reply = await self._send("POST", f"auth/{self._login.approle_mount}/login", body, token=None)
        token = reply.auth.get("client_token")
        if reply.status >= 300 or not isinstance(token, str):
            raise self._refused(f"the AppRole login ({reply.status}: {reply.trouble})")
        return self._made(
            Password(token),
            seconds=reply.auth.get("lease_duration"),
            renewable=reply.auth.get("renewable"),
        )

    async def _given_token(self) -> Password:
        if self._login.token_file:
            return await asyncio.to_thread(_text_of, self._login.token_file, "vault_token_file")
        if self._login.token is not None:
            return self._login.token
        raise InvalidInput(
            "vault_token_file",
            problem="is empty",
            rule="name a file that holds a token, set VAULT_TOKEN, or give vault_role_id",
        )

    def _made(self, token: Password, *, seconds: object, renewable: object) -> _Pass:
        until = self._clock() + seconds * _SPENT if isinstance(seconds, int) and seconds else None
        return _Pass(token, until, renewable=renewable is True)

    async def _send(
        self, method: str, path: str, body: Mapping[str, object] | None, *, token: Password | None
    ) -> Reply:
        headers = {"X-Vault-Request": "true"}
        if token is not None:
            headers["X-Vault-Token"] = token.reveal()
        if self._namespace:
            headers["X-Vault-Namespace"] = self._namespace
        url = f"{self.address}/v1/{path}"
        try:
            session = await self._opened()
            async with session.request(
                method, url, json=body, headers=headers, allow_redirects=False
            ) as answer:
                content = await answer.content.read(MOST_BYTES)
                reply = _reply(answer.status, content)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise KeysUnreachable(f"{self.title} does not answer: {_words(error)}") from error
        if reply.status >= 500 or reply.status in (307, 429, 472, 473):
            raise KeysUnreachable(f"{self.title} answered {reply.status}: {reply.trouble}")
        return reply

    async def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = await asyncio.to_thread(_trust, self._ca_file)
            connector = aiohttp.TCPConnector(ssl=context, limit=MOST_CONNECTIONS)
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=PATIENCE,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._session

    def _refused(self, what: str) -> KeysUnreachable:
        return KeysUnreachable(f"{self.title} refuses {what}")


def _reply(status: int, content: bytes) -> Reply:
    document: Any = {}
    if content:
        try:
            document = json.loads(content)
        except ValueError:
            document = {}
    if not isinstance(document, dict):
        document = {}
    data, auth, errors = (document.get(name) for name in ("data", "auth", "errors"))
    said = ", ".join(_one_line(str(each)) for each in errors) if isinstance(errors, list) else ""
    return Reply(
        status,
        data if isinstance(data, dict) else {},
        auth if isinstance(auth, dict) else {},
        trouble=said or "no reason given",
    )


def _one_line(text: str) -> str:
    """Return Vault's words without the list that it makes of errors: ``1 error occurred:`` and a bullet."""
    return " ".join(text.rpartition("occurred:")[2].replace("*", " ").split())[:200]


def _trust(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise InvalidInput(
            "vault_ca", problem=f"{ca_file} cannot be used: {error}", rule="name a PEM file"
        ) from error


def _text_of(path: str, field_name: str) -> Password:
    try:
        return Password(Path(path).read_text().strip())
    except OSError as error:
        raise InvalidInput(field_name, problem=f"{path} cannot be read: {error.strerror}") from error


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted ({error.certificate_error})"
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or str(error.os_error)
    return str(error) or type(error).__name__
