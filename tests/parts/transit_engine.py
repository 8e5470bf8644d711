"""A stand-in for the transit engine of Vault and OpenBao: their protocol over HTTP or HTTPS.

Written after their API pages (transit, AppRole, tokens, namespaces): paths, the status of each refusal and
the texts of errors are those of the real ones. Keys are real AES-256-GCM: what it wraps it alone opens.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import os
import secrets
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from parts.registry import Certificate, free_port

Json = Mapping[str, Any]

ROLE_ID, SECRET_ID = "role-of-towline", "secret-id-of-towline"
_OPENING = ("encrypt", "decrypt", "rewrap", "datakey")


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, *errors: str) -> None:
        super().__init__(*errors)
        self.status = status
        self.errors = errors


@dataclass
class TransitKey:
    """A named key with all its versions."""

    versions: dict[int, bytes] = field(default_factory=dict)
    least: int = 1

    @property
    def latest(self) -> int:
        """The newest version's number."""
        return max(self.versions)

    def rotate(self) -> None:
        """Add a version."""
        self.versions[max(self.versions, default=0) + 1] = os.urandom(32)

    def encrypt(self, plain: str) -> str:
        """Return Vault's text of a base64 plaintext."""
        try:
            content = base64.b64decode(plain, validate=True)
        except ValueError:
            raise Refused(400, "failed to base64-decode plaintext") from None
        nonce = os.urandom(12)
        sealed = nonce + AESGCM(self.versions[self.latest]).encrypt(nonce, content, None)
        return f"vault:v{self.latest}:{base64.b64encode(sealed).decode()}"

    def decrypt(self, text: str) -> str:
        """Return the base64 plaintext."""
        try:
            prefix, number, body = text.split(":")
            version, sealed = int(number.removeprefix("v")), base64.b64decode(body, validate=True)
        except ValueError:
            raise Refused(400, "invalid ciphertext: no prefix") from None
        if prefix != "vault" or version not in self.versions:
            raise Refused(400, "invalid ciphertext: version is too new")
        if version < self.least:
            raise Refused(400, "ciphertext or signature version is disallowed by policy (too old)")
        try:
            plain = AESGCM(self.versions[version]).decrypt(sealed[:12], sealed[12:], None)
        except (InvalidTag, ValueError):
            raise Refused(400, "invalid ciphertext: unable to decrypt") from None
        return base64.b64encode(plain).decode()


