"""``towline rio-config``: the file that points rapyuta.io's own ``rio`` at a Towline server."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from towline.cli import contexts, flags, private_file
from towline.cli.client import Client
from towline.cli.documents import documents_at, text_at
from towline.cli.failure import Failure
from towline.cli.output import say, tell
from towline.domain.rio_config import rio_config

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from towline.cli.documents import Document

DESCRIPTION = """\
Write the file that points rapyuta.io's own command line, rio, at the server, readable by you alone, and
print the line that tells rio of it. For who is signed in it holds the token, the organization and the
project too, so that no `rio auth login` is needed; rio then shares your session, and `rio auth
refresh-token` ends it for towline. With --no-token, or where nobody is signed in, `rio auth login` signs in.
"""
EXAMPLES = """\
examples:
  eval "$(towline rio-config)" && rio secret list
  towline rio-config --server https://towline.example.com --output-file rio.json
  towline rio-config --no-token --output-file -
"""

_FILE = "rio.json"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "-f",
        "--output-file",
        metavar="FILE",
        help="where to write; - prints instead (default: rio.json beside towline's own login)",
    )
    parser.add_argument("--force", action="store_true", help="replace a file that is there already")
    parser.add_argument("--no-token", action="store_true", help="leave the token out")
    flags.connection(parser)


def run(args: argparse.Namespace) -> int:
    """Write the file; return 0."""
    context = contexts.resolve(args, os.environ)
    client = Client(context)
    known = _signed_in(client, no_token=args.no_token) if context.token else rio_config(context.server)
    text = json.dumps(known, indent=2) + "\n"
    if args.output_file == "-":
        sys.stdout.write(text)
    else:
        _write(args, text)
    if "auth_token" not in known:
        tell("sign in with `rio auth login`")
    return 0


def _write(args: argparse.Namespace, text: str) -> None:
    beside = contexts.path(os.environ).with_name(_FILE)
    file = Path(args.output_file).absolute() if args.output_file else beside
    write = private_file.write if args.force else private_file.write_new
    try:
        write(file, text)
    except OSError as error:
        raise Failure(f"{file} cannot be written: {error.strerror or error}", code=1) from error
    say(f"export RIO_CONFIG={shlex.quote(str(file))}")


def _signed_in(client: Client, *, no_token: bool) -> Mapping[str, str]:
    """Return what ``rio`` must know of who is signed in; raise Failure for a project that is not theirs."""
    context, me = client.context, client.get("/v2/users/me/")
    project = _project(me, context.project)
    owner = _organization(me, text_at(project, "organizationGUID"))
    return rio_config(
        context.server,
        email=text_at(me, "spec", "emailID"),
        token="" if no_token else context.token,
        organization=(text_at(owner, "guid"), text_at(owner, "name"), text_at(owner, "shortGUID")),
        project=(text_at(project, "guid"), text_at(project, "name")),
    )


def _project(me: Document, wanted: str) -> Document:
    mine = documents_at(me, "spec", "projects")
    if not wanted:
        return mine[0] if len(mine) == 1 else {}
    found = [each for each in mine if wanted in (text_at(each, "guid"), text_at(each, "name"))]
    if not found:
        raise Failure(f"there is no project {wanted!r}; `towline project list` shows yours", code=3)
    if len(found) > 1:
        raise Failure(f"several projects are called {wanted!r}; give the guid", code=4)
    return found[0]


def _organization(me: Document, guid: str) -> Document:
    """Return the organization of this guid; without one the only one, if it is the only one."""
    mine = documents_at(me, "spec", "organizations")
    found = [each for each in mine if text_at(each, "guid") == guid] if guid else mine
    return found[0] if len(found) == 1 else {}
