"""Where the commands go and as whom: flags win over the environment, that over the kept login.

The login is kept in ``$XDG_CONFIG_HOME/towline/config.json``, readable by its owner alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from towline.cli import private_file
from towline.cli.failure import Failure

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

DEFAULT_SERVER = "http://127.0.0.1:8420"


@dataclass(frozen=True, slots=True)
class Context:
    """A server, who is signed in there, and the project that commands are about."""

    server: str = DEFAULT_SERVER
    token: str = ""
    email: str = ""
    project: str = ""
    organization: str = ""
    ca: str = ""

    def __repr__(self) -> str:
        return f"Context(server={self.server!r}, email={self.email!r}, project={self.project!r})"


def path(environ: Mapping[str, str]) -> Path:
    """Return the file that keeps the login."""
    home = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME") or "~").expanduser() / ".config")
    return Path(home) / "towline" / "config.json"


def load(environ: Mapping[str, str]) -> Context:
    """Return the kept login, or the default one where nothing is kept."""
    file = path(environ)
    try:
        kept = json.loads(file.read_bytes())
    except FileNotFoundError:
        return Context()
    except (OSError, ValueError) as error:
        raise Failure(
            f"{file} cannot be read ({error}); sign in again with `towline login`", code=1
        ) from error
    if not isinstance(kept, dict):
        raise Failure(f"{file} holds no login; remove it and sign in again with `towline login`", code=1)
    names = {field.name for field in fields(Context)}
    return Context(**{name: str(value) for name, value in kept.items() if name in names})


def save(context: Context, environ: Mapping[str, str]) -> Path:
    """Keep the login, whole or not at all, readable by its owner alone; return the file."""
    file = path(environ)
    private_file.write(file, json.dumps(asdict(context), indent=2) + "\n")
    return file


def resolve(args: argparse.Namespace, environ: Mapping[str, str]) -> Context:
    """Return where this command goes: flags, then TOWLINE_* variables, then the kept login."""
    kept = load(environ)
    server = getattr(args, "server", None) or environ.get("TOWLINE_SERVER") or kept.server
    if server != kept.server:
        # A token is for the server that gave it; it is never shown to another.
        kept = Context(server=server)
    token = environ.get("TOWLINE_TOKEN", "").strip() or _token_in(environ.get("TOWLINE_TOKEN_FILE"))
    if not token.isascii() or not token.isprintable() or " " in token:
        # It is checked here because the library quotes what cannot stand in a header.
        raise Failure("the token holds blanks or letters that no token has; copy it anew", code=2)
    return replace(
        kept,
        token=token or kept.token,
        project=getattr(args, "project", None) or environ.get("TOWLINE_PROJECT") or kept.project,
        ca=environ.get("TOWLINE_CA") or kept.ca,
    )


def _token_in(path: str | None) -> str:
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise Failure(f"TOWLINE_TOKEN_FILE cannot be read: {error}", code=2) from error
