"""Engines by name: where containers run, what is known of each, and what it keeps.

An installation has one engine of its own, chosen at its first start and called by its kind. Others are added
under names of their own. Every deployment lives on one of them from its beginning to its end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

from towline.domain.causes import FindingCode
from towline.domain.credential import Password
from towline.domain.errors import InvalidInput
from towline.domain.findings import Finding
from towline.domain.proof import Platform

ENGINE_LABEL = "towline.io/engine"
"""The label by which a deployment names its engine: every client of rapyuta.io carries labels through."""

ENGINE_NAME_RULE = (
    "use at most 40 lower-case letters, digits and '-', beginning and ending with a letter or digit"
)
USUAL_PREFIX = "towline-"
USUAL_PLATFORM = "linux/amd64"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


class EngineKind(StrEnum):
    """What an engine is."""

    EMBEDDED = "embedded"
    DOCKER = "docker"
    SWARM = "swarm"
    KUBERNETES = "kubernetes"


ADDABLE = (EngineKind.DOCKER, EngineKind.SWARM, EngineKind.KUBERNETES)


@dataclass(frozen=True, slots=True)
class EngineKeys:
    """What opens an engine: PEM texts for a Docker Engine over TLS, or a cluster's kubeconfig."""

    ca: str = ""
    certificate: str = ""
    key: Password = field(default_factory=lambda: Password(""))
    kubeconfig: Password = field(default_factory=lambda: Password(""))

    @classmethod
    def of_sealed(cls, text: Password) -> Self:
        """Return the keys that ``sealed`` wrote."""
        known: dict[str, str] = json.loads(text.reveal())
        return cls(
            known["ca"],
            known["certificate"],
            Password(known["key"]),
            kubeconfig=Password(known["kubeconfig"]),
        )

    @property
    def has_key(self) -> bool:
        """Whether there is a private key."""
        return bool(self.key.reveal())

    @property
    def has_kubeconfig(self) -> bool:
        """Whether there is a kubeconfig."""
        return bool(self.kubeconfig.reveal())

    def sealed(self) -> Password:
        """Return everything as the one text that a vault seals."""
        texts = {
            "ca": self.ca,
            "certificate": self.certificate,
            "key": self.key.reveal(),
            "kubeconfig": self.kubeconfig.reveal(),
        }
        return Password(json.dumps(texts))


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """How an engine is reached. ``address`` is as people write it, empty for a cluster and for the machine.

    ``network`` is what containers are on; ``context``, ``namespace`` and its prefix are a cluster's.
    ``platform`` is what a cluster's nodes run; the others tell their own.
    """

    kind: EngineKind
    address: str = ""
    network: str = ""
    context: str = ""
    namespace: str = ""
    namespace_prefix: str = USUAL_PREFIX
    platform: str = USUAL_PLATFORM


@dataclass(frozen=True, slots=True)
class EngineRecord:
    """An engine as it is kept. ``identities`` are what it says of itself, so that it is not added twice."""

    guid: str
    name: str
    spec: EngineSpec
    added_at: datetime | None = None
    identities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineAbout:
    """What an engine says about itself."""

    version: str
    platform: Platform
    identities: tuple[str, ...] = ()
    address: str = ""
    """Where it was reached, where its keys say that and not people."""


@dataclass(frozen=True, slots=True)
class EngineHealth:
    """Whether an engine answers, since when that is so, and its last known version."""

    since: datetime
    version: str = ""
    trouble: Finding | None = None

    @property
    def answers(self) -> bool:
        """Whether the engine was within reach at the last look."""
        return self.trouble is None


@dataclass(frozen=True, slots=True)
class KeptImage:
    """An image that an engine keeps; ``size`` in bytes. ``is_ours``: this installation had it pulled."""

    reference: str
    size: int
    is_used: bool
    is_ours: bool


@dataclass(frozen=True, slots=True)
class Storage:
    """What an engine keeps on its disk, in bytes; None where it does not tell."""

    images: tuple[KeptImage, ...] = ()
    disk_used: int | None = None
    disk_free: int | None = None
    can_collect: bool = False


@dataclass(frozen=True, slots=True)
class EngineView:
    """An engine as people see it; ``deployments`` counts the live ones that it has."""

    record: EngineRecord
    health: EngineHealth
    deployments: int
    is_own: bool
    is_default: bool
    default_of: Mapping[str, str] = field(default_factory=dict)
    """The projects, by guid with their names, of which it is the default."""


def engine_name(text: str, *, field: str = "metadata.name") -> str:
    """Return ``text`` if an engine may be added under it; raise InvalidInput otherwise."""
    if not _NAME.fullmatch(text):
        problem = "is empty" if not text else f"{text[:60]!a} is not a legal name"
        raise InvalidInput(field, problem=problem, rule=ENGINE_NAME_RULE)
    if text in list(EngineKind):
        raise InvalidInput(
            field,
            problem=f"{text!r} is kept for an installation's own engine",
            rule="choose another name, for example the machine's",
        )
    return text


def platform_named(text: str, *, field: str) -> Platform:
    """Return the platform that ``text`` writes as os/architecture[/variant]; raise InvalidInput."""
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise InvalidInput(field, problem=f"is {text[:40]!a}", rule="write it as linux/amd64 or linux/arm64")
    return Platform(*parts)


def not_there(name: str) -> Finding:
    """Return the finding of a deployment whose engine was taken away."""
    detail = f"the engine {name!r} was removed from this installation; add it again under the same name"
    return Finding(FindingCode.ENGINE_UNREACHABLE, detail)
