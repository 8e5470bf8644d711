"""Registries' short-lived logins that Towline makes itself: minted from a parent credential, renewed in time.

What is asked of people for each kind is a row of ``MINTS``; how each is asked is a file of
``registry/minting``. Facts: the providers' documentation, named there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from urllib.parse import SplitResult, urlsplit

from towline.domain.cause import Remedy
from towline.domain.credential import Credential, Password
from towline.domain.errors import InvalidInput
from towline.domain.findings import Finding
from towline.domain.providers import Provider, ecr_region
from towline.domain.registry import RegistryAddress

FIELD = "spec.docker.mint"
MOST_KEY = 32 << 10

_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(minutes=30)
_PAUSE_FOR_PEOPLE = timedelta(hours=1)
_LEAST_PAUSE = timedelta(seconds=1)


class MintKind(StrEnum):
    """By whose rules a login is minted."""

    ECR = "ecr"
    GOOGLE = "google"
    ACR = "acr"
    GITHUB_APP = "github-app"


@dataclass(frozen=True, slots=True)
class Setting:
    """Something that a kind can be told beside its key, in words for people."""

    help: str
    required: bool = False
    is_url: bool = False


@dataclass(frozen=True, slots=True)
class MintFacts:
    """What people need to know of a kind. ``key`` says what the parent credential is, as a file."""

    title: str
    username: str
    provider: Provider
    key: str
    token: str
    settings: Mapping[str, Setting]


_ENDPOINT = "where tokens are asked for, https://HOST[/PATH]; for private and sovereign clouds"

MINTS: Mapping[MintKind, MintFacts] = {
    MintKind.ECR: MintFacts(
        "Amazon ECR",
        "AWS",
        Provider.ECR,
        key="an access key of an IAM user: what `aws iam create-access-key` printed, the CSV file of the "
        "AWS console, or a profile of ~/.aws/credentials",
        token="a minted Amazon ECR token, valid for 12 hours",
        settings={
            "region": Setting("the registry's region, where its host does not tell"),
            "role-arn": Setting("a role that is assumed first, arn:aws:iam::ACCOUNT:role/NAME"),
            "external-id": Setting("what the role's trust policy wants as sts:ExternalId"),
            "endpoint": Setting(_ENDPOINT, is_url=True),
            "sts-endpoint": Setting("where the role is assumed, https://HOST", is_url=True),
        },
    ),
    MintKind.GOOGLE: MintFacts(
        "Google Artifact Registry",
        "oauth2accesstoken",
        Provider.GOOGLE,
        key="a service account's key file in JSON, as `gcloud iam service-accounts keys create` wrote it",
        token="a minted Google access token, valid for one hour",
        settings={
            "scope": Setting("the OAuth scope to ask for, by default cloud-platform.read-only"),
            "endpoint": Setting(_ENDPOINT, is_url=True),
        },
    ),
    MintKind.ACR: MintFacts(
        "Azure Container Registry",
        "00000000-0000-0000-0000-000000000000",
        Provider.ACR,
        key="a service principal in JSON, as `az ad sp create-for-rbac` printed it: appId, password, tenant",
        token="a minted Azure registry token, valid for about three hours",
        settings={
            "tenant": Setting("the directory's ID, where the key does not name it"),
            "scope": Setting("the scope to ask Microsoft Entra for, by default the registries'"),
            "endpoint": Setting(_ENDPOINT, is_url=True),
        },
    ),
    MintKind.GITHUB_APP: MintFacts(
        "GitHub Packages",
        "x-access-token",
        Provider.GHCR,
        key="the app's private key, the PEM file that GitHub let you download",
        token="a minted GitHub App token, valid for one hour",
        settings={
            "app-id": Setting("the app's ID or client ID", required=True),
            "installation-id": Setting(
                "the installation's number: the end of its settings page's address", required=True
            ),
            "endpoint": Setting(f"{_ENDPOINT}; GitHub Enterprise Server: https://HOST/api/v3", is_url=True),
        },
    ),
}


@dataclass(frozen=True, slots=True)
class Mint:
    """How a secret's login is minted: everything but the parent credential."""

    kind: MintKind
    settings: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def checked(cls, kind: str, settings: Mapping[str, str], *, registry: RegistryAddress) -> Self:
        """Return it, or raise InvalidInput naming the field by its place in the request body."""
        known = _kind(kind)
        facts = MINTS[known].settings
        for name, text in settings.items():
            if name not in facts:
                raise InvalidInput(
                    f"{FIELD}.settings.{name[:40]}",
                    problem=f"is not known for {known.value}",
                    rule=f"use {', '.join(facts)}",
                )
            _check_setting(name, text, facts[name])
        for name, setting in facts.items():
            if setting.required and not settings.get(name):
                raise InvalidInput(f"{FIELD}.settings.{name}", problem="is missing", rule=setting.help)
        if known is MintKind.ECR and not (settings.get("region") or ecr_region(registry.host)):
            raise InvalidInput(
                f"{FIELD}.settings.region",
                problem=f"is missing, and {registry.host} does not name it",
                rule="give the registry's region, for example eu-west-1",
            )
        return cls(known, {name: text for name, text in settings.items() if text})

    @property
    def facts(self) -> MintFacts:
        """The row of the table."""
        return MINTS[self.kind]


