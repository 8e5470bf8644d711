"""One conversation with one registry: find its scheme, hear its challenge, answer it once.

A refused password is never sent a second time in a conversation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yarl import URL

from towline.domain.causes import FindingCode
from towline.domain.registry import HUB_API_HOST
from towline.registry.auth import basic_header, bearer_of, token_request
from towline.registry.challenge import chosen
from towline.registry.failures import NoAnswer
from towline.registry.realm import RealmRefused, checked_realm
from towline.registry.transport import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.domain.registry import RegistryAddress
    from towline.domain.workload import PullAccess
    from towline.registry.auth import Bearer
    from towline.registry.challenge import Challenge
    from towline.registry.transport import Reply, Trail, Transport


class Refused(Exception):
    """The registry said no; ``accepted`` tells whether it had accepted the login before."""

    def __init__(self, code: FindingCode, detail: str = "", *, accepted: bool = False) -> None:
        self.code = code
        self.accepted = accepted
        super().__init__(detail)


class Conversation:
    """Asks one registry with one access."""

    def __init__(
        self, transport: Transport, address: RegistryAddress, access: PullAccess, trail: Trail
    ) -> None:
        self._transport = transport
        self._address = address
        self._access = access
        self._trail = trail
        self._base = _base(address, plain_http=access.plain_http)
        self._header = ""
        self._sent = "none"
        self.accepted = False
        """Whether the registry or its token server has accepted the credential."""

    @property
    def base(self) -> URL:
        """``scheme://host[:port]`` of the registry."""
        return self._base

    @property
    def access(self) -> PullAccess:
        """With what this conversation is held."""
        return self._access

    async def ping(self) -> Reply:
        """Ask for ``/v2/`` without a credential, finding out the scheme of loopback registries on the way."""
        try:
            return await self._ask("GET", "/v2/")
        except NoAnswer as failure:
            may_be_plain = self._address.is_loopback and self._base.scheme == "https"
            if failure.code is not FindingCode.PLAIN_HTTP_REGISTRY or not may_be_plain:
                raise
        self._base = self._base.with_scheme("http")
        return await self._ask("GET", "/v2/")

    async def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Ask with the authorization at hand."""
        return await self._ask(method, path, headers=headers)

    def request(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> Request:
        """Return the request for ``path`` with the authorization at hand."""
        authorization = {"Authorization": self._header} if self._header else {}
        url = self._base.with_path(path) if "?" not in path else self._base.join(URL(path))
        return Request(method, url, {**(headers or {}), **authorization}, sent=self._sent)

    async def authorize(self, reply: Reply, *, scope: str) -> Bearer | None:
        """Answer the challenge in ``reply``; return the token where one was given.

        Raises Refused. Without a challenge nothing is sent.
        """
        challenge = chosen(reply.challenges)
        if challenge is None:
            return None
        if challenge.scheme == "basic":
            self._use_basic()
            return None
        bearer = await self.token(challenge, scope=scope)
        self.use(bearer)
        return bearer

    def use(self, bearer: Bearer) -> None:
        """Send ``bearer`` from now on."""
        self._header, self._sent = bearer.header, "bearer"

    async def token(self, challenge: Challenge, *, scope: str) -> Bearer:
        """Return a token from the realm that ``challenge`` names; raise Refused."""
        credential = self._access.credential
        allowed = self._access.settings.realm_hosts
        try:
            realm = checked_realm(challenge.realm, registry=self._base, allowed=allowed)
        except RealmRefused as refusal:
            raise Refused(FindingCode.REALM_REFUSED, str(refusal)) from refusal
        request = token_request(realm, service=challenge.service, scope=scope, credential=credential)
        reply = await self._transport.ask(request, self._access.settings, self._trail)
        bearer = bearer_of(reply) if reply.status == 200 else None
        if bearer is None:
            raise _token_refusal(reply, has_credential=credential is not None)
        self.accepted = credential is not None
        return bearer

    def _use_basic(self) -> None:
        if self._access.credential is None:
            raise Refused(FindingCode.SECRET_NEEDED, f"{self._base.host} asks for a username and password")
        self._header, self._sent = basic_header(self._access.credential), "basic"

    async def _ask(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        request = self.request(method, path, headers)
        return await self._transport.ask(request, self._access.settings, self._trail)


def _base(address: RegistryAddress, *, plain_http: bool) -> URL:
    scheme = "http" if plain_http or address.plain_http else "https"
    host = HUB_API_HOST if address.is_hub else address.host
    return URL.build(scheme=scheme, host=host, port=address.port)


def _token_refusal(reply: Reply, *, has_credential: bool) -> Refused:
    said = reply.text()
    if is_blocked(reply):
        return Refused(FindingCode.LOGIN_BLOCKED, said)
    if reply.status == 429:
        return Refused(FindingCode.RATE_LIMITED, _limit(reply))
    if 300 <= reply.status < 400:
        return Refused(FindingCode.REDIRECT_REFUSED, f"the token server answered {reply.status}, a redirect")
    if reply.status == 401 or (reply.status == 400 and reply.says("invalid_grant")):
        return _login_refused(said, has_credential=has_credential)
    if reply.status == 403:
        code = FindingCode.NO_PULL_PERMISSION if has_credential else FindingCode.SECRET_NEEDED
        return Refused(code, said)
    return Refused(FindingCode.REGISTRY_ERROR, f"the token server answered {reply.status} {said}".strip())


def _login_refused(said: str, *, has_credential: bool) -> Refused:
    if not has_credential:
        return Refused(FindingCode.SECRET_NEEDED, said)
    expired = "expired" in said.lower()
    return Refused(FindingCode.CREDENTIAL_EXPIRED if expired else FindingCode.WRONG_CREDENTIALS, said)


def is_blocked(reply: Reply) -> bool:
    """Whether the registry refuses logins because of earlier failures."""
    said = reply.text().lower()
    return reply.status in (401, 403, 429) and "too many failed login" in said


def _limit(reply: Reply) -> str:
    after = reply.headers.get("retry-after", "")
    return f"{reply.text()} (retry after {after[:40]})" if after else reply.text()


def refusal_of(reply: Reply, *, has_credential: bool, accepted: bool) -> Refused:
    """Return what a registry's refusal of a login or manifest means, 404 left aside."""
    said = reply.text()
    if is_blocked(reply):
        return Refused(FindingCode.LOGIN_BLOCKED, said)
    if reply.status == 429:
        return Refused(FindingCode.RATE_LIMITED, _limit(reply), accepted=accepted)
    if reply.status == 400 and b"HTTP request to an HTTPS server" in reply.body:
        return Refused(FindingCode.HTTPS_ON_HTTP_PORT, said)
    if 300 <= reply.status < 400:
        return Refused(
            FindingCode.REDIRECT_REFUSED,
            f"the registry answered {reply.status}, a redirect",
            accepted=accepted,
        )
    if reply.status in (401, 403):
        return _denied(reply, said, has_credential=has_credential, accepted=accepted)
    return Refused(
        FindingCode.REGISTRY_ERROR, f"the registry answered {reply.status} {said}".strip(), accepted=accepted
    )


def _denied(reply: Reply, said: str, *, has_credential: bool, accepted: bool) -> Refused:
    challenge = chosen(reply.challenges)
    if challenge and challenge.error == "invalid_token":
        return Refused(FindingCode.TOKEN_NOT_ACCEPTED, said, accepted=accepted)
    if not has_credential:
        return Refused(FindingCode.SECRET_NEEDED, said)
    if accepted:
        return Refused(FindingCode.NO_PULL_PERMISSION, said, accepted=True)
    if reply.status == 401:
        return _login_refused(said, has_credential=True)
    return Refused(FindingCode.NO_PULL_PERMISSION, said, accepted=bool(reply.errors))
