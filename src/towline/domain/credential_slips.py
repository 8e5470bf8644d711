"""Slips: what is likely wrong with a username or password, told without asking any registry.

Every rule is one that people are known to run into at that provider. Nothing here quotes a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.domain.provider_table import facts_of
from towline.domain.providers import Provider
from towline.domain.token_texts import PREFIXES, is_key_file, unbase64

if TYPE_CHECKING:
    from datetime import datetime

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Something about a credential that is likely wrong. ``field`` is the one to look at."""

    code: str
    field: str
    problem: str
    fix: str


def slips(provider: Provider, username: str, password: str) -> tuple[Suspicion, ...]:
    """Return what is likely wrong with the username and password at a registry of ``provider``."""
    found = [*_copying(username, password), *_foreign(provider, password.strip())]
    check = _BY_PROVIDER.get(provider)
    return (*found, *(check(username, password) if check else ()))


def expired(at: datetime) -> Suspicion:
    """Return what is wrong with a token that ended at ``at``."""
    problem = f"the token in it expired at {at:%Y-%m-%d %H:%M} UTC"
    return Suspicion("expired", "password", problem, "make a new token at the registry")


def _copying(username: str, password: str) -> Iterator[Suspicion]:
    """Yield what goes wrong when passwords are copied."""
    yield from _blanks(username, password)
    bare = password.strip()
    if re.match(r"(?i)(?:bearer|basic)\s", bare):
        yield Suspicion(
            "scheme-pasted",
            "password",
            "it begins with 'Bearer ' or 'Basic ', which is not part of a password",
            "enter only what follows that word",
        )
    if re.fullmatch(r"\$\{?[A-Za-z_][A-Za-z0-9_]*\}?|\{\{.*\}\}", bare):
        yield Suspicion(
            "placeholder",
            "password",
            "it looks like the name of a variable that was not filled in",
            "enter the variable's value",
        )
    yield from _whole_documents(username, bare)


def _blanks(username: str, password: str) -> Iterator[Suspicion]:
    if password != password.rstrip("\r\n"):
        yield Suspicion(
            "trailing-newline",
            "password",
            "it ends in a line break, which is sent as part of it",
            "enter it without the last line break (printf '%s' instead of echo)",
        )
    elif password != password.strip():
        yield Suspicion(
            "outer-blanks",
            "password",
            "it begins or ends with a blank, which is sent as part of it",
            "remove the blank unless it belongs to the password",
        )
    if username != username.strip():
        yield Suspicion("outer-blanks", "username", "it begins or ends with a blank", "remove the blank")


def _whole_documents(username: str, bare: str) -> Iterator[Suspicion]:
    if _is_pasted_auth(username, bare):
        yield Suspicion(
            "auth-pasted",
            "password",
            "it is base64 of username:password, the 'auth' value of a config.json",
            "enter the part after the first colon of the decoded text",
        )
    elif bare.startswith("{") and '"auths"' in bare:
        yield Suspicion(
            "config-pasted",
            "password",
            "it is a whole docker config.json",
            "enter only the password in it",
        )


def _foreign(provider: Provider, password: str) -> Iterator[Suspicion]:
    for prefix, kind, owner in PREFIXES:
        if password.startswith(prefix) and provider not in (owner, Provider.OTHER):
            if provider in _SELF_HOSTED:
                return
            yield Suspicion(
                "token-of-another-registry",
                "password",
                f"it looks like {kind}, and the registry is {facts_of(provider).title}",
                "check registry and password: they do not seem to belong together",
            )
            return


def _hub(username: str, password: str) -> Iterator[Suspicion]:
    if _EMAIL.fullmatch(username.strip()):
        yield Suspicion(
            "email-as-username",
            "username",
            "it is an e-mail address, and Docker Hub's registry wants the Docker ID",
            "enter the Docker ID (the name in the address of your profile)",
        )
    if password.startswith("dckr_oat_") and "@" in username:
        yield Suspicion(
            "organization-name",
            "username",
            "an organization access token goes with the organization's name",
            "enter the organization's name",
        )


