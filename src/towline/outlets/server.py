"""Where the server is, with which token it is asked, and one request to it.

The environment wins over what ``towline login`` keeps. ``dataclasses`` and ``typing`` are not imported:
they would cost a tenth of the whole call.
"""

from __future__ import annotations

import http.client
import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

SECONDS = 15.0
MOST_BYTES = 4 << 20
_GATEWAYS = (502, 503, 504)


class Trouble(Exception):
    """Something that the caller is told in one line."""


class Unreachable(Trouble):
    """The server did not answer, or what stands before it says that it is down."""


class Settings:
    """Server, token, project (empty where the token itself is for one) and the CA's file."""

    __slots__ = ("ca", "project", "server", "token")

    def __init__(self, server: str, token: str, project: str, ca: str) -> None:
        self.server = server
        self.token = token
        self.project = project
        self.ca = ca


def settings(environ: Mapping[str, str]) -> Settings:
    """Return where to ask; raise Trouble where nobody is signed in."""
    kept = _kept(environ)
    server = environ.get("TOWLINE_SERVER") or environ.get("TOWLINE_URL") or kept.get("server", "")
    server = server.rstrip("/")
    if server != kept.get("server"):
        kept = {}  # a token is for the server that gave it
    token = environ.get("TOWLINE_TOKEN", "").strip() or _from_file(environ.get("TOWLINE_TOKEN_FILE", ""))
    project = environ.get("TOWLINE_PROJECT", "").strip()
    if not token:
        token, project = kept.get("token", ""), project or kept.get("project", "")
    if not server or not token:
        raise Trouble(
            "towline: not signed in; set TOWLINE_SERVER and TOWLINE_TOKEN_FILE, or use `towline login`"
        )
    if not _is_one_word(token):
        raise Trouble("towline: the token holds blanks or letters that no token has; copy it anew")
    if project and not (project.startswith("project-") and _is_one_word(project)):
        raise Trouble(
            "towline: TOWLINE_PROJECT must be a project's guid here: `towline project list` shows it"
        )
    return Settings(server, token, project, environ.get("TOWLINE_CA") or kept.get("ca", ""))


def call(
    where: Settings, method: str, path: str, body: Mapping[str, object] | None = None
) -> tuple[int, dict[str, object]]:
    """Return status and document of an answer; raise Unreachable, or Trouble for what is no answer."""
    content = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {where.token}", "Content-Type": "application/json"}
    if where.project:
        headers["project"] = where.project
    connection = _connection(where)
    try:
        connection.request(method, path, content, headers)
        answer = connection.getresponse()
        text = answer.read(MOST_BYTES)
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        why = str(error) or type(error).__name__
        raise Unreachable(f"towline: no connection to {where.server} ({why})") from error
    finally:
        connection.close()
    if answer.status in _GATEWAYS and not text.startswith(b'{"error"'):
        raise Unreachable(f"towline: {where.server} is down ({answer.status})")
    return answer.status, _document(text, where)


def told(document: Mapping[str, object], status: int) -> str:
    """Return what a refusal says, as one line."""
    said = document.get("error") or f"the server answered {status}"
    return "towline: " + " ".join(str(said).split())


def _connection(where: Settings) -> http.client.HTTPConnection:
    scheme, _, rest = where.server.partition("://")
    netloc = rest.rstrip("/")
    try:
        if scheme == "http" and netloc:
            return http.client.HTTPConnection(netloc, timeout=SECONDS)
        if scheme == "https" and netloc and "/" not in netloc:
            return http.client.HTTPSConnection(netloc, timeout=SECONDS, context=_trust(where.ca))
    except http.client.InvalidURL as error:
        raise Trouble(f"towline: {where.server!r} is not a server's address ({error})") from error
    raise Trouble(f"towline: {where.server!r} is not a server's address; use https://HOST[:PORT]")


def _trust(ca: str) -> ssl.SSLContext:
    import ssl

    try:
        return ssl.create_default_context(cafile=ca or None)
    except OSError as error:
        raise Trouble(f"towline: the CA file {ca!r} cannot be used ({error})") from error


def _kept(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what ``towline login`` keeps; empty where nobody signed in."""
    home = environ.get("XDG_CONFIG_HOME") or os.path.join(
        environ.get("HOME") or os.path.expanduser("~"), ".config"
    )
    file = os.path.join(home, "towline", "config.json")
    try:
        with open(file, "rb") as kept:
            document = json.load(kept)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Trouble(
            f"towline: {file} cannot be read ({error}); sign in again with `towline login`"
        ) from error
    pairs = document.items() if isinstance(document, dict) else ()
    return {name: value for name, value in pairs if isinstance(value, str)}


def _is_one_word(text: str) -> bool:
    """Whether ``text`` can stand in a header; one that cannot would be quoted by the library's exception."""
    return text.isascii() and text.isprintable() and " " not in text


def _from_file(path: str) -> str:
    if not path:
        return ""
    try:
        with open(path, encoding="ascii") as file:
            return file.read(1024).strip()
    except (OSError, ValueError) as error:
        raise Trouble(f"towline: TOWLINE_TOKEN_FILE cannot be read ({error})") from error


def _document(text: bytes, where: Settings) -> dict[str, object]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Trouble(f"towline: {where.server} answered without JSON; is it a towline server?")
    return document
