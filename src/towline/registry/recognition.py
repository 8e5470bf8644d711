"""Whose registry this is, told by its host's name or by how it answers.

Facts, seen in answers: Artifactory's ``X-JFrog-Version``, Nexus' ``Server``, the service names that
Harbor and GitLab put into their challenges, Quay's and zot's realms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.domain.providers import Provider, provider_of_host

if TYPE_CHECKING:
    from towline.registry.challenge import Challenge
    from towline.registry.transport import Reply

_ARTIFACTORY = ("x-jfrog-version", "x-artifactory-id", "x-artifactory-node-id")
_API_VERSION = "docker-distribution-api-version"


def recognised(host: str, reply: Reply) -> Provider:
    """Return the provider of the registry at ``host`` that answered ``reply``."""
    by_host = provider_of_host(host)
    if by_host is not Provider.OTHER:
        return by_host
    return _by_headers(reply) or _by_challenges(reply) or _plain(reply)


def _by_headers(reply: Reply) -> Provider | None:
    if any(name in reply.headers for name in _ARTIFACTORY):
        return Provider.ARTIFACTORY
    if reply.headers.get("server", "").lower().startswith("nexus"):
        return Provider.NEXUS
    return None


def _by_challenges(reply: Reply) -> Provider | None:
    found = (_by_challenge(challenge) for challenge in reply.challenges)
    return next((provider for provider in found if provider), None)


def _by_challenge(challenge: Challenge) -> Provider | None:  # noqa: PLR0911  (one line a provider)
    realm, service = challenge.realm.lower(), challenge.service.lower()
    if challenge.scheme == "basic":
        if "nexus" in realm:
            return Provider.NEXUS
        return Provider.ARTIFACTORY if "artifactory" in realm else None
    if service == "harbor-registry":
        return Provider.HARBOR
    if service == "container_registry" and realm.endswith("/jwt/auth"):
        return Provider.GITLAB
    if "/artifactory/api/docker/" in realm:
        return Provider.ARTIFACTORY
    if realm.endswith("/v2/auth"):
        return Provider.QUAY
    if "/zot/" in realm or service == "zot":
        return Provider.ZOT
    return None


def _plain(reply: Reply) -> Provider:
    """Tell the two that answer as the specification's own software does."""
    if reply.headers.get(_API_VERSION, "").lower() != "registry/2.0":
        return Provider.OTHER
    basic = next((challenge for challenge in reply.challenges if challenge.scheme == "basic"), None)
    if basic is not None and basic.realm == "Authorization Required":
        return Provider.ZOT
    return Provider.DISTRIBUTION
