"""An OpenID provider over HTTP: where it is, its keys, and what it says about who came back from it.

OpenID Connect Discovery 1.0; RFC 6749, 7636 (PKCE) and 9207 (iss in answers); RP-Initiated Logout 1.0.
What it publishes is remembered for an hour, and its keys are asked anew when a signature names another.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode, urlsplit

import aiohttp

from towline.domain.errors import InvalidInput, NotSignedIn, ProviderFailed
from towline.oidc import checks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from towline.domain.credential import Password
    from towline.domain.joining import Claims, EndedSession

PATIENCE = aiohttp.ClientTimeout(total=10, sock_connect=5)
LARGEST = 1 << 20
REMEMBERED = 3600.0
KEYS_AT_MOST_EVERY = 10.0
"""Seconds between two questions because of an unknown key: tokens of strangers make no load there."""
_BROKEN = (aiohttp.ClientError, OSError, TimeoutError, ValueError)
_T = TypeVar("_T")
_DISCOVERY = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Client:
    """How we are known at the provider; ``scopes`` are asked for beside ``openid``."""

    issuer: str
    client_id: str
    secret: Password
    scopes: str = "openid email profile"
    groups_claim: str = "groups"
    trust_address: bool = False
    ca_file: str = ""

    def __post_init__(self) -> None:
        if not is_protected(self.issuer):
            raise InvalidInput(
                "oidc_issuer", problem=f"{self.issuer[:200]!a} is not https://", rule="give the issuer's URL"
            )


class OpenIdProvider:
    """The port ``SignInProvider``; ``clock`` tells seconds since 1970."""

    def __init__(self, client: Client, *, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._published: tuple[Mapping[str, object], float] | None = None
        self._keys: tuple[object, float] | None = None
        self._asked_again = 0.0
        self._asking = asyncio.Lock()

    @property
    def issuer(self) -> str:
        """The provider's identifier."""
        return self._client.issuer

    async def way(self, *, back: str, state: str, nonce: str, verifier: str) -> str:
        """Return where the browser begins; see the port."""
        endpoint = await self._endpoint("authorization_endpoint")
        query = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": back,
            "scope": self._client.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        return _with_query(endpoint, query)

    async def claims(self, code: str, *, back: str, nonce: str, verifier: str) -> Claims:
        """Return who came back with this code; see the port."""
        answer = await self._exchange(code, back=back, verifier=verifier)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise NotSignedIn("the provider sent no ID token")
        checked = await self._checked(
            lambda keys: checks.id_token(
                token,
                keys,
                issuer=self._client.issuer,
                client_id=self._client.client_id,
                nonce=nonce,
                now=int(self._clock()),
            )
        )
        return checks.claims_of(
            checked,
            await self._told(answer.get("access_token")),
            issuer=self._client.issuer,
            groups_claim=self._client.groups_claim,
            trust_address=self._client.trust_address,
        )

    async def way_out(self, *, back: str, email: str) -> str:
        """Return where the browser ends the session at the provider; see the port."""
        published = await self._discovered()
        endpoint = published.get("end_session_endpoint")
        if not isinstance(endpoint, str) or not is_protected(endpoint):
            return ""
        query = {"client_id": self._client.client_id, "post_logout_redirect_uri": back, "logout_hint": email}
        return _with_query(endpoint, query)

    async def ended(self, logout_token: str) -> EndedSession:
        """Return what a logout token ends; see the port."""
        return await self._checked(
            lambda keys: checks.logout_token(
                logout_token,
                keys,
                issuer=self._client.issuer,
                client_id=self._client.client_id,
                now=int(self._clock()),
            )
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def _checked(self, check: Callable[[object], _T]) -> _T:
        """Run a check with the keys that are remembered; with fresh ones where none of those fits."""
        try:
            return await asyncio.to_thread(check, await self._key_set(fresh=False))
        except checks.KeyUnknown:
            keys = await self._key_set(fresh=True)
        try:
            return await asyncio.to_thread(check, keys)
        except checks.KeyUnknown as error:
            raise NotSignedIn("the provider's token is signed with a key that it does not publish") from error

    async def _key_set(self, *, fresh: bool) -> object:
        async with self._asking:
            now = self._clock()
            again = fresh and now - self._asked_again > KEYS_AT_MOST_EVERY
            if again:
                self._asked_again = now
            if again or self._keys is None or now - self._keys[1] > REMEMBERED:
                self._keys = (await self._get(await self._endpoint("jwks_uri")), now)
            return self._keys[0]

    async def _discovered(self) -> Mapping[str, object]:
        now = self._clock()
        if self._published is None or now - self._published[1] > REMEMBERED:
            found = await self._get(self._client.issuer.rstrip("/") + _DISCOVERY)
            if found.get("issuer") != self._client.issuer:
                raise ProviderFailed(
                    f"the provider calls itself {str(found.get('issuer'))[:200]!a}, and the setting"
                    f" oidc_issuer says {self._client.issuer!a}"
                )
            self._published = (found, now)
        return self._published[0]

    async def _endpoint(self, name: str) -> str:
        found = (await self._discovered()).get(name)
        if not isinstance(found, str) or not is_protected(found):
            raise ProviderFailed(f"the provider publishes no usable {name}")
        return found

    async def _exchange(self, code: str, *, back: str, verifier: str) -> Mapping[str, object]:
        """Return the answer of the token endpoint, asked once: a code is good for one question."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
        form |= {"code_verifier": verifier, "client_id": self._client.client_id}
        headers = {}
        if secret := self._client.secret.reveal():
            named = await self._discovered()
            methods = named.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
            if isinstance(methods, list) and "client_secret_basic" not in methods:
                form["client_secret"] = secret
            else:
                headers["Authorization"] = aiohttp.BasicAuth(
                    _quoted(self._client.client_id), _quoted(secret)
                ).encode()
        endpoint = await self._endpoint("token_endpoint")
        status, answer = await self._asked("POST", endpoint, headers=headers, data=form)
        if status != 200:
            why = answer.get("error")
            words = why if isinstance(why, str) and why.isascii() and why.isprintable() else str(status)
            raise NotSignedIn(f"the provider did not accept its own code ({words[:60]}); try again")
        return answer

    async def _told(self, access_token: object) -> Mapping[str, object]:
        """Return what the userinfo endpoint tells; nothing where there is none."""
        endpoint = (await self._discovered()).get("userinfo_endpoint")
        usable = isinstance(endpoint, str) and is_protected(endpoint)
        if not usable or not isinstance(access_token, str):
            return {}
        headers = {"Authorization": f"Bearer {access_token}"}
        status, answer = await self._asked("GET", str(endpoint), headers=headers)
        if status != 200:
            raise ProviderFailed(f"the provider's userinfo answered {status}")
        return answer

    async def _get(self, url: str) -> Mapping[str, object]:
        status, answer = await self._asked("GET", url)
        if status != 200:
            raise ProviderFailed(f"{url} answered {status}")
        return answer

    async def _asked(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> tuple[int, Mapping[str, object]]:
        """Return status and document; redirects are not followed, as they would carry secrets along."""
        try:
            async with self._opened().request(
                method, url, headers=headers, data=data, allow_redirects=False
            ) as response:
                content = await response.content.read(LARGEST)
                answer = json.loads(content)
        except _BROKEN as error:
            host = urlsplit(url).netloc
            raise ProviderFailed(f"the sign-in provider at {host} did not answer as one") from error
        return response.status, answer if isinstance(answer, dict) else {}

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = ssl.create_default_context(cafile=self._client.ca_file or None)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context, limit_per_host=3),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept": "application/json", "User-Agent": "towline"},
                timeout=PATIENCE,
                trust_env=False,
            )
        return self._session


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a PKCE verifier (RFC 7636, 4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def is_protected(url: str) -> bool:
    """Whether an address is HTTPS, or on this machine, where nobody is in between."""
    split = urlsplit(url)
    local = split.hostname in ("127.0.0.1", "::1", "localhost")
    return bool(split.hostname) and (split.scheme == "https" or (split.scheme == "http" and local))


def _with_query(endpoint: str, query: Mapping[str, str]) -> str:
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"


def _quoted(text: str) -> str:
    """Return a part of client_secret_basic in its encoding (RFC 6749, 2.3.1)."""
    return urlencode({"": text})[1:]