@dataclass(frozen=True, slots=True)
class MintOrder:
    """A login that is to be made: how, for which registry, from which parent credential."""

    mint: Mint
    registry: RegistryAddress
    key: Password


@dataclass(frozen=True, slots=True)
class Grant:
    """A login that was made, and its life."""

    credential: Credential
    minted_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Minted:
    """How a secret's minting stands: what is in use, when it is renewed, and what keeps it from that.

    ``expires_at`` is of the login in use, None as long as there never was one. ``failures`` counts tries
    in a row that did not work out, ``trouble`` says why the last one did not.
    """

    mint: Mint
    minted_at: datetime | None = None
    expires_at: datetime | None = None
    renews_at: datetime | None = None
    failures: int = 0
    trouble: Finding | None = None
    entered: int = 1
    """Which version of the secret a person entered; those after it are renewals."""

    def has_ended(self, now: datetime) -> bool:
        """Whether there is no login that still opens anything."""
        return self.expires_at is None or self.expires_at <= now

    def renewed(self, grant: Grant, *, chance: float) -> Self:
        """Return how it stands with a new login, which is renewed after about two thirds of its life."""
        pause = (grant.expires_at - grant.minted_at) * (2 / 3) * (0.95 + 0.1 * chance)
        renews_at = grant.minted_at + max(pause, _LEAST_PAUSE)
        return type(self)(
            self.mint, grant.minted_at, grant.expires_at, renews_at=renews_at, entered=self.entered
        )

    def failed(self, trouble: Finding, *, now: datetime, chance: float) -> Self:
        """Return how it stands after a try that did not work out, with the time of the next one.

        What only people can mend is tried each hour, the rest with pauses from half a minute to half an
        hour; and once more at the moment at which the login in use ends.
        """
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self.failures, 10))
        if trouble.cause.remedy is Remedy.PERSON:
            pause = _PAUSE_FOR_PEOPLE
        again = now + pause * (0.75 + 0.5 * chance)
        if self.expires_at is not None and now < self.expires_at < again:
            again = self.expires_at
        return replace(self, renews_at=again, failures=self.failures + 1, trouble=trouble)


def mint_kind_of(provider: Provider) -> MintKind | None:
    """Return how logins of a provider's registries can be minted; None where they cannot."""
    return next((kind for kind, facts in MINTS.items() if facts.provider is provider), None)


def checked_key(text: str) -> Password:
    """Return a parent credential as it was given, byte for byte; raise InvalidInput for what is none."""
    if not text.strip():
        raise InvalidInput(f"{FIELD}.key", problem="is empty", rule="give the parent credential")
    if len(text) > MOST_KEY:
        raise InvalidInput(f"{FIELD}.key", problem="is larger than 32 KiB", rule="give one key alone")
    return Password(text)


def _kind(text: str) -> MintKind:
    try:
        return MintKind(text)
    except ValueError as error:
        rule = f"use one of {', '.join(MintKind)}"
        raise InvalidInput(f"{FIELD}.kind", problem=f"is {text[:40]!a}", rule=rule) from error


def _check_setting(name: str, text: str, setting: Setting) -> None:
    place = f"{FIELD}.settings.{name}"
    if len(text) > 500 or not text.isascii() or any(not 32 < ord(letter) < 127 for letter in text):
        raise InvalidInput(
            place, problem="holds blanks or odd characters", rule="use at most 500 printable ones"
        )
    if setting.is_url and text:
        checked_url(place, text)


def checked_url(place: str, text: str) -> None:
    """Refuse addresses that a key must not be sent to: in the clear, or hiding what they are."""
    parts = _split(place, text)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidInput(
            place, problem="holds a user name, query or fragment", rule="write https://HOST[/PATH]"
        )
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise InvalidInput(place, problem="is not https://", rule="keys are not sent in the clear")


def _split(place: str, text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InvalidInput(place, problem="is no address", rule="write https://HOST[/PATH]") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise InvalidInput(place, problem="is no address", rule="write https://HOST[/PATH]")
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
