"""Whose registry it is, and what that means for people: forms of user names, kinds of tokens, fixes.

Facts: each provider's documentation on logging in from docker; ``docs/reference/providers.md`` shows them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from towline.domain.cause import FindingCode


class Provider(StrEnum):
    """Whose software or service a registry is."""

    DOCKER_HUB = "docker-hub"
    GHCR = "ghcr"
    GITLAB = "gitlab"
    QUAY = "quay"
    HARBOR = "harbor"
    ECR = "ecr"
    GOOGLE = "google"
    ACR = "acr"
    ARTIFACTORY = "artifactory"
    NEXUS = "nexus"
    ZOT = "zot"
    DISTRIBUTION = "distribution"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ProviderFacts:
    """What is special about a provider. ``login`` says which username and password it wants.

    ``hides`` tells that it answers the same for an absent repository and one that is not allowed;
    ``fixes`` replace the table's fix where the provider's own words help more.
    """

    title: str
    login: str
    hides: bool = False
    fixes: Mapping[FindingCode, str] = field(default_factory=dict)


_HOSTS: tuple[tuple[re.Pattern[str], Provider], ...] = tuple(
    (re.compile(pattern), provider)
    for pattern, provider in (
        (r"(?:.+\.)?docker\.io|registry\.hub\.docker\.com", Provider.DOCKER_HUB),
        (r"ghcr\.io|docker\.pkg\.github\.com|containers\.[a-z0-9-]+\.ghe\.com", Provider.GHCR),
        (r"registry\.gitlab\.[a-z0-9.-]+", Provider.GITLAB),
        (r"(?:.+\.)?quay\.io", Provider.QUAY),
        (r"\d{12}\.dkr[.-]ecr(?:-fips)?\.[a-z0-9-]+\.(?:amazonaws\.com(?:\.cn)?|on\.aws)", Provider.ECR),
        (r"public\.ecr\.aws", Provider.ECR),
        (r"[a-z0-9-]+-docker\.pkg\.dev|docker\.pkg\.dev|(?:[a-z]+\.)?gcr\.io", Provider.GOOGLE),
        (r"[a-z0-9-]+(?:\.[a-z0-9]+)?\.azurecr\.(?:io|cn|us)", Provider.ACR),
        (r".+\.jfrog\.io", Provider.ARTIFACTORY),
        (r"(?:demo|registry)\.goharbor\.io", Provider.HARBOR),
    )
)

_ECR_REGION = re.compile(r"\d{12}\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)")

_WEB_PAGES = {
    "github.com": "ghcr.io",
    "gitlab.com": "registry.gitlab.com",
    "hub.docker.com": "docker.io",
    "cloud.docker.com": "docker.io",
    "console.aws.amazon.com": "ACCOUNT.dkr.ecr.REGION.amazonaws.com",
    "console.cloud.google.com": "REGION-docker.pkg.dev",
    "portal.azure.com": "NAME.azurecr.io",
}


def provider_of_host(host: str) -> Provider:
    """Return whose registry answers at ``host``, as far as the name tells."""
    bare = host.lower().rstrip(".")
    return next((provider for form, provider in _HOSTS if form.fullmatch(bare)), Provider.OTHER)


def ecr_region(host: str) -> str:
    """Return the region that the host of an Amazon registry names; empty for other hosts."""
    bare = host.lower().rstrip(".")
    if bare == "public.ecr.aws":
        return "us-east-1"
    found = _ECR_REGION.fullmatch(bare)
    return found[1] if found else ""


def registry_behind(host: str) -> str:
    """Return the registry's host where ``host`` is that of its web pages; empty where nothing is known."""
    return _WEB_PAGES.get(host.lower().rstrip("."), "")
