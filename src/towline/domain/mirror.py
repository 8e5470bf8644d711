"""Mirrors: a docker pull secret kept in namespaces of a cluster, for workloads that Towline does not deploy.

A mirror is a door through which a credential leaves: whoever may read secrets in one of its namespaces can
read it there. So an installation's owner names the namespaces that projects may choose from at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

from towline.domain.credential import Credential
from towline.domain.errors import InvalidInput
from towline.domain.namespace_selector import NamespaceSelector
from towline.domain.registry import RegistryAddress
from towline.domain.scopes import matches

MOST_NAMESPACES = 200
MOST_ACCOUNTS = 50
MOST_PER_SECRET = 20
DEFAULT_ACCOUNT = "default"

_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_OBJECT = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_NAMESPACE_RULE = "use at most 63 lower-case letters, digits and '-', beginning and ending with none of '-'"
_OBJECT_RULE = "use at most 253 lower-case letters, digits, '-' and '.'"
_SYSTEM = "kube-"


@dataclass(frozen=True, slots=True)
class MirrorDraft:
    """A mirror as somebody asks for it, already checked.

    ``object_name`` is what the Secret is called in the cluster, empty for the secret's own name. Pods of the
    ``accounts`` pull with it by themselves; ``nudge`` asks that pods which were made too early are made anew.
    ``engine`` names the cluster, where there are several.
    """

    namespaces: tuple[str, ...] = ()
    selector: NamespaceSelector = field(default_factory=NamespaceSelector)
    accounts: tuple[str, ...] = ()
    object_name: str = ""
    nudge: bool = False
    engine: str = ""

    @classmethod
    def checked(
        cls,
        *,
        namespaces: Sequence[str],
        selector: str,
        accounts: Sequence[str],
        object_name: str,
        nudge: bool,
        engine: str = "",
    ) -> Self:
        """Return the draft, or raise InvalidInput naming the field by its place in the request body."""
        parsed = NamespaceSelector.parse(selector)
        if not namespaces and not parsed.terms:
            raise InvalidInput(
                "spec.namespaces",
                problem="is empty, and so is spec.namespaceSelector",
                rule="name namespaces, or select them by their labels",
            )
        if nudge and not accounts:
            raise InvalidInput(
                "spec.nudge",
                problem="is set without service accounts",
                rule="name service accounts: only their pods can have been made too early",
            )
        if object_name and not _OBJECT.fullmatch(object_name):
            raise InvalidInput("spec.secretName", problem="is no name of a Secret", rule=_OBJECT_RULE)
        return cls(
            _names(namespaces, "spec.namespaces", _NAMESPACE, rule=_NAMESPACE_RULE, most=MOST_NAMESPACES),
            parsed,
            _names(accounts, "spec.serviceAccounts", _OBJECT, rule=_OBJECT_RULE, most=MOST_ACCOUNTS),
            object_name,
            nudge=nudge,
            engine=engine,
        )


@dataclass(frozen=True, slots=True)
class Mirror:
    """A mirror that is kept; one with ``removed_at`` is being taken away.

    ``engine`` is the one in whose cluster it is kept, empty for the installation's own.
    """

    guid: str
    project_guid: str
    secret_guid: str
    object_name: str
    created_at: datetime
    namespaces: tuple[str, ...] = ()
    selector: NamespaceSelector = field(default_factory=NamespaceSelector)
    accounts: tuple[str, ...] = ()
    nudge: bool = False
    removed_at: datetime | None = None
    engine: str = ""

    def chooses(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether the secret is to be kept in a namespace."""
        return namespace in self.namespaces or self.selector.selects(labels)


@dataclass(frozen=True, slots=True)
class MirrorOrder:
    """What a cluster is to keep now: a mirror, and which version of the secret.

    ``held_back`` says why that version is not handed out: what is in place then stays, and nothing new is.
    """

    mirror: Mirror
    version: int
    address: RegistryAddress
    held_back: str = ""


class PlaceState(StrEnum):
    """How a mirror fares in one namespace."""

    IN_PLACE = "in-place"
    WAITING = "waiting"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class MirrorPlace:
    """One namespace of a mirror. ``version`` is the one in place there, 0 for none.

    ``accounts`` have it; ``pods`` wait for an image for want of it, each with what is to be done.
    """

    mirror_guid: str
    namespace: str
    state: PlaceState
    reason: str = ""
    version: int = 0
    accounts: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()
    at: datetime | None = None

    def is_as(self, other: MirrorPlace | None) -> bool:
        """Whether nothing but the time is different."""
        return other is not None and _essence(self) == _essence(other)


@dataclass(frozen=True, slots=True)
class MirrorState:
    """A mirror and how it fares in each namespace of its engine's cluster."""

    mirror: Mirror
    places: Sequence[MirrorPlace]
    engine: str


@dataclass(frozen=True, slots=True)
class HandedCopy:
    """A credential on its way into one namespace: for which registry, and of which version."""

    credential: Credential
    address: RegistryAddress
    version: int


def allowed_on(allowed: Sequence[str], engine: str) -> Sequence[str]:
    """Return what of the setting is about an engine: ``ENGINE/NAME``, of the installation's own ``NAME``."""
    return tuple(text.rpartition("/")[2] for text in allowed if text.rpartition("/")[0] == engine)


def may_mirror_into(allowed: Sequence[str], namespace: str) -> bool:
    """Whether the installation lets projects choose a namespace; the system's own must be named as such."""
    return any(
        matches(pattern, namespace)
        for pattern in allowed
        if not namespace.startswith(_SYSTEM) or pattern.startswith(_SYSTEM)
    )


def _essence(place: MirrorPlace) -> tuple[object, ...]:
    return (place.state, place.reason, place.version, place.accounts, place.pods)


def _names(
    texts: Sequence[str], where: str, pattern: re.Pattern[str], *, rule: str, most: int
) -> tuple[str, ...]:
    if len(texts) > most:
        raise InvalidInput(where, problem=f"holds {len(texts)}", rule=f"use at most {most}")
    for at, text in enumerate(texts):
        if not pattern.fullmatch(text):
            raise InvalidInput(f"{where}[{at}]", problem=f"is {text[:80]!a}", rule=rule)
    return tuple(dict.fromkeys(texts))