@dataclass
class TransitEngine:
    """The engine's state, changed by tests as an administrator of Vault would."""

    address: str
    namespace: str = ""
    sealed: bool = False
    token_seconds: int = 3600
    tokens: dict[str, tuple[str, ...]] = field(default_factory=dict)
    keys: dict[str, TransitKey] = field(default_factory=dict)
    secret_id: str = SECRET_ID
    asked: list[str] = field(default_factory=list)
    renewed: int = 0

    def token(self, *rights: str) -> str:
        """Return a new token that may use these operations (``admin`` for all)."""
        made = f"hvs.{secrets.token_hex(12)}"
        self.tokens[made] = rights or _OPENING
        return made

    def answer(self, request: web.Request, body: Json) -> Json | None:
        """Return the document of an answer; None for 204. Raises Refused."""
        path = request.path.removeprefix("/v1/")
        self.asked.append(f"{request.method} {path}")
        if self.sealed:
            raise Refused(503, "Vault is sealed")
        if request.headers.get("X-Vault-Namespace", "") != self.namespace:
            raise Refused(403, "permission denied")
        if path == "auth/approle/login":
            return self._approle(body)
        token = request.headers.get("X-Vault-Token", "")
        if token not in self.tokens:
            raise Refused(403, "permission denied", "invalid token")
        if path == "auth/token/lookup-self":
            return {"data": {"ttl": self.token_seconds, "renewable": True}}
        if path == "auth/token/renew-self":
            self.renewed += 1
            return {"auth": {"client_token": token, "lease_duration": self.token_seconds, "renewable": True}}
        return self._engine(request.method, path.split("/"), body, self.tokens[token])

    def _approle(self, body: Json) -> Json:
        if (body.get("role_id"), body.get("secret_id")) != (ROLE_ID, self.secret_id):
            raise Refused(400, "invalid role or secret ID")
        token = self.token()
        return {"auth": {"client_token": token, "lease_duration": self.token_seconds, "renewable": True}}

    def _engine(self, method: str, parts: list[str], body: Json, rights: tuple[str, ...]) -> Json | None:
        if parts[0] != "transit":
            raise Refused(404, f'no handler for route "{"/".join(parts)}". route entry not found.')
        _, operation, *rest = parts
        if operation not in rights and "admin" not in rights:
            raise Refused(403, "1 error occurred:\n\t* permission denied\n\n")
        name = rest[1] if operation == "datakey" else rest[0]
        if name not in self.keys:
            raise Refused(404 if method == "GET" else 400, "encryption key not found")
        key = self.keys[name]
        match operation, method, rest:
            case "encrypt", "POST", [_]:
                return {"data": {"ciphertext": key.encrypt(body["plaintext"]), "key_version": key.latest}}
            case "decrypt", "POST", [_]:
                return {"data": {"plaintext": key.decrypt(body["ciphertext"])}}
            case "rewrap", "POST", [_]:
                text = key.encrypt(key.decrypt(body["ciphertext"]))
                return {"data": {"ciphertext": text, "key_version": key.latest}}
            case "datakey", "POST", ["plaintext", _]:
                plain = base64.b64encode(os.urandom(body.get("bits", 256) // 8)).decode()
                return {"data": {"plaintext": plain, "ciphertext": key.encrypt(plain)}}
            case "keys", _, _:
                return self._administer(method, rest[1:], body, key)
        raise Refused(405, "unsupported operation")

    def _administer(self, method: str, rest: list[str], body: Json, key: TransitKey) -> Json | None:
        match method, rest:
            case "GET", []:
                return {
                    "data": {
                        "type": "aes256-gcm96",
                        "latest_version": key.latest,
                        "min_decryption_version": key.least,
                        "keys": {str(number): 1_700_000_000 for number in key.versions},
                    }
                }
            case "POST", ["rotate"]:
                key.rotate()
                return None
            case "POST", ["config"]:
                least = body["min_decryption_version"]
                if least > key.latest:
                    raise Refused(400, "cannot set min decryption version higher than latest key version")
                key.least = least
                return None
        raise Refused(405, "unsupported operation")


@contextmanager
def running_transit(certificate: Certificate | None = None, *, port: int = 0) -> Iterator[TransitEngine]:
    """Answer on a port of loopback, on a loop of its own, with the key ``towline`` in its first version."""
    port = port or free_port()
    scheme = "https" if certificate else "http"
    engine = TransitEngine(f"{scheme}://127.0.0.1:{port}")
    engine.keys["towline"] = TransitKey()
    engine.keys["towline"].rotate()
    with serving(engine, port, certificate):
        yield engine


@contextmanager
def serving(engine: TransitEngine, port: int, certificate: Certificate | None = None) -> Iterator[None]:
    """Answer for an engine until the block ends: again after it was away, with all its keys."""
    up, begun = threading.Event(), list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]()

    async def serve() -> None:
        ended = asyncio.Event()
        app = web.Application()
        app.router.add_route("*", "/v1/{path:.*}", functools.partial(_handled, engine))
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(
            runner, "127.0.0.1", port, ssl_context=_tls(certificate), reuse_address=True
        ).start()
        begun.append((asyncio.get_running_loop(), ended))
        up.set()
        await ended.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    try:
        if not up.wait(20):
            raise AssertionError("the stand-in did not start")
        yield
    finally:
        for loop, ended in begun:
            loop.call_soon_threadsafe(ended.set)
        thread.join(20)


async def _handled(engine: TransitEngine, request: web.Request) -> web.Response:
    content = await request.read()
    response = _response(engine, request, json.loads(content) if content else {})
    response.force_close()  # so that no connection is left when a test ends
    return response


def _response(engine: TransitEngine, request: web.Request, body: Json) -> web.Response:
    try:
        document = engine.answer(request, body)
    except Refused as refused:
        return web.json_response({"errors": list(refused.errors)}, status=refused.status)
    return web.Response(status=204) if document is None else web.json_response(document)


def _tls(certificate: Certificate | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    return context
