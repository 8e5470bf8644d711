"""Providers' token endpoints on loopback: they check signatures, times and rights as the real ones do.

AWS signatures are judged by botocore's own signer; assertions by the public key of who is registered. What
is granted may be handed on (``granted``), so that a real registry takes it.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from botocore.auth import SigV4Auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

ACCESS_KEY = "AKIAOBVIOUSLYATEST00"
SECRET_KEY = "not-a-real/secret+access+key/0000000000"
ROLE = "arn:aws:iam::123456789012:role/puller"
ACCOUNT = "puller@acme-prod.iam.gserviceaccount.com"
CLIENT, TENANT, CLIENT_SECRET = "11111111-2222", "acme.example.com", "an-entra-client-secret"
APP, INSTALLATION = "123456", "4711"
_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request,"
    r" SignedHeaders=([^,]+), Signature=([0-9a-f]{64})"
)
_MAY_DIFFER = timedelta(minutes=5)


@dataclass(frozen=True)
class Refusal(Exception):
    """What is answered instead."""

    status: int
    document: Mapping[str, object]


@dataclass
class Providers:
    """All providers behind one address. ``lives`` are those of the next grants, twelve hours after them.

    ``may_mint`` says whether who is known may have a token; ``asked`` are the paths and targets heard.
    """

    granted: Callable[[str, str], None] = lambda _user, _password: None
    may_mint: bool = True
    repeats: bool = False
    """Whether the registry repeats what it was sent, as what is below ``/echo/`` always does."""
    lives: list[timedelta] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    keys: dict[str, tuple[str, str]] = field(default_factory=lambda: {ACCESS_KEY: (SECRET_KEY, "")})
    private: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    port: int = 0

    @property
    def url(self) -> str:
        """Where they answer."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def private_key(self) -> str:
        """The private key that is registered for the service account and the app, in PEM."""
        return pem(self.private)

    def aws_key(self) -> str:
        """Return the access key as the aws command prints it."""
        return json.dumps({"AccessKey": {"AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY}})

    def google_key(self) -> str:
        """Return the service account's key file."""
        document = {
            "type": "service_account",
            "client_email": ACCOUNT,
            "private_key_id": "a-key-id",
            "private_key": self.private_key,
            "token_uri": f"{self.url}/token",
        }
        return json.dumps(document)

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        """Return status and answer to a POST."""
        form = {name: texts[0] for name, texts in parse_qs(body.decode()).items()}
        self.asked.append(headers.get("X-Amz-Target") or form.get("Action") or path)
        if path.startswith("/echo/") or (self.repeats and path == "/oauth2/exchange"):
            words = f"{headers.get('Authorization')} {headers.get('X-Amz-Security-Token')} {body.decode()}"
            told = {"error": "invalid_request", "error_description": words, "message": words}
            raise Refusal(400, told)
        if path == "/":
            is_role = form.get("Action") == "AssumeRole"
            self._check_signature(path, headers, body, service="sts" if is_role else "ecr")
            return 200, self._role(form) if is_role else self._ecr()
        if path == f"/api/v3/app/installations/{INSTALLATION}/access_tokens":
            return 201, self._github(headers, json.loads(body))
        answers = {
            "/token": self._google,
            f"/{TENANT}/oauth2/v2.0/token": self._entra,
            "/oauth2/exchange": self._exchange,
        }
        return (200, answers[path](form)) if path in answers else (404, {"message": "Not Found"})

    def _check_signature(self, path: str, headers: Mapping[str, str], body: bytes, *, service: str) -> None:
        found = _SIGNED.fullmatch(headers.get("Authorization", ""))
        if found is None:
            raise Refusal(400, {"__type": "MissingAuthenticationTokenException"})
        key_id, day, region, signed_for, names, signature = found.groups()
        if key_id not in self.keys or signed_for != service:
            raise Refusal(400, {"__type": "UnrecognizedClientException", "message": "The token is invalid."})
        secret, session = self.keys[key_id]
        request = AWSRequest(
            "POST",
            f"{self.url}{path}",
            headers={name: headers[name] for name in names.split(";") if name != "x-amz-date"},
            data=body,
        )
        at = headers["X-Amz-Date"]
        request.headers["X-Amz-Date"] = at
        request.context["timestamp"] = at
        judge = SigV4Auth(Credentials(key_id, secret), service, region)
        wanted = judge.signature(judge.string_to_sign(request, judge.canonical_request(request)), request)
        sent_session = headers.get("X-Amz-Security-Token", "")
        if signature != wanted or not at.startswith(day) or sent_session != session:
            message = "The request signature we calculated does not match the signature you provided."
            raise Refusal(400, {"__type": "InvalidSignatureException", "message": message})
        moment = datetime.strptime(at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs(moment - datetime.now(UTC)) > _MAY_DIFFER:
            message = f"Signature expired: {at} is now earlier than {datetime.now(UTC)}"
            raise Refusal(400, {"__type": "InvalidSignatureException", "message": message})

    def _ecr(self) -> object:
        if not self.may_mint:
            message = "User: puller is not authorized to perform: ecr:GetAuthorizationToken on resource: *"
            raise Refusal(400, {"__type": "AccessDeniedException", "Message": message})
        password, ends = self._grant("AWS")
        token = base64.b64encode(f"AWS:{password}".encode()).decode()
        return {"authorizationData": [{"authorizationToken": token, "expiresAt": ends.timestamp()}]}

    def _role(self, form: Mapping[str, str]) -> str:
        if form["RoleArn"] != ROLE:
            raise Refusal(403, {"__type": "AccessDenied"})
        self.keys["ASIAOBVIOUSLYATEST00"] = ("the-roles-own/secret/00000000", "session//token==")
        secret, session = self.keys["ASIAOBVIOUSLYATEST00"]
        return (
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAOBVIOUSLYATEST00</AccessKeyId>"
            f"<SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{session}</SessionToken>"
            "</Credentials></AssumeRoleResult></AssumeRoleResponse>"
        )

    def _google(self, form: Mapping[str, str]) -> object:
        claims = self._claims(form["assertion"], refusal={"error": "invalid_grant", "error_description": ""})
        now = datetime.now(UTC).timestamp()
        if abs(claims["iat"] - now) > 300 or not now < claims["exp"] <= claims["iat"] + 3600:
            words = "Invalid JWT: Token must be a short-lived token and in a reasonable timeframe."
            raise Refusal(400, {"error": "invalid_grant", "error_description": words})
        if (claims["iss"], claims["aud"]) != (ACCOUNT, f"{self.url}/token") or "read-only" not in claims[
            "scope"
        ]:
            raise Refusal(400, {"error": "invalid_grant", "error_description": "account not found"})
        password, ends = self._grant("oauth2accesstoken", longest=timedelta(hours=1))
        return {"access_token": password, "expires_in": round(ends.timestamp() - now)}

    def _entra(self, form: Mapping[str, str]) -> object:
        if (form["client_id"], form["client_secret"]) != (CLIENT, CLIENT_SECRET):
            words = "AADSTS7000215: Invalid client secret provided."
            raise Refusal(401, {"error": "invalid_client", "error_description": words})
        if form["grant_type"] != "client_credentials" or not form["scope"].endswith("/.default"):
            raise Refusal(400, {"error": "invalid_scope", "error_description": "AADSTS70011"})
        return {"access_token": "an-entra-token", "expires_in": 3599}

    def _exchange(self, form: Mapping[str, str]) -> object:
        wanted = ("access_token", f"127.0.0.1:{self.port}", "an-entra-token", True)
        if (form["grant_type"], form["service"], form["access_token"], self.may_mint) != wanted:
            raise Refusal(401, {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]})
        ends = datetime.now(UTC) + timedelta(hours=3)
        claims = {"exp": int(ends.timestamp()), "jti": secrets.token_hex(8)}
        return {"refresh_token": jwt.encode({"alg": "RS256"}, claims, RSAKey.import_key(self.private_key))}

    def _github(self, headers: Mapping[str, str], body: Mapping[str, object]) -> object:
        token = headers["Authorization"].removeprefix("Bearer ")
        words = {"message": "A JSON web token could not be decoded"}
        claims, now = self._claims(token, refusal=words, status=401), datetime.now(UTC).timestamp()
        if claims["exp"] <= now or claims["exp"] > now + 600 or claims["iat"] > now:
            raise Refusal(401, {"message": "'Expiration time' claim ('exp') is too far in the future"})
        if claims["iss"] != APP:
            raise Refusal(404, {"message": "Integration not found"})
        if body != {"permissions": {"packages": "read"}} or not self.may_mint:
            raise Refusal(422, {"message": "The permissions requested are not granted to this installation."})
        password, ends = self._grant("x-access-token", longest=timedelta(hours=1))
        return {"token": password, "expires_at": f"{ends:%Y-%m-%dT%H:%M:%SZ}"}

    def _claims(self, token: str, *, refusal: Mapping[str, object], status: int = 400) -> dict[str, Any]:
        try:
            return jwt.decode(token, RSAKey.import_key(self.private_key), algorithms=["RS256"]).claims
        except (JoseError, ValueError) as error:
            raise Refusal(status, refusal) from error

    def _grant(self, user: str, *, longest: timedelta = timedelta(hours=12)) -> tuple[str, datetime]:
        password = f"minted-{secrets.token_urlsafe(12)}"
        self.granted(user, password)
        life = self.lives.pop(0) if self.lives else longest
        return password, datetime.now(UTC) + life


def pem(key: rsa.RSAPrivateKey) -> str:
    """Return a private key as a file holds it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@contextmanager
def running_providers() -> Iterator[Providers]:
    """Serve on a free port of the loopback until the block ends."""
    made = Providers()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                status, document = made.answer(self.path, self.headers, body)  # type: ignore[arg-type]
            except Refusal as refusal:
                status, document = refusal.status, refusal.document
            content = document.encode() if isinstance(document, str) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
