"""Registries that the form of a secret knows to begin with: their address, username and manual."""

from __future__ import annotations

from dataclasses import dataclass

from towline.domain.provider_table import PROVIDERS
from towline.domain.providers import Provider


@dataclass(frozen=True, slots=True)
class Preset:
    """A provider: what its registry's address looks like, the username where all have one, and where
    it says how one gets a login for pulling.
    """

    provider: Provider
    registry: str
    manual: str
    username: str = ""

    @property
    def title(self) -> str:
        """What people call it."""
        return PROVIDERS[self.provider].title

    @property
    def login(self) -> str:
        """Which login it wants, as a sentence."""
        words = PROVIDERS[self.provider].login
        return f"{words[:1].upper()}{words[1:]}."


_PRESETS = (
    Preset(Provider.DOCKER_HUB, "", "https://docs.docker.com/security/access-tokens/"),
    Preset(
        Provider.GHCR,
        "ghcr.io",
        "https://docs.github.com/packages/working-with-a-github-packages-registry/working-with-the-container-registry",
    ),
    Preset(Provider.GITLAB, "registry.gitlab.com", "https://docs.gitlab.com/user/project/deploy_tokens/"),
    Preset(Provider.QUAY, "quay.io", "https://docs.quay.io/glossary/robot-accounts.html"),
    Preset(
        Provider.ECR,
        "ACCOUNT.dkr.ecr.REGION.amazonaws.com",
        "https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html",
        username="AWS",
    ),
    Preset(
        Provider.GOOGLE,
        "REGION-docker.pkg.dev",
        "https://cloud.google.com/artifact-registry/docs/docker/authentication",
        username="_json_key",
    ),
    Preset(
        Provider.ACR,
        "NAME.azurecr.io",
        "https://learn.microsoft.com/azure/container-registry/container-registry-authentication",
    ),
    Preset(
        Provider.HARBOR,
        "",
        "https://goharbor.io/docs/latest/working-with-projects/project-configuration/create-robot-accounts/",
    ),
)
PRESETS = {preset.provider.value: preset for preset in _PRESETS}