def _ghcr(_username: str, password: str) -> Iterator[Suspicion]:
    bare = password.strip()
    if bare.startswith("github_pat_"):
        yield Suspicion(
            "fine-grained-token",
            "password",
            "it is a fine-grained token, which does not open GitHub's container registry",
            "make a classic token with scope read:packages",
        )
    elif bare.startswith("ghs_"):
        yield Suspicion(
            "short-lived",
            "password",
            "it is a token of an app or a job that ends within an hour",
            "make a classic token with scope read:packages",
        )
    elif not bare.startswith(("ghp_", "gho_", "ghu_")):
        yield Suspicion(
            "not-a-token",
            "password",
            "GitHub's registry takes no account passwords, and this does not look like a token",
            "make a classic token with scope read:packages (it begins with ghp_)",
        )


def _gitlab(username: str, password: str) -> Iterator[Suspicion]:
    bare = password.strip()
    if username == "gitlab-ci-token" or bare.startswith("glcbt-"):
        yield Suspicion(
            "short-lived",
            "password",
            "a CI job's token ends with its job",
            "make a deploy token with scope read_registry",
        )
    elif not bare.startswith(("glpat-", "gldt-", "gloas-")):
        yield Suspicion(
            "password-with-2fa",
            "password",
            "it does not look like a token; with two-factor authentication GitLab refuses passwords",
            "make a deploy token with scope read_registry",
        )


def _quay(username: str, _password: str) -> Iterator[Suspicion]:
    if _EMAIL.fullmatch(username.strip()):
        yield Suspicion(
            "email-as-username",
            "username",
            "it is an e-mail address, and Quay wants a user name or robot account",
            "enter NAMESPACE+ROBOT",
        )


def _harbor(username: str, _password: str) -> Iterator[Suspicion]:
    if username.startswith("robot") and "$" not in username and "+" in username:
        yield Suspicion(
            "dollar-lost",
            "username",
            "the $ of a robot account's name is missing; a shell may have eaten it",
            "enter the whole name, such as robot$project+name, in single quotes",
        )


def _ecr(username: str, password: str) -> Iterator[Suspicion]:
    if username != "AWS":
        yield Suspicion("ecr-username", "username", "Amazon ECR knows only the user AWS", "enter AWS")
    if re.fullmatch(r"AKIA[0-9A-Z]{16}", username) or re.fullmatch(r"[A-Za-z0-9/+]{40}", password.strip()):
        yield Suspicion(
            "access-key-pasted",
            "password",
            "an AWS access key is no registry password",
            "use the output of 'aws ecr get-login-password'",
        )


def _google(username: str, password: str) -> Iterator[Suspicion]:
    bare = password.strip()
    known = ("_json_key", "_json_key_base64", "oauth2accesstoken", "_token", "_dcgcloud_token")
    if username not in known:
        yield Suspicion(
            "google-username",
            "username",
            "Google's registries know only _json_key, _json_key_base64 and oauth2accesstoken",
            "enter _json_key and the whole key file as password",
        )
    elif username == "_json_key" and not is_key_file(bare):
        yield Suspicion(
            "key-file",
            "password",
            "it is not a whole service account key file",
            "enter the JSON file as it is, from { to }",
        )
    elif username == "oauth2accesstoken":
        yield Suspicion(
            "short-lived",
            "password",
            "an access token lives one hour",
            "use _json_key and a service account's key file",
        )


def _acr(username: str, _password: str) -> Iterator[Suspicion]:
    if _EMAIL.fullmatch(username.strip()):
        yield Suspicion(
            "email-as-username",
            "username",
            "Azure's registries take no account names",
            "enter a service principal's application id, or a repository token's name",
        )
    if username == "00000000-0000-0000-0000-000000000000":
        yield Suspicion(
            "short-lived",
            "password",
            "a token of 'az acr login' lives three hours",
            "use a service principal or a repository token",
        )


_BY_PROVIDER = {
    Provider.DOCKER_HUB: _hub,
    Provider.GHCR: _ghcr,
    Provider.GITLAB: _gitlab,
    Provider.QUAY: _quay,
    Provider.HARBOR: _harbor,
    Provider.ECR: _ecr,
    Provider.GOOGLE: _google,
    Provider.ACR: _acr,
}
_SELF_HOSTED = frozenset(
    {Provider.HARBOR, Provider.ARTIFACTORY, Provider.NEXUS, Provider.ZOT, Provider.DISTRIBUTION}
)


def _is_pasted_auth(username: str, password: str) -> bool:
    if not _BASE64.fullmatch(password):
        return False
    return bool(username) and unbase64(password).startswith(f"{username.strip()}:".encode())
