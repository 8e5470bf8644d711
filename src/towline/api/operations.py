"""The words of the route table: an operation, what it is called with, and what it answers.

From the one table come the routes, the permission checks, the OpenAPI document and the page /docs.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from towline.domain.account import Permission
from towline.domain.audit import Door
from towline.domain.scopes import ScopeKind
from towline.wire.lists import query_of
from towline.wire.openapi import Parameter

if TYPE_CHECKING:
    from starlette.types import Scope

    from towline.domain.account import Access, Principal
    from towline.wire.lists import Query

MIB = 1 << 20

_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")

Header = tuple[bytes, bytes]
Headers = Sequence[Header]

# Nobody renders JSON, and each header costs a GET 1 µs: policies for pages stand on pages alone.
_SAFE: Headers = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)
JSON: Headers = ((b"content-type", b"application/json"), *_SAFE)
TEXT: Headers = ((b"content-type", b"text/plain; charset=utf-8"), *_SAFE, (b"x-accel-buffering", b"no"))


STREAM_OF_EVENTS: Headers = (
    (b"content-type", b"text/event-stream; charset=utf-8"), *_SAFE, (b"x-accel-buffering", b"no"),
)  # fmt: skip


class Reply(NamedTuple):
    """An answer that is ready."""

    body: bytes
    status: int = 200
    headers: Headers = JSON


class Stream(NamedTuple):
    """An answer that goes on; an empty chunk is sent as an empty line, to keep the connection alive."""

    chunks: AsyncIterator[bytes]
    headers: Headers = TEXT
    farewell: bytes = b""
    """What is said last when the server is about to end."""


class Place(Enum):
    """Where an operation's permission is looked up."""

    NOWHERE = "nowhere"
    """It needs no more than being signed in, or not even that; the service looks further."""
    HEADER = "header"
    """In the project that the header ``project`` names."""
    PATH = "path"
    """In the project whose guid is in the path."""
    ORGANIZATION = "organization"
    """In the organization whose guid is in the path."""
    ORGANIZATION_HEADER = "organization header"
    """In the organization that the header ``organizationguid`` names, else the caller's first."""
    INSTALLATION = "installation"
    """In the organization that the installation was set up with; its service looks it up."""


class Call:
    """What an operation is called with: who asks, for what, and the body that was sent."""

    __slots__ = ("_access", "_principal", "body", "path", "scope")

    def __init__(
        self,
        scope: Scope,
        body: bytes,
        *,
        principal: Principal | None = None,
        access: Access | None = None,
    ) -> None:
        self.scope = scope
        self.body = body
        self.path: Mapping[str, str] = scope["path_params"]
        self._principal = principal
        self._access = access

    @property
    def principal(self) -> Principal:
        """Who asks; the table says of which operations this is known."""
        if self._principal is None:
            raise RuntimeError("the route table lets this operation be called by anybody")
        return self._principal

    @property
    def access(self) -> Access:
        """Who asks, inside which project; the table says of which operations this is known."""
        if self._access is None:
            raise RuntimeError("the route table gives this operation no project")
        return self._access

    @property
    def query(self) -> Query:
        """What stands behind the question mark, without empty values."""
        raw: bytes = self.scope["query_string"]
        return query_of(raw)

    @property
    def organization(self) -> str:
        """The organization that the request names in its header, empty where it names none."""
        return self.header(b"organizationguid")

    @property
    def server(self) -> str:
        """This server's address as the caller wrote it, without a slash at its end."""
        host = self.header(b"host")
        if not _HOST.fullmatch(host):
            host = ":".join(str(part) for part in self.scope["server"])
        return f"{self.scope['scheme']}://{host}"

    @property
    def peer(self) -> str:
        """The caller's network address."""
        client = self.scope.get("client")
        return client[0] if client else ""

    def header(self, name: bytes) -> str:
        """Return a header's value, empty where it was not sent."""
        return header_of(self.scope, name)


Handle = Callable[[Call], Awaitable[Reply | Stream]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One row of the route table: method and path, who may, what goes in, what comes out.

    ``scope`` is what a token with scopes needs; None: such tokens may not at all. ``door`` is the one
    through which a credential leaves by it.
    """

    method: str
    path: str
    permission: Permission
    scope: ScopeKind | None = None
    door: Door | None = None
    place: Place = Place.NOWHERE
    tag: str
    summary: str
    handle: Handle
    body: type | None = None
    body_media_type: str = "application/json"
    body_optional: bool = False
    most_bytes: int = MIB
    parameters: tuple[Parameter, ...] = ()
    answer: type | None = None
    listed: bool = False
    media_type: str = "application/json"
    status: int = 200
    errors: tuple[int, ...] = ()
    also: str = ""
    """Who else may, in words, where the service knows more than roles tell."""

    @property
    def signed_in(self) -> bool:
        """Whether a token must come with the request."""
        return self.permission is not Permission.OPEN

    @property
    def by_project_header(self) -> bool:
        """Whether the header ``project`` must come with the request."""
        return self.place is Place.HEADER

    @property
    def who(self) -> str:
        """Who may, in words."""
        return f"{ROLES[self.permission]}{f', {self.also}' if self.also else ''}"

    @property
    def role(self) -> str:
        """Who may, in words, and the scope that a token with scopes needs."""
        role = self.who
        if not self.signed_in or self.scope is ScopeKind.EVERYBODY:
            return role
        if self.scope is None:
            return f"{role}; no token with scopes"
        return f"{role}; of a token with scopes, {self.scope.value}"

    @property
    def refusals(self) -> Sequence[int]:
        """All statuses of refusals, own ones and those that its place, token and body bring."""
        found = set(self.errors)
        if self.body or self.parameters or self.by_project_header:
            found.add(400)
        if self.signed_in:
            found.add(401)
        if self.place is not Place.NOWHERE:
            found |= {403, 404}
        if self.signed_in and self.scope is not ScopeKind.EVERYBODY:
            found.add(403)
        if self.body:
            found.add(413)
        return sorted(found)


def header_of(scope: Scope, name: bytes) -> str:
    """Return a header's value, empty where it was not sent."""
    value: bytes
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")
    return ""


ROLES = {
    Permission.OPEN: "nobody needs to sign in",
    Permission.SIGNED_IN: "anybody who is signed in",
    Permission.VIEW: "project viewer",
    Permission.DEPLOY: "project developer",
    Permission.MANAGE_SECRETS: "project admin",
    Permission.MANAGE_PROJECT: "project admin",
    Permission.MANAGE_ORGANIZATION: "organization admin",
}

SUCCESS = Reply(b'{"success":true}')
"""What a deletion answers: current clients ignore it, old ones want JSON."""
