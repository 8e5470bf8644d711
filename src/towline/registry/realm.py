"""Where a login may be sent: the token server that a registry's challenge names (security rule 3).

The realm comes from the server, so a malicious registry could name any URL. Facts and rules:
GHSA-3p65-76g6-3w7r (distribution), GHSA-xf85-363p-868w (oras-go).
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Collection

from publicsuffixlist import PublicSuffixList
from yarl import URL

KNOWN_PAIRS = frozenset(
    {
        ("registry-1.docker.io", "auth.docker.io"),
        ("registry.gitlab.com", "gitlab.com"),
        ("registry.redhat.io", "sso.redhat.com"),
        ("registry.connect.redhat.com", "sso.redhat.com"),
        *((f"rg.{region}.scw.cloud", "api.scaleway.com") for region in ("fr-par", "nl-ams", "pl-waw")),
    }
)


class RealmRefused(Exception):
    """The realm is not one that this registry's login may be sent to; the text says why."""


def checked_realm(realm: str, *, registry: URL, allowed: Collection[str], anonymous: bool = False) -> URL:
    """Return the token server's URL if a login for ``registry`` may be sent there; raise RealmRefused.

    Asked ``anonymous``ly, any public server will do: there is no login to steal, yet a registry must not
    make us ask inside our own network either.
    """
    try:
        url = URL(realm)
        host = url.raw_host
    except ValueError as error:
        raise RealmRefused("the challenge names a token server that is no URL") from error
    if url.scheme not in ("http", "https") or not host:
        raise RealmRefused("the challenge names no token server")
    if url.user is not None or url.password is not None:
        raise RealmRefused("the token server's URL holds a user name or password")
    if url.scheme == "http" and registry.scheme == "https":
        raise RealmRefused(f"the token server {host} is asked over plain HTTP, the registry over HTTPS")
    if not _belongs(registry.raw_host or "", host, allowed=allowed) and not (anonymous and _is_public(host)):
        raise RealmRefused(f"the registry {registry.raw_host} sends logins to {host}")
    return url.with_fragment(None)


def _belongs(registry: str, realm: str, *, allowed: Collection[str]) -> bool:
    registry, realm = registry.rstrip(".").lower(), realm.rstrip(".").lower()
    if registry == realm or (registry, realm) in KNOWN_PAIRS or realm in {each.lower() for each in allowed}:
        return True
    if _is_address(registry) or _is_address(realm):
        return False
    own = _suffixes().privatesuffix(registry)
    return own is not None and own == _suffixes().privatesuffix(realm)


def _is_public(host: str) -> bool:
    """Whether ``host`` is no literal address of a closed network; names are checked when dialled."""
    return not _is_address(host) or ipaddress.ip_address(host).is_global


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@functools.cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=False)
