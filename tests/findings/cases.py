"""The corpus of findings as data: one JSON file is one case, read strictly (an unknown key is an error).

``tests/vectors/registry/README.md`` tells how to write one.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec

CORPUS = Path(__file__).resolve().parent.parent / "vectors" / "registry"

Authorization = Literal["none", "basic", "bearer", "any"]
Act = Literal["reset", "close", "hang", "drip", "endless", "garbage", "truncate", "tunnel"]
Tls = Literal[
    "trusted", "plain", "self-signed", "unknown-authority", "expired", "not-yet-valid", "wrong-name",
    "weak-key", "other-purpose", "client-certificate", "handshake-failure", "protocol-version",
    "unrecognized-name",
]  # fmt: skip


class When(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which requests a rule answers; what is left out does not matter. A path may hold ``*``."""

    method: str = ""
    path: str | tuple[str, ...] = ()
    authorization: Authorization | None = None
    login: str | None = None
    scope: str | None = None
    service: str | None = None
    token: str | None = None


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One answer: of ``json``, ``body`` and ``sample`` (part of the sample image) at most one."""

    when: When = When()
    status: int = 200
    headers: dict[str, str | list[str]] = {}
    body: str | None = None
    json: Any = None
    sample: str | None = None
    act: Act | None = None

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.body, self.json, self.sample)) > 1:
            raise ValueError("a rule has one of body, json and sample")


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a host is and how it speaks TLS; ``address`` is one of the words or an IP address.

    ``also_at`` are further addresses of its name, told before this one.
    """

    address: str = "here"
    also_at: tuple[str, ...] = ()
    tls: Tls = "trusted"


class Minted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the login of ``ask.login`` is minted; without ``key`` one is made of ``username`` and ``password``.

    Keys that are signed with are made for the run.
    """

    kind: str
    settings: dict[str, str] = {}
    key: str = ""


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What Towline is asked: an ``image``, or a ``login`` at a registry's address.

    In a project ``secret`` names the secret to ask with; otherwise ``username`` and ``password`` are given.
    """

    image: str = ""
    login: str = ""
    platform: str = "linux/amd64"
    username: str = ""
    password: str = ""
    secret: str = ""
    plain_http: bool = False
    allowed_realm_hosts: tuple[str, ...] = ()
    proxy: str = ""
    deny_private: bool = False
    allow_loopback: bool = True
    patience: float = 20.0
    mint: Minted | None = None

    def __post_init__(self) -> None:
        if bool(self.image) == bool(self.login):
            raise ValueError("ask for an image or a login")
        if bool(self.username) != bool(self.password):
            raise ValueError("give username and password, or neither")


class Expect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the answer must be; what is left out may be anything, save for what always holds.

    Always: a refused password is sent once, and no answer shows the password.
    """

    finding: str | None
    verdict: Literal["verified", "failing", "unproved", "unknown"]
    anonymous: bool | None = None
    provider: str | None = None
    detail_contains: tuple[str, ...] = ()
    fix_contains: tuple[str, ...] = ()
    likely_contains: tuple[str, ...] = ()
    command_contains: tuple[str, ...] = ()
    limit: str | None = None
    platforms: tuple[str, ...] | None = None
    requests_at_most: int | None = None
    password_sent_at_most: int | None = None
    password_hosts: tuple[str, ...] | None = None
    hosts_asked: tuple[str, ...] | None = None
    authorized_hosts: tuple[str, ...] | None = None


class Real(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A real docker-registry that the case runs on; it holds the sample image as ``team/app:1.0``.

    ``through`` puts a pull-through cache before it, open to everybody, that logs in upstream with the
    right or a wrong password. An ``address`` that is not ``here`` has no registry behind it.
    """

    auth: Literal["none", "htpasswd", "token"] = "none"
    tls: Literal["plain", "trusted", "unknown-authority", "expired", "wrong-name"] = "plain"
    through: Literal["", "right", "wrong"] = ""
    address: Literal["here", "closed", "black-hole", "unresolvable"] = "here"


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A secret of a project: opaque where it names no ``registry``."""

    name: str
    registry: str = ""
    username: str = ""
    password: str = ""


class Project(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a project keeps before it is asked; every docker secret is tried as it is kept."""

    secrets: tuple[Kept, ...] = ()


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """One case of the corpus."""

    case: str
    why: str
    provider: str
    ask: Ask
    expect: Expect
    servers: dict[str, tuple[Rule, ...]] = {}
    places: dict[str, Place] = {}
    real: Real | None = None
    project: Project | None = None

    @cached_property
    def hosts(self) -> dict[str, Place]:
        """Every host of the case with its place, by ``host`` or ``host:port``."""
        return {name: self.places.get(name, Place()) for name in {**self.servers, **self.places}}


def read(path: Path) -> Case:
    """Return the case in a file; raise ValueError that names the file and what is wrong."""
    try:
        case = msgspec.json.decode(path.read_bytes(), type=Case)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"{path.name}: {error}") from error
    if case.case != path.stem:
        raise ValueError(f"{path.name}: the case is called {case.case!r}, not as its file")
    return case


def corpus(folder: Path = CORPUS) -> list[Case]:
    """Return all cases, by name."""
    return [read(path) for path in sorted(folder.glob("*.json"))]
