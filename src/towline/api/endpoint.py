"""A path of the API as a plain ASGI application: permission first, then the body, then the operation.

Framework objects for requests and responses are left out on purpose: they cost a third of a GET.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.api.errors import ClientGone, TooLarge, plain, refusal
from towline.api.operations import Call, Operation, Place, Reply, Stream, header_of
from towline.api.streaming import stream
from towline.domain.errors import InvalidInput, NotFound, NotSignedIn, TowlineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Receive, Scope, Send

    from towline.domain.account import Access, Principal
    from towline.services.accounts import Accounts


class Endpoint:
    """All operations of one path. ``label`` is the path's template, as metrics name it."""

    def __init__(self, label: str, operations: Sequence[Operation], accounts: Accounts) -> None:
        self.label = label
        self._accounts = accounts
        self._by_method: Mapping[str, Operation] = {each.method: each for each in operations}
        if "GET" in self._by_method:
            self._by_method = {**self._by_method, "HEAD": self._by_method["GET"]}
        self._allow = ", ".join(sorted(self._by_method))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        operation = self._by_method.get(scope["method"])
        if operation is None:
            await answer(plain(405, f"{scope['method']} is not allowed here", allow=self._allow), send)
            return
        try:
            reply = await self._reply(operation, scope, receive)
        except TowlineError as error:
            reply = refusal(error)
        except ClientGone:
            return
        if isinstance(reply, Stream):
            await stream(reply, receive, send, only_headers=scope["method"] == "HEAD")
        else:
            await answer(reply, send)

    async def _reply(self, operation: Operation, scope: Scope, receive: Receive) -> Reply | Stream:
        _check_path(scope["path_params"])
        if not operation.signed_in:
            body = await _body(operation, scope, receive) if operation.body else b""
            return await operation.handle(Call(scope, body))
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        principal = await self._accounts.authenticate(bearer(headers))
        access = await self._access(operation, scope, headers, principal)
        body = await _body(operation, scope, receive) if operation.body else b""
        return await operation.handle(Call(scope, body, principal=principal, access=access))

    async def _access(
        self, operation: Operation, scope: Scope, headers: Mapping[bytes, bytes], principal: Principal
    ) -> Access | None:
        if operation.place is Place.HEADER:
            guid = project_of(headers)
        elif operation.place is Place.PATH:
            guid = scope["path_params"]["guid"]
        else:
            return None
        return await self._accounts.access(principal, guid, permission=operation.permission)


async def answer(reply: Reply, send: Send) -> None:
    """Send an answer that is ready."""
    body, status, headers = reply
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


def bearer(headers: Mapping[bytes, bytes]) -> str:
    """Return the token that came with the request; raise NotSignedIn where none did."""
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotSignedIn("sign in first: send the header 'Authorization: Bearer TOKEN'")
    return token.strip()


def project_of(headers: Mapping[bytes, bytes]) -> str:
    """Return the project that the request is about; raise InvalidInput where it names none."""
    guid = headers.get(b"project", b"").decode("latin-1")
    if not guid:
        raise InvalidInput("project", problem="the header is missing", rule="send the project's guid in it")
    if not guid.isprintable() or len(guid) > 253:
        raise NotFound("project", guid[:60])
    return guid


def _check_path(params: Mapping[str, str]) -> None:
    """Answer names that nothing can have here, so that no store ever sees them."""
    for value in params.values():
        if not value.isprintable() or len(value) > 512:
            raise NotFound("object", value[:60])


async def _body(operation: Operation, scope: Scope, receive: Receive) -> bytes:
    length = header_of(scope, b"content-length")
    if length.isdecimal() and int(length[:20]) > operation.most_bytes:
        raise TooLarge(operation.most_bytes)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > operation.most_bytes:
            raise TooLarge(operation.most_bytes)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)
