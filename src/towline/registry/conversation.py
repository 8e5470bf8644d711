"""One conversation with one registry: find its scheme, hear its challenge, answer it once.

A refused password is never sent a second time in a conversation.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from yarl import URL

from towline.domain.causes import FindingCode
from towline.domain.providers import Provider, provider_of_host
from towline.domain.registry import HUB_API_HOST
from towline.registry.auth import basic_header, bearer_of, forms_of, token_request
from towline.registry.challenge import chosen
from towline.registry.failures import NoAnswer, TooLarge
from towline.registry.realm import RealmRefused, checked_realm
from towline.registry.recognition import recognised
from towline.registry.redirects import MOST_REDIRECTS, redirected
from towline.registry.refusal import Asked, Refused, token_refusal
from towline.registry.transport import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.domain.registry import RegistryAddress
    from towline.domain.workload import PullAccess
    from towline.registry.auth import Bearer
    from towline.registry.challenge import Challenge
    from towline.registry.transport import Reply, Trail, Transport

NOBODY = ":"
"""Who asks without a login but for an image, as a registry counts that; no user's name has a colon."""

CLOCKS_APART = timedelta(seconds=60)


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
        if access.credential is not None:
            trail.blot.hide(*forms_of(access.credential))
        self._account = access.credential.username if access.credential else NOBODY
        self._header = ""
        self._sent = "none"
        self.accepted = False
        """Whether the registry or its token server has accepted the credential."""
        self.provider = provider_of_host(self._base.host or "")
        self.challenged: Reply | None = None
        """The answer whose challenge was met: what a further conversation can begin with."""
        self.is_open = False
        """Whether ``/v2/`` answered without any login: to be let in there proves nothing then."""
        self._dates: dict[str, datetime] = {}

    @property
    def base(self) -> URL:
        """``scheme://host[:port]`` of the registry."""
        return self._base

    @property
    def access(self) -> PullAccess:
        """With what this conversation is held."""
        return self._access

    @property
    def may_repeat(self) -> bool:
        """Whether the authorization at hand may be sent again after a 401: a refused password may not."""
        return self._sent != "basic" or self.accepted

    @property
    def asked(self) -> Asked:
        """As whom the registry is being asked."""
        has_credential = self._access.credential is not None
        return Asked(
            has_credential, self.accepted, provider=self.provider, clocks_differ=self._clocks_differ()
        )

    def anonymously(self) -> Conversation:
        """Return a conversation with the same registry without the credential, the scheme known already."""
        return self.beginning(replace(self._access, credential=None), self._trail)

    def beginning(self, access: PullAccess, trail: Trail) -> Conversation:
        """Return another conversation with the same registry, the scheme known already."""
        other = Conversation(self._transport, self._address, access, trail)
        other._base = self._base
        other.provider = self.provider
        return other

    def continued(self, trail: Trail) -> Conversation:
        """Return this conversation with its authorization, noting in ``trail`` what is asked from now on."""
        other = Conversation(self._transport, self._address, self._access, trail)
        other._base, other.provider = self._base, self.provider
        other._header = self._header
        other._sent = self._sent
        other.accepted = self.accepted
        other.challenged = self.challenged
        other.is_open = self.is_open
        if self._sent == "bearer":
            trail.blot.hide(self._header.removeprefix("Bearer "))
        return other

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

    async def look(self, method: str, path: str, headers: Mapping[str, str]) -> Reply:
        """Ask as ``ask`` does; redirects are followed where the request carries nothing of a login."""
        request = self.request(method, path, headers)
        reply = await self._send(request)
        carries_login = request.sent != "none" and self._access.credential is not None
        for _ in range(0 if carries_login else MOST_REDIRECTS):
            onward = redirected(request, reply.status, reply.headers.get("location"))
            if onward is None:
                break
            request = onward
            reply = await self._transport.ask(request, self._access.settings, self._trail)
        return reply

    def request(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> Request:
        """Return the request for ``path`` with the authorization at hand."""
        authorization = {"Authorization": self._header} if self._header else {}
        url = self._base.with_path(path) if "?" not in path else self._base.join(URL(path))
        account = self._account if self._header else ""
        return Request(method, url, {**(headers or {}), **authorization}, sent=self._sent, account=account)

    async def authorize(self, reply: Reply, *, scope: str) -> Bearer | None:
        """Answer the challenge in ``reply``; return the token where one was given.

        Raises Refused. Without a challenge nothing is sent.
        """
        challenge = chosen(reply.challenges)
        if challenge is None:
            return None
        self.challenged = reply
        if challenge.scheme == "basic":
            self._use_basic()
            return None
        bearer = await self.token(challenge, scope=scope)
        self.use(bearer)
        return bearer

    def use(self, bearer: Bearer) -> None:
        """Send ``bearer`` from now on."""
        self._trail.blot.hide(bearer.header.removeprefix("Bearer "))
        self._header, self._sent = bearer.header, "bearer"

    async def token(self, challenge: Challenge, *, scope: str) -> Bearer:
        """Return a token from the realm that ``challenge`` names; raise Refused."""
        credential = self._access.credential
        allowed = self._access.settings.realm_hosts
        try:
            realm = checked_realm(
                challenge.realm, registry=self._base, allowed=allowed, anonymous=credential is None
            )
        except RealmRefused as refusal:
            raise Refused(FindingCode.REALM_REFUSED, str(refusal)) from refusal
        request = token_request(realm, service=challenge.service, scope=scope, credential=credential)
        request = replace(request, led_by=self._base, account=self._account)
        try:
            reply = await self._transport.ask(request, self._access.settings, self._trail)
        except TooLarge as failure:
            raise Refused(FindingCode.TOKEN_SERVER_ERROR, str(failure)) from failure
        except NoAnswer as failure:
            if failure.code is FindingCode.REGISTRY_ADDRESS_REFUSED:
                raise Refused(FindingCode.REALM_REFUSED, str(failure)) from failure
            raise
        self._note_date("token server", reply)
        bearer = bearer_of(reply) if reply.status == 200 else None
        if bearer is None:
            raise token_refusal(reply, self.asked, scope=scope)
        self.accepted = credential is not None
        return bearer

    def _use_basic(self) -> None:
        if self._access.credential is None:
            raise Refused(FindingCode.SECRET_NEEDED, f"{self._base.host} asks for a username and password")
        if self._access.credential.is_identity_token:
            said = f"{self._base.host} asks for a username and password, the secret holds an identity token"
            raise Refused(FindingCode.CREDENTIAL_INCOMPLETE, said)
        self._header, self._sent = basic_header(self._access.credential), "basic"

    async def _ask(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        return await self._send(self.request(method, path, headers))

    async def _send(self, request: Request) -> Reply:
        reply = await self._transport.ask(request, self._access.settings, self._trail)
        self._note_date("registry", reply)
        if self.provider is Provider.OTHER:
            self.provider = recognised(self._base.host or "", reply)
        return reply

    def _note_date(self, who: str, reply: Reply) -> None:
        try:
            self._dates[who] = parsedate_to_datetime(reply.headers.get("date", ""))
        except (ValueError, OverflowError):
            self._dates.pop(who, None)

    def _clocks_differ(self) -> bool:
        """Whether registry and token server disagree about the time by more than a token bears."""
        try:
            apart = abs(self._dates["registry"] - self._dates["token server"])
        except (KeyError, TypeError):
            return False
        return apart > CLOCKS_APART


def _base(address: RegistryAddress, *, plain_http: bool) -> URL:
    scheme = "http" if plain_http or address.plain_http else "https"
    host = HUB_API_HOST if address.is_hub else address.host
    return URL.build(scheme=scheme, host=host, port=address.port)
