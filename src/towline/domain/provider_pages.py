"""Where at a provider a fix is made or explained: a link, and a command of its own tools if there is one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from towline.domain.cause import FindingCode
from towline.domain.providers import Provider

_F = FindingCode
_LOGINS = frozenset(
    {
        _F.WRONG_CREDENTIALS,
        _F.ACCESS_TOKEN_REQUIRED,
        _F.CREDENTIAL_EXPIRED,
        _F.CREDENTIAL_INCOMPLETE,
        _F.TOKEN_SCOPE_MISSING,
    }
)
_RIGHTS = frozenset({_F.NO_PULL_PERMISSION, _F.REPOSITORY_NOT_FOUND_OR_HIDDEN})
_REGION = re.compile(r"\.ecr(?:-fips)?\.([a-z0-9-]+)\.")


@dataclass(frozen=True, slots=True)
class Pages:
    """A provider's pages about its logins and its rights, and about single findings.

    ``command`` makes a new password and hands it to ``towline``; it has the fields of ``Cause.command``
    and ``region``.
    """

    logins: str
    rights: str = ""
    command: str = ""
    others: Mapping[FindingCode, str] = field(default_factory=dict)


def page_of(provider: str, code: FindingCode) -> str:
    """Return the page about a finding at a provider; empty where none is known."""
    pages = PAGES.get(provider)
    if pages is None:
        return ""
    if code in _LOGINS:
        return pages.logins
    return pages.rights if code in _RIGHTS else pages.others.get(code, "")


def command_of(provider: str, code: FindingCode, *, host: str) -> str:
    """Return the provider's own command that mends a finding; empty where there is none."""
    pages = PAGES.get(provider)
    if pages is None or code not in _LOGINS:
        return ""
    region = _REGION.search(host)
    return pages.command.replace("{region}", region[1] if region else "REGION")


PAGES: dict[str, Pages] = {
    Provider.DOCKER_HUB: Pages(
        "https://app.docker.com/settings/personal-access-tokens",
        "https://docs.docker.com/docker-hub/repos/manage/access/",
        others={_F.RATE_LIMITED: "https://docs.docker.com/docker-hub/usage/"},
    ),
    Provider.GHCR: Pages(
        "https://github.com/settings/tokens/new?description=towline&scopes=read:packages",
        "https://docs.github.com/en/packages/learn-github-packages/"
        "configuring-a-packages-access-control-and-visibility",
    ),
    Provider.GITLAB: Pages(
        "https://docs.gitlab.com/user/project/deploy_tokens/",
        "https://docs.gitlab.com/user/packages/container_registry/authenticate_with_container_registry/",
    ),
    Provider.QUAY: Pages(
        "https://docs.quay.io/glossary/robot-accounts.html",
        "https://docs.quay.io/guides/repo-permissions.html",
    ),
    Provider.HARBOR: Pages(
        "https://goharbor.io/docs/main/working-with-projects/project-configuration/create-robot-accounts/",
        "https://goharbor.io/docs/main/administration/managing-users/user-permissions-by-role/",
        others={
            _F.IMAGE_BLOCKED_BY_POLICY: "https://goharbor.io/docs/main/working-with-projects/"
            "project-configuration/implementing-content-trust/",
        },
    ),
    Provider.ECR: Pages(
        "https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html",
        "https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policies.html",
        command="aws ecr get-login-password --region {region} | "
        "towline secret update {secret} --username AWS --password-stdin",
    ),
    Provider.GOOGLE: Pages(
        "https://cloud.google.com/artifact-registry/docs/docker/authentication",
        "https://cloud.google.com/artifact-registry/docs/access-control",
        command="towline secret update {secret} --username _json_key --password-stdin < KEY.json",
    ),
    Provider.ACR: Pages(
        "https://learn.microsoft.com/azure/container-registry/container-registry-auth-service-principal",
        "https://learn.microsoft.com/azure/container-registry/container-registry-roles",
    ),
    Provider.ARTIFACTORY: Pages(
        "https://jfrog.com/help/r/jfrog-platform-administration-documentation/access-tokens",
        "https://jfrog.com/help/r/jfrog-platform-administration-documentation/permissions",
    ),
    Provider.NEXUS: Pages(
        "https://help.sonatype.com/en/docker-authentication.html",
        "https://help.sonatype.com/en/privileges.html",
    ),
    Provider.ZOT: Pages("https://zotregistry.dev/latest/articles/authn-authz/"),
    Provider.DISTRIBUTION: Pages("https://distribution.github.io/distribution/about/deploying/"),
}
