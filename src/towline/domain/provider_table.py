"""The table of providers: which login each wants, and how each words a fix."""

from __future__ import annotations

from towline.domain.cause import FindingCode
from towline.domain.providers import Provider, ProviderFacts

_F = FindingCode


def facts_of(provider: Provider) -> ProviderFacts:
    """Return what is special about a provider."""
    return PROVIDERS[provider]


PROVIDERS: dict[Provider, ProviderFacts] = {
    Provider.DOCKER_HUB: ProviderFacts(
        "Docker Hub",
        "your Docker ID (not the e-mail address) and a personal access token; "
        "or the organization's name and an organization access token",
        hides=True,
        fixes={
            _F.WRONG_CREDENTIALS: "Use the Docker ID (not the e-mail address) as username and a personal access "
            "token with 'Read-only' right as password, made under Account settings, Personal access tokens.",
            _F.ACCESS_TOKEN_REQUIRED: "With two-factor or single sign-on Docker Hub takes only personal access "
            "tokens: make one with 'Read-only' right under Account settings, Personal access tokens.",
            _F.REPOSITORY_NOT_FOUND_OR_HIDDEN: "Check the name NAMESPACE/REPOSITORY; if it is right, add this "
            "Docker ID to the repository's collaborators or to a team with 'Read-only' right.",
            _F.NO_PULL_PERMISSION: "Add this Docker ID to the repository's collaborators or to a team with "
            "'Read-only' right, or use an organization access token that covers the repository.",
            _F.RATE_LIMITED: "Name a secret with a Docker Hub login in the package (200 pulls in 6 hours, paid "
            "accounts unlimited; 100 for an address without login), or wait for the window's end.",
            _F.CREDENTIAL_EXPIRED: "Make a new personal or organization access token on Docker Hub.",
        },
    ),
    Provider.GHCR: ProviderFacts(
        "GitHub Container Registry",
        "any GitHub user name and a classic personal access token with scope read:packages",
        hides=True,
        fixes={
            _F.WRONG_CREDENTIALS: "Use a classic personal access token with scope read:packages as password "
            "(fine-grained tokens and account passwords do not open packages).",
            _F.TOKEN_SCOPE_MISSING: "Add the scope read:packages to the classic token, or make a new one with it.",
            _F.NO_PULL_PERMISSION: "Make sure the token is a classic one with scope read:packages, authorized for "
            "the organization's single sign-on, and that its user may read the package (Package settings, "
            "Manage access).",
            _F.REPOSITORY_NOT_FOUND_OR_HIDDEN: "Check OWNER/IMAGE; then that the token's user may read the package "
            "(Package settings, Manage access) and that the token is authorized for single sign-on.",
            _F.CREDENTIAL_EXPIRED: "Make a new classic token with scope read:packages; ghs_ tokens live one hour.",
        },
    ),
    Provider.GITLAB: ProviderFacts(
        "GitLab container registry",
        "a deploy token's name and value with scope read_registry, or a user name and a personal, project or "
        "group access token with that scope",
        hides=True,
        fixes={
            _F.WRONG_CREDENTIALS: "Use a deploy token with scope read_registry (its own user name and value); "
            "with two-factor authentication the account's password is not taken.",
            _F.ACCESS_TOKEN_REQUIRED: "Make a deploy token or personal access token with scope read_registry.",
            _F.NO_PULL_PERMISSION: "Give the token scope read_registry and its user at least the Reporter role in "
            "the project, or make a deploy token in the image's own project or group.",
            _F.TOKEN_SCOPE_MISSING: "Make a token with scope read_registry.",
        },
    ),
    Provider.QUAY: ProviderFacts(
        "Quay",
        "a robot account NAMESPACE+ROBOT and its token",
        hides=True,
        fixes={
            _F.WRONG_CREDENTIALS: "Use a robot account: username NAMESPACE+ROBOT, password its token "
            "(or $oauthtoken with an OAuth token); accounts with single sign-on need an encrypted password.",
            _F.ACCOUNT_DISABLED: "Have the user or its namespace enabled again by Quay's administrator, or make a "
            "robot account in a namespace that is in use.",
            _F.NO_PULL_PERMISSION: "Give the robot account 'Read' permission on the repository.",
            _F.REPOSITORY_NOT_FOUND_OR_HIDDEN: "Check NAMESPACE/REPOSITORY; then give the robot account 'Read' "
            "permission on it.",
        },
    ),
    Provider.HARBOR: ProviderFacts(
        "Harbor",
        "a robot account with its whole name, such as robot$project+name, and its secret; "
        "or with OIDC the user name and the CLI secret of the user's profile",
        hides=True,
        fixes={
            _F.WRONG_CREDENTIALS: "Use the robot account's whole name (robot$PROJECT+NAME; a shell may have eaten "
            "the $) and its secret; with OIDC use the CLI secret of the user's profile, not the password.",
            _F.NO_PULL_PERMISSION: "Give the robot account 'Pull Repository' on this project, and check that it "
            "has not expired: an expired robot may log in and not pull.",
            _F.REPOSITORY_NOT_FOUND_OR_HIDDEN: "Check PROJECT/REPOSITORY; then give the robot account 'Pull "
            "Repository' on this project, and check that it has not expired.",
            _F.IMAGE_BLOCKED_BY_POLICY: "The project's policy (vulnerabilities, content trust) holds the image "
            "back: look at its scan in Harbor, mend it, or add an allow-list entry.",
        },
    ),
    Provider.ECR: ProviderFacts(
        "Amazon ECR",
        "AWS as username and the output of 'aws ecr get-login-password', valid for 12 hours",
        hides=True,
        fixes={
            _F.WRONG_CREDENTIALS: "Use AWS as username and a fresh 'aws ecr get-login-password --region REGION' as "
            "password, of the same region as the registry's host.",
            _F.CREDENTIAL_EXPIRED: "ECR tokens live 12 hours: let Towline mint them (--mint ecr), or put a fresh "
            "'aws ecr get-login-password --region REGION' into the secret.",
            _F.NO_PULL_PERMISSION: "Allow ecr:BatchGetImage, ecr:GetDownloadUrlForLayer and "
            "ecr:BatchCheckLayerAvailability on the repository to the identity that made the token.",
        },
    ),
    Provider.GOOGLE: ProviderFacts(
        "Google Artifact Registry",
        "_json_key and the whole service account key file; or oauth2accesstoken and an access token (one hour)",
        hides=True,
        fixes={
            _F.WRONG_CREDENTIALS: "Use _json_key as username and the whole key file, byte for byte, as password "
            "(_json_key_base64 for its base64 form).",
            _F.CREDENTIAL_EXPIRED: "Access tokens live one hour: let Towline mint them (--mint google), or use "
            "_json_key with a service account's key file.",
            _F.NO_PULL_PERMISSION: "Grant the service account the role Artifact Registry Reader "
            "(roles/artifactregistry.reader) on the repository.",
            _F.REPOSITORY_NOT_FOUND_OR_HIDDEN: "Check LOCATION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE; then grant "
            "the service account the role Artifact Registry Reader.",
        },
    ),
    Provider.ACR: ProviderFacts(
        "Azure Container Registry",
        "a service principal's application id and secret, or a repository token's name and password",
        fixes={
            _F.WRONG_CREDENTIALS: "Use a service principal's application (client) id and its secret, or a "
            "repository token; the admin user works only where it is enabled.",
            _F.NO_PULL_PERMISSION: "Grant the service principal the role AcrPull on the registry, or add "
            "content/read for this repository to the token's scope map.",
            _F.CREDENTIAL_EXPIRED: "The service principal's secret or the token has expired: make a new one.",
            _F.ACCOUNT_DISABLED: "Enable the application or user in Microsoft Entra ID again, or use another "
            "service principal.",
        },
    ),
    Provider.ARTIFACTORY: ProviderFacts(
        "JFrog Artifactory",
        "your user name and an identity token or access token",
        hides=True,
        fixes={
            _F.WRONG_CREDENTIALS: "Use your Artifactory user name and an identity token (User profile, Generate an "
            "identity token) as password.",
            _F.NO_PULL_PERMISSION: "Give the user 'Read' permission on the docker repository in Artifactory.",
            _F.REPOSITORY_NOT_FOUND_OR_HIDDEN: "Check HOST/REPOSITORY-KEY/IMAGE: Artifactory wants the repository's "
            "key in the name unless it has a host or port of its own; then the user's 'Read' permission.",
            _F.IMAGE_BLOCKED_BY_POLICY: "Xray holds the image back: look at its violations in Artifactory.",
        },
    ),
    Provider.NEXUS: ProviderFacts(
        "Sonatype Nexus",
        "your user name and password, or a user token's name code and pass code",
        fixes={
            _F.WRONG_CREDENTIALS: "Use the Nexus user name and password, or both codes of a user token; where the "
            "repository uses tokens, the 'Docker Bearer Token Realm' must be active in Nexus.",
            _F.NOT_A_REGISTRY: "Use the port or host of the docker repository's own connector, not that of Nexus' "
            "web pages.",
            _F.NO_PULL_PERMISSION: "Give the user the privilege nx-repository-view-docker-NAME-read.",
        },
    ),
    Provider.ZOT: ProviderFacts(
        "zot",
        "a user name and password of its htpasswd file or directory, or an API key as password",
        fixes={
            _F.WRONG_CREDENTIALS: "Use a user name and password of zot's htpasswd file (bcrypt) or directory; where "
            "people sign in by OpenID Connect, an API key that zot made, with its user's name.",
            _F.NO_PULL_PERMISSION: "Give the user the action 'read' in zot's accessControl for this path.",
        },
    ),
    Provider.DISTRIBUTION: ProviderFacts(
        "CNCF Distribution (registry:2, registry:3)",
        "a user name and password of its htpasswd file, which must be bcrypt, or of its token server",
        fixes={
            _F.WRONG_CREDENTIALS: "Correct username and password; if they are right, check that the registry's "
            "htpasswd entry is bcrypt (htpasswd -B): other kinds are refused for everyone.",
        },
    ),
    Provider.OTHER: ProviderFacts("a registry", "the username and password or access token that it gave you"),
}
