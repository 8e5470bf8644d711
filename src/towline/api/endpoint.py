"""A path of the API: permission first, then the body, then the operation.

Framework objects for requests and responses are left out on purpose: they cost a third of a GET.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from towline.api.errors import ClientGone, TooLarge, plain, refusal
from towline.api.operations import MIB, Call, Operation, Place, Reply, Stream, header_of
from towline.domain.errors import InvalidInput, NotAllowed, NotFound, NotSignedIn, Throttled, TowlineError
from towline.domain.scopes import ScopeKind
from towline.services.rates import Rates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Receive, Scope

    from towline.domain.account import Access, Principal
    from towline.services.accounts import Accounts


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken: requests of a token, and bytes of a body; ``note`` hears who met which limit."""

    tokens: Rates = field(default_factory=lambda: Rates(0))
    body_bytes: int = 2 * MIB
    note: Callable[[str], None] = lambda _: None


class Endpoint:
    """All operations of one path. ``label`` is the path's template, as metrics name it."""

    def __init__(
        self,
        label: str,
        operations: Sequence[Operation],
        accounts: Accounts,
        *,
        limits: Limits | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self.label = label
        self._accounts = accounts
        self._by_method: Mapping[str, Operation] = {each.method: each for each in operations}
        if "GET" in self._by_method:
            self._by_method = {**self._by_method, "HEAD": self._by_method["GET"]}
        self._allow = ", ".join(sorted(self._by_method))

    async def reply(self, scope: Scope, receive: Receive) -> Reply | Stream:
        """Return what answers a request; the domain's errors are answers too. Raise ClientGone."""
        operation = self._by_method.get(scope["method"])
        if operation is None:
            return plain(405, f"{scope['method']} is not allowed here", allow=self._allow)
        try:
            return await self._done(operation, scope, receive)
        except TowlineError as error:
            return refusal(error)

    async def _done(self, operation: Operation, scope: Scope, receive: Receive) -> Reply | Stream:
        _check_path(scope["path_params"])
        if not operation.signed_in:
            return await operation.handle(Call(scope, await self._body(operation, scope, receive)))
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        principal = await self._accounts.authenticate(bearer(headers))
        if wait := self._limits.tokens.wait(principal.token_guid):
            self._limits.note("token")
            raise Throttled("too many requests with this token", retry_after=wait)
        access = await self._admitted(operation, scope, headers, principal)
        body = await self._body(operation, scope, receive)
        return await operation.handle(Call(scope, body, principal=principal, access=access))

    async def _body(self, operation: Operation, scope: Scope, receive: Receive) -> bytes:
        if not operation.body:
            return b""
        return await _body(scope, receive, most=min(operation.most_bytes, self._limits.body_bytes))

    async def _admitted(
        self, operation: Operation, scope: Scope, headers: Mapping[bytes, bytes], principal: Principal
    ) -> Access | None:
        """Look at scopes, then at the role; a refusal at a door through which credentials leave is noted."""
        project = principal.project_guid
        try:
            _check_scope(operation, principal)
            if operation.place is Place.INSTALLATION:
                await self._accounts.require_operator(principal)
            if operation.place in (Place.NOWHERE, Place.INSTALLATION):
                return None
            if operation.place in (Place.ORGANIZATION, Place.ORGANIZATION_HEADER):
                by_path = operation.place is Place.ORGANIZATION
                named = headers.get(b"organizationguid", b"").decode("latin-1")
                guid = scope["path_params"]["guid"] if by_path else named
                await self._accounts.admit(principal, guid, permission=operation.permission)
                return None
            by_header = operation.place is Place.HEADER
            project = project_of(headers, principal) if by_header else scope["path_params"]["guid"]
            return await self._accounts.access(principal, project, permission=operation.permission)
        except NotAllowed:
            if operation.door is not None:
                peer = scope["client"][0] if scope.get("client") else ""
                await self._accounts.note_refused(principal, project, door=operation.door, peer=peer)
            raise


def bearer(headers: Mapping[bytes, bytes]) -> str:
    """Return the token that came with the request; raise NotSignedIn where none did."""
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotSignedIn("sign in first: send the header 'Authorization: Bearer TOKEN'")
    return token.strip()


def project_of(headers: Mapping[bytes, bytes], principal: Principal) -> str:
    """Return the project that the request is about; raise InvalidInput where it names none.

    A token that is for one project need not name it.
    """
    guid = headers.get(b"project", b"").decode("latin-1") or principal.project_guid
    if not guid:
        raise InvalidInput("project", problem="the header is missing", rule="send the project's guid in it")
    if not guid.isprintable() or len(guid) > 253:
        raise NotFound("project", guid[:60])
    return guid


def _check_scope(operation: Operation, principal: Principal) -> None:
    """Refuse what a token's scopes do not say, before anything else is looked at."""
    if not principal.scopes or operation.scope is ScopeKind.EVERYBODY:
        return
    if operation.scope is None:
        raise NotAllowed("a token with scopes may not do this; sign in, or use a token without scopes")
    if not principal.has_scope(operation.scope):
        raise NotAllowed(f"this token lacks the scope {operation.scope.value}")
    if principal.project_guid and operation.place not in (Place.HEADER, Place.PATH):
        raise NotAllowed("this token is for one project, and this is about more than that")


def _check_path(params: Mapping[str, str]) -> None:
    """Answer names that nothing can have here, so that no store ever sees them."""
    for value in params.values():
        if not value.isprintable() or len(value) > 512:
            raise NotFound("object", value[:60])


async def _body(scope: Scope, receive: Receive, *, most: int) -> bytes:
    length = header_of(scope, b"content-length")
    if length.isdecimal() and int(length[:20]) > most:
        raise TooLarge(most)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > most:
            raise TooLarge(most)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)
