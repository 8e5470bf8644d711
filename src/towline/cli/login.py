"""``towline login``."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from towline.cli import contexts, flags
from towline.cli.client import Client, project_named
from towline.cli.contexts import Context
from towline.cli.documents import documents_at, text_at
from towline.cli.failure import ApiError, Failure
from towline.cli.output import say, show_one, tell

if TYPE_CHECKING:
    import argparse

DESCRIPTION = """\
Sign in to a server and choose a project. The token, never the password, is kept in
$XDG_CONFIG_HOME/towline/config.json, readable by you alone.
"""
EXAMPLES = """\
examples:
  towline login http://127.0.0.1:8420 --email jane@example.com
  towline login https://towline.example.com --browser
  printf %s "$PASSWORD" | towline login https://towline.example.com --email ci@example.com \\
      --password-stdin --project robots
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("server", metavar="SERVER", nargs="?", help="the server's address [TOWLINE_SERVER]")
    parser.add_argument("--email", help="your e-mail address; asked for where it is not given")
    parser.add_argument("--project", metavar="NAME", help="the project to work in; your only one by default")
    parser.add_argument(
        "--browser", action="store_true", help="sign in in a browser, by whatever way that is done there"
    )
    flags.password(parser)
    flags.output(parser)


def run(args: argparse.Namespace) -> int:
    """Sign in; return 0."""
    context = contexts.resolve(args, os.environ)
    if args.browser:
        context = _by_browser(Context(server=context.server.rstrip("/"), ca=context.ca))
    else:
        email = args.email or _asked_email(context)
        password = flags.read_password(args)
        context = Context(server=context.server.rstrip("/"), email=email, ca=context.ca)
        context = replace(context, token=_token(Client(context), email, password))
    email = context.email
    context = _with_project(context, args.project)
    file = contexts.save(context, os.environ)
    signed_in = {"server": context.server, "email": email, "project": context.project}
    if args.output == "table":
        say(f"signed in to {context.server} as {email}")
    else:
        show_one({"metadata": {"name": email}, **signed_in}, args.output, details=lambda _: ())
    tell(f"the token is kept in {file}")
    return 0


def _by_browser(context: Context) -> Context:
    from towline.cli.browser_login import token_by_browser

    known = replace(context, token=token_by_browser(Client(context)))
    return replace(known, email=text_at(Client(known).get("/user/info"), "data", "email"))


def _asked_email(context: Context) -> str:
    if not sys.stdin.isatty():
        raise Failure("no e-mail address given; use --email", code=2)
    sys.stderr.write(f"E-mail address{f' [{context.email}]' if context.email else ''}: ")
    sys.stderr.flush()
    email = sys.stdin.readline().strip() or context.email
    if not email:
        raise Failure("no e-mail address given", code=2)
    return email


def _token(client: Client, email: str, password: str) -> str:
    body = {"email": email, "password": password}
    try:
        answer = client.call("POST", "/user/login", body, query={"type": "med"})
    except ApiError as error:
        if error.code == 5:
            raise Failure(
                f"{client.context.server} does not accept this address and password", code=5
            ) from error
        raise
    token = text_at(answer, "data", "token")
    if not token:
        raise Failure(f"{client.context.server} gave no token; is it a towline server?", code=1)
    return token


def _with_project(context: Context, wanted: str | None) -> Context:
    client = Client(context)
    if wanted:
        project = project_named(client, wanted)
        guid = text_at(project, "metadata", "guid")
        owner = text_at(project, "metadata", "organizationGUID")
        return replace(context, project=guid, organization=owner)
    mine = documents_at(client.get("/v2/users/me/"), "spec", "projects")
    if len(mine) == 1:
        guid, owner = text_at(mine[0], "guid"), text_at(mine[0], "organizationGUID")
        return replace(context, project=guid, organization=owner)
    tell("choose a project with `towline project select NAME`; `towline project list` shows yours")
    return context
