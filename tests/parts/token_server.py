"""A token server for docker-registry: RS256 tokens for users with rights per repository; it counts logins.

Spec: distribution ``docs/content/spec/auth/token.md`` and ``jwt.md``.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

SERVICE = "test-registry"
ISSUER = "test-issuer"
_FROM, _UNTIL = 1_600_000_000, 4_000_000_000


@dataclass(frozen=True)
class User:
    """A password and, per repository, what may be done there."""

    password: str
    rights: Mapping[str, tuple[str, ...]]


@dataclass
class TokenServer:
    """Where it answers, whom it knows, and the logins (user, accepted) that it saw.

    An anonymous request gets a token without any right; a wrong password does too when ``lenient``,
    the trap in which a login looks accepted. With ``offline`` it hands out identity tokens to who asks.
    """

    users: Mapping[str, User]
    lenient: bool = False
    offline: bool = False
    port: int = 0
    refreshing: dict[str, str] = field(default_factory=dict)
    logins: list[tuple[str, bool]] = field(default_factory=list)
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    @property
    def realm(self) -> str:
        """The URL that the registry's challenge names."""
        return f"http://127.0.0.1:{self.port}/token"

    def auth(self, folder: Path) -> str:
        """Return the registry's configuration section that trusts this server."""
        bundle = folder / "token.pem"
        bundle.write_bytes(self.certificate().public_bytes(serialization.Encoding.PEM))
        return (
            f"auth: {{token: {{realm: '{self.realm}', service: {SERVICE}, issuer: {ISSUER}, "
            f"rootcertbundle: {bundle}}}}}"
        )

    def certificate(self) -> x509.Certificate:
        """Return the self-signed certificate of the signing key."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
        builder = x509.CertificateBuilder(name, name, self.key.public_key(), serial_number=1)
        builder = builder.not_valid_before(_date(_FROM)).not_valid_after(_date(_UNTIL))
        return builder.sign(self.key, hashes.SHA256())

    def answer(self, query: Mapping[str, list[str]], header: str) -> tuple[int, dict[str, Any]]:
        """Return status and body for a token request."""
        if not header:
            return 200, {"token": self.token("", [])}
        name, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        user = self.users.get(name)
        accepted = user is not None and user.password == password
        self.logins.append((name, accepted))
        if user is None or not accepted:
            return (200, {"token": self.token("", [])}) if self.lenient else (401, {"details": "incorrect"})
        body = {"token": self.token(name, _granted(user, query.get("scope", [])))}
        if query.get("offline_token") == ["true"] and self.offline:
            body["refresh_token"] = f"refresh-{len(self.refreshing)}-{name}"
            self.refreshing[body["refresh_token"]] = name
        return 200, body

    def exchange(self, form: Mapping[str, list[str]]) -> tuple[int, dict[str, Any]]:
        """Return status and body for an identity token that is given for an access token."""
        name = self.refreshing.get(form.get("refresh_token", [""])[0], "")
        if form.get("grant_type") != ["refresh_token"] or not form.get("client_id"):
            return 400, {"error": "unsupported_grant_type"}
        self.logins.append((name or "<token>", bool(name)))
        if not name:
            return 400, {"error": "invalid_grant", "error_description": "the token was revoked"}
        scopes = form.get("scope", [])
        return 200, {"access_token": self.token(name, _granted(self.users[name], scopes)), "expires_in": 300}

    def token(self, subject: str, access: list[dict[str, Any]]) -> str:
        """Return a signed token."""
        der = self.certificate().public_bytes(serialization.Encoding.DER)
        head = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": subject, "aud": SERVICE, "exp": now + 300, "nbf": now - 10,
                  "iat": now, "jti": str(len(self.logins)), "access": access}  # fmt: skip
        signed = f"{_part(json.dumps(head).encode())}.{_part(json.dumps(claims).encode())}"
        signature = self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_part(signature)}"


@contextmanager
def token_server(
    users: Mapping[str, User], *, lenient: bool = False, offline: bool = False
) -> Iterator[TokenServer]:
    """Run a token server on a free port of the loopback."""
    made = TokenServer(users, lenient, offline)

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            self._say(*made.answer(query, self.headers.get("Authorization", "")))

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self._say(*made.exchange(parse_qs(content.decode())))

        def _say(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        made.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


def _granted(user: User, scopes: list[str]) -> list[dict[str, Any]]:
    granted = []
    for scope in (each for text in scopes for each in text.split()):
        kind, name, wanted = scope.split(":")
        actions = [each for each in wanted.split(",") if each in user.rights.get(name, ())]
        if actions:
            granted.append({"type": kind, "name": name, "actions": actions})
    return granted


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _date(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
