"""The server's REST API, spoken with the standard library alone so that a command starts at once."""

from __future__ import annotations

import http.client
import json
import os
import re
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from towline.cli import contexts
from towline.cli.documents import Document, at, documents_at, text_at
from towline.cli.failure import ApiError, Failure

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from towline.cli.contexts import Context

PATIENCE = 120.0
_GUID = re.compile(r"project-[a-z]{24}")
_EXIT_CODES = {400: 2, 401: 5, 403: 5, 404: 3, 409: 4, 412: 6, 413: 2, 422: 2}


class Client:
    """Calls on behalf of one user in one project. Connections are kept open between calls.

    ``organization`` is the guid of the one that calls are about, where they are about one.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.organization = ""
        self._connection = _connection(context)

    def get(self, path: str, **query: str) -> Document:
        """Return the document at ``path``."""
        return self.call("GET", path, query=query)

    def items(self, path: str, **query: str) -> list[Document]:
        """Return all items of a list, page after page."""
        found: list[Document] = []
        while True:
            page = self.get(path, **query)
            found += documents_at(page, "items")
            following = text_at(page, "metadata", "continue")
            if not following or following == query.get("continue"):
                return found
            query = {**query, "continue": following}

    def call(
        self, method: str, path: str, body: object = None, *, query: Mapping[str, str] | None = None
    ) -> Document:
        """Send ``body`` and return the answer's document; raise ApiError for a refusal."""
        response = self._send(method, path, body, query=query)
        with _connection_problems(self.context):
            content = response.read()
        try:
            answer = json.loads(content) if content.strip() else {}
        except ValueError as error:
            raise self._strange(response.status) from error
        if response.status >= http.client.BAD_REQUEST:
            raise _refused(response.status, answer)
        return answer if isinstance(answer, dict) else {}

    def form(self, path: str, fields: Mapping[str, str]) -> tuple[int, Document]:
        """Send a form, as OAuth has it; return status and document, refusals too."""
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        with _connection_problems(self.context):
            self._connection.request("POST", path, body=urlencode(fields), headers=headers)
            response = self._connection.getresponse()
            answer = _json_or_nothing(response.read())
        return response.status, answer if isinstance(answer, dict) else {}

    def lines(self, path: str, **query: str) -> Iterator[bytes]:
        """Yield the lines of a text answer as they come."""
        response = self._send("GET", path, None, query=query)
        if response.status >= http.client.BAD_REQUEST:
            with _connection_problems(self.context):
                content = response.read()
            raise _refused(response.status, _json_or_nothing(content))
        with _connection_problems(self.context):
            yield from response

    def _send(
        self, method: str, path: str, body: object, *, query: Mapping[str, str] | None
    ) -> http.client.HTTPResponse:
        target = f"{path}?{urlencode(query)}" if query else path
        content = None if body is None else json.dumps(body).encode()
        with _connection_problems(self.context):
            try:
                return self._ask(method, target, content)
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self._connection.close()
                if method != "GET":
                    raise
                # A connection that was kept open may end while nobody looks; reading again is safe.
                return self._ask(method, target, content)

    def _ask(self, method: str, target: str, content: bytes | None) -> http.client.HTTPResponse:
        headers = {"Accept": "application/json", "User-Agent": "towline"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        if self.context.token:
            headers["Authorization"] = f"Bearer {self.context.token}"
        if self.context.project:
            headers["project"] = self.context.project
        if self.organization:
            headers["organizationguid"] = self.organization
        self._connection.request(method, target, body=content, headers=headers)
        return self._connection.getresponse()

    def _strange(self, status: int) -> ApiError:
        text = f"{self.context.server} answered {status} without JSON; is it a towline server?"
        return ApiError(text, status=status, code=1)


class _connection_problems:  # noqa: N801 - it is used as a function
    """Translate what the connection raises into what to do about it."""

    def __init__(self, context: Context) -> None:
        self._server = context.server

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        match error:
            case ssl.SSLCertVerificationError():
                hint = "set TOWLINE_CA to the file with its CA certificate"
                text = f"the certificate of {self._server} is not trusted ({error.verify_message}); {hint}"
            case TimeoutError():
                text = f"{self._server} did not answer in time; try again"
            case OSError() | http.client.HTTPException():
                hint = "is `towline serve` running there? --server or TOWLINE_SERVER names another"
                text = f"no connection to {self._server} ({str(error) or type(error).__name__}); {hint}"
            case _:
                return
        raise ApiError(text, status=0, code=1) from error


def opened(args: argparse.Namespace) -> Client:
    """Return a client for a command that needs a project; raise Failure where nobody is signed in."""
    client = signed_in(args)
    context = client.context
    if not context.project:
        if os.environ.get("TOWLINE_TOKEN") or os.environ.get("TOWLINE_TOKEN_FILE"):
            return client  # a token for one project need not name it
        raise Failure("no project is chosen; use `towline project select NAME` or --project", code=2)
    if not _GUID.fullmatch(context.project):
        project = project_named(client, context.project)
        return Client(replace(context, project=text_at(project, "metadata", "guid")))
    return client


def in_organization(args: argparse.Namespace) -> Client:
    """Return a client for the organization of the chosen project, or without one the user's first."""
    client = signed_in(args)
    if client.context.project:
        client = opened(args)
        project = client.get(f"/v2/projects/{part(client.context.project)}/")
        client.organization = text_at(project, "metadata", "organizationGUID")
        return client
    organizations = documents_at(client.get("/v2/users/me/"), "spec", "organizations")
    if not organizations:
        raise Failure("you are in no organization; ask an admin of one for an invitation", code=3)
    client.organization = text_at(organizations[0], "guid")
    return client


def signed_in(args: argparse.Namespace) -> Client:
    """Return a client for a command that needs no project."""
    context = contexts.resolve(args, os.environ)
    if not context.token:
        raise Failure(f"not signed in to {context.server}; use `towline login {context.server}`", code=5)
    return Client(context)


def project_named(client: Client, name: str) -> Document:
    """Return the project of this name or guid; raise Failure where there is none, or several."""
    visible = client.items("/v2/projects/")
    found = [
        each
        for each in visible
        if name in (text_at(each, "metadata", "name"), text_at(each, "metadata", "guid"))
    ]
    if not found:
        raise Failure(f"there is no project {name!r}; `towline project list` shows yours", code=3)
    if len(found) > 1:
        raise Failure(f"several projects are called {name!r}; give the guid", code=4)
    return found[0]


def part(name: str) -> str:
    """Return ``name`` as it stands in a path."""
    return quote(name, safe="")


def _connection(context: Context) -> http.client.HTTPConnection:
    try:
        url = urlsplit(context.server)
        host, port = url.hostname, url.port
    except ValueError as error:
        raise Failure(f"{context.server!r} is not a server's address: {error}", code=2) from error
    if url.scheme not in ("http", "https") or not host:
        raise Failure(f"{context.server!r} is not a server's address; use https://HOST[:PORT]", code=2)
    if url.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=PATIENCE)
    try:
        trust = ssl.create_default_context(cafile=context.ca or None)
    except OSError as error:
        raise Failure(f"the CA file {context.ca!r} cannot be used: {error}", code=2) from error
    return http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=trust)


def _refused(status: int, answer: object) -> ApiError:
    text = text_at(answer, "error") or f"the server answered {status}"
    if fix := text_at(answer, "finding", "fix"):
        text = f"{text}\nfix: {fix}"
    if status >= http.client.INTERNAL_SERVER_ERROR and at(answer, "request_id"):
        text = f"{text} (request {text_at(answer, 'request_id')})"
    if status == http.client.UNAUTHORIZED:
        text = f"{text}; sign in with `towline login`"
    return ApiError(text, status=status, code=_EXIT_CODES.get(status, 1))


def _json_or_nothing(content: bytes) -> object:
    try:
        return json.loads(content)
    except ValueError:
        return {"error": content[:200].decode("utf-8", "replace")}
