"""Azure Container Registry: a service principal's token of Microsoft Entra, exchanged for the registry's own.

Specs: learn.microsoft.com, "OAuth 2.0 client credentials flow"; Azure/acr docs/AAD-OAuth.md (``POST
/oauth2/exchange``). The refresh token is a JWT that tells its end, and the password of the zero GUID.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from yarl import URL

from towline.domain.causes import FindingCode
from towline.domain.credential import Credential, Password
from towline.domain.minting import MINTS, Grant, MintKind
from towline.domain.token_texts import expiry_of
from towline.registry.minting.steps import (
    NotMinted,
    answered,
    document_in,
    malformed,
    no_token,
    refuse_trouble,
    text_of,
    trouble,
)
from towline.registry.transport import Reply, Request

if TYPE_CHECKING:
    from datetime import datetime

    from towline.domain.minting import MintOrder
    from towline.registry.minting.steps import Steps

_FACTS = MINTS[MintKind.ACR]
_CLOUDS = {
    ".azurecr.cn": ("https://login.chinacloudapi.cn", "https://containerregistry.azure.cn/.default"),
    ".azurecr.us": ("https://login.microsoftonline.us", "https://containerregistry.azure.us/.default"),
}
_PUBLIC = ("https://login.microsoftonline.com", "https://containerregistry.azure.net/.default")
_NUMBER = re.compile(r"AADSTS(\d+)")
_UNKNOWN = frozenset({"90002", "900023", "900382", "500011", "70011", "1002012"})
"""Numbers of Entra: tenant unknown, tenant's name malformed, resource unknown, scope malformed."""
_READER = (
    "Give the service principal the role AcrPull (or Container Registry Repository Reader) on the registry, "
    "then verify the secret again; a new role takes some minutes."
)


@dataclass(frozen=True, slots=True)
class AcrMinting:
    """A registry's refresh token on its way."""

    order: MintOrder
    client_id: str
    tenant: str
    password: str = field(repr=False)

    @classmethod
    def of(cls, order: MintOrder, text: str) -> AcrMinting:
        """Return it; raise InvalidInput for a parent credential that is no service principal."""
        document = document_in(text, wanted=_FACTS.key)
        client_id = text_of(document, "appId") or text_of(document, "clientId")
        password = text_of(document, "password") or text_of(document, "clientSecret")
        tenant = order.mint.settings.get("tenant") or (
            text_of(document, "tenant") or text_of(document, "tenantId")
        )
        if not client_id or not password:
            raise malformed("holds no appId or no password", _FACTS.key)
        if not tenant:
            raise malformed("names no tenant", "it there, or as the setting 'tenant'")
        return cls(order, client_id, tenant, password)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no text may show."""
        return (self.password,)

    def steps(self, now: datetime) -> Steps:
        """Ask Entra for a token, and the registry to exchange it."""
        reply = yield self._at_entra()
        refuse_trouble(reply)
        access = text_of(answered(reply), "access_token") if reply.status == 200 else ""
        if not access:
            raise no_token("access token of Entra") if reply.status == 200 else _refused_by_entra(reply)
        reply = yield self._at_registry(access)
        refuse_trouble(reply)
        if reply.status != 200:
            raise _refused_by_registry(reply)
        token = text_of(answered(reply), "refresh_token")
        expires_at = expiry_of(token)
        if expires_at is None:
            raise no_token("refresh token that tells its end")
        return Grant(Credential(_FACTS.username, Password(token)), now, expires_at)

    def _at_entra(self) -> Request:
        host = self.order.registry.host
        authority, scope = next((place for end, place in _CLOUDS.items() if host.endswith(end)), _PUBLIC)
        settings = self.order.mint.settings
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.password,
            "scope": settings.get("scope") or scope,
        }
        base = (settings.get("endpoint") or authority).rstrip("/")
        url = URL(f"{base}/{quote(self.tenant, safe='')}/oauth2/v2.0/token")
        return Request("POST", url, sent="client-secret", form=form)

    def _at_registry(self, access: str) -> Request:
        registry = self.order.registry
        scheme = "http" if registry.plain_http else "https"
        url = URL(f"{scheme}://{registry.netloc}/oauth2/exchange")
        form = {
            "grant_type": "access_token",
            "service": registry.netloc,
            "tenant": self.tenant,
            "access_token": access,
        }
        return Request("POST", url, sent="entra-token", form=form)


def _refused_by_entra(reply: Reply) -> NotMinted:
    document = answered(reply)
    code, words = text_of(document, "error"), text_of(document, "error_description")
    said = f"{code}: {words}" if words else code
    found = _NUMBER.search(words)
    number = found[1] if found else ""
    if number in _UNKNOWN or code == "invalid_scope":
        return NotMinted(FindingCode.MINT_TARGET_UNKNOWN, said)
    if code in ("invalid_client", "unauthorized_client", "invalid_grant"):
        return NotMinted(FindingCode.MINT_CREDENTIAL_REFUSED, said)
    return trouble(reply, said=said)


def _refused_by_registry(reply: Reply) -> NotMinted:
    said = f"the registry answered {reply.status} to the exchange: {reply.text()}"
    if reply.status in (401, 403):
        return NotMinted(FindingCode.MINT_NOT_ALLOWED, said, fix=_READER)
    if reply.status == 404:
        return NotMinted(FindingCode.MINT_TARGET_UNKNOWN, f"{said}; is it an Azure registry?")
    return trouble(reply)
