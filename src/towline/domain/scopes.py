"""Scopes: what a token that people make for a program may do, each a kind and, for some, a secret's name.

A token with scopes may do what they say and its owner's role allows, and nothing else. The table here is
the whole of it: the route table names a kind for each operation, the documentation is made from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from towline.domain.account import Permission
from towline.domain.errors import InvalidInput

MOST_SCOPES = 32


class ScopeKind(StrEnum):
    """What an operation needs of a token. ``EVERYBODY`` is what each token has without it."""

    EVERYBODY = "-"
    SECRETS_USE = "secrets:use"
    SECRETS_EXPORT = "secrets:export"
    SECRETS_READ = "secrets:read"
    SECRETS_WRITE = "secrets:write"
    CREDENTIALS_STORE = "credentials:store"
    IMAGES_PROVE = "images:prove"
    PACKAGES_READ = "packages:read"
    PACKAGES_WRITE = "packages:write"
    DEPLOYMENTS_READ = "deployments:read"
    DEPLOYMENTS_WRITE = "deployments:write"
    DISKS_READ = "disks:read"
    DISKS_WRITE = "disks:write"
    REGISTRIES_READ = "registries:read"
    REGISTRIES_WRITE = "registries:write"
    EVENTS_READ = "events:read"
    PROJECTS_READ = "projects:read"
    METRICS_READ = "metrics:read"


@dataclass(frozen=True, slots=True)
class ScopeFacts:
    """One row of the table: what it allows, the role that its owner needs, what else is in it.

    ``named``: it is given for a secret's name, of which the end may be ``*``.
    """

    meaning: str
    permission: Permission
    named: bool = False
    includes: ScopeKind | None = None


SCOPES: Mapping[ScopeKind, ScopeFacts] = {
    ScopeKind.SECRETS_USE: ScopeFacts(
        "take this secret out through a door for tools: docker-credential-towline, the kubelet's provider,"
        " a pull token for one repository",
        Permission.MANAGE_SECRETS,
        named=True,
    ),
    ScopeKind.SECRETS_EXPORT: ScopeFacts(
        "export this secret as a file with its password", Permission.MANAGE_SECRETS, named=True
    ),
    ScopeKind.SECRETS_READ: ScopeFacts("see secrets, never their values", Permission.VIEW),
    ScopeKind.SECRETS_WRITE: ScopeFacts(
        "make, replace and delete secrets", Permission.MANAGE_SECRETS, includes=ScopeKind.SECRETS_READ
    ),
    ScopeKind.CREDENTIALS_STORE: ScopeFacts(
        "keep what `docker login` typed, and erase on `docker logout` what this token kept",
        Permission.MANAGE_SECRETS,
    ),
    ScopeKind.IMAGES_PROVE: ScopeFacts(
        "try images and secrets at their registries: preflight and verify", Permission.DEPLOY
    ),
    ScopeKind.PACKAGES_READ: ScopeFacts("see packages", Permission.VIEW),
    ScopeKind.PACKAGES_WRITE: ScopeFacts(
        "make and delete packages", Permission.DEPLOY, includes=ScopeKind.PACKAGES_READ
    ),
    ScopeKind.DEPLOYMENTS_READ: ScopeFacts("see deployments and their logs", Permission.VIEW),
    ScopeKind.DEPLOYMENTS_WRITE: ScopeFacts(
        "make, change and delete deployments, which may use any secret of the project",
        Permission.DEPLOY,
        includes=ScopeKind.DEPLOYMENTS_READ,
    ),
    ScopeKind.DISKS_READ: ScopeFacts("see disks", Permission.VIEW),
    ScopeKind.DISKS_WRITE: ScopeFacts(
        "make disks, and delete them with all that is on them",
        Permission.DEPLOY,
        includes=ScopeKind.DISKS_READ,
    ),
    ScopeKind.REGISTRIES_READ: ScopeFacts("see the settings of registries", Permission.VIEW),
    ScopeKind.REGISTRIES_WRITE: ScopeFacts(
        "set and forget the settings of registries",
        Permission.MANAGE_SECRETS,
        includes=ScopeKind.REGISTRIES_READ,
    ),
    ScopeKind.EVENTS_READ: ScopeFacts("list and follow events", Permission.VIEW),
    ScopeKind.PROJECTS_READ: ScopeFacts("see oneself, people, organizations and projects", Permission.VIEW),
    ScopeKind.METRICS_READ: ScopeFacts("read /metrics", Permission.SIGNED_IN),
}

_PATTERN = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,251}[a-z0-9])?|(?:[a-z0-9][a-z0-9-]{0,251})?\*")
_NAME_RULE = "give a secret's name, of which the end may be '*': secrets:use:ci-*"


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope; ``name`` is empty where its kind takes none."""

    kind: ScopeKind
    name: str = ""

    @classmethod
    def parse(cls, text: str, *, field: str = "scopes") -> Self:
        """Return the scope that ``text`` writes; raise InvalidInput that says what is wrong with it."""
        resource, _, rest = text.strip().partition(":")
        action, colon, name = rest.partition(":")
        known = {kind.value: kind for kind in SCOPES}
        kind = known.get(f"{resource}:{action}")
        if kind is None:
            rule = f"use {', '.join(_shown(each) for each in SCOPES)}"
            raise InvalidInput(field, problem=f"{text[:80]!a} is not a scope", rule=rule)
        if not SCOPES[kind].named:
            if colon:
                raise InvalidInput(
                    field, problem=f"{text[:80]!a}: {kind.value} takes no name", rule=f"write {kind.value!r}"
                )
            return cls(kind)
        return cls(kind, name_pattern(name, field=field))

    def covers(self, kind: ScopeKind, name: str = "") -> bool:
        """Whether this scope allows what needs ``kind``, for the secret ``name`` where one is named."""
        if kind not in (self.kind, SCOPES[self.kind].includes):
            return False
        return not self.name or not name or matches(self.name, name)

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.name}" if self.name else self.kind.value


def parse_scopes(texts: Iterable[str], *, field: str = "scopes") -> tuple[Scope, ...]:
    """Return all scopes, each once; raise InvalidInput for none, too many, or a wrong one."""
    found = tuple(dict.fromkeys(Scope.parse(text, field=f"{field}[{at}]") for at, text in enumerate(texts)))
    if not found:
        raise InvalidInput(field, problem="is empty", rule="give at least one scope")
    if len(found) > MOST_SCOPES:
        raise InvalidInput(field, problem=f"holds {len(found)} scopes", rule=f"use at most {MOST_SCOPES}")
    return found


def name_pattern(text: str, *, field: str) -> str:
    """Return the pattern of secrets' names that ``text`` is; raise InvalidInput otherwise."""
    if not _PATTERN.fullmatch(text):
        problem = f"{text[:80]!a} names no secret" if text else "names no secret"
        raise InvalidInput(field, problem=problem, rule=_NAME_RULE)
    return text


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern, of which the end may be ``*``, fits a name."""
    if pattern.endswith("*"):
        return name.startswith(pattern[:-1])
    return name == pattern


def _shown(kind: ScopeKind) -> str:
    return f"{kind.value}:NAME" if SCOPES[kind].named else kind.value
