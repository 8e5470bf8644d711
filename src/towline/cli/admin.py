"""``towline admin``: what is done on the server's own machine, with its data folder."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from towline.cli import admin_audit, admin_backup, admin_doctor, admin_keys, admin_move, flags

if TYPE_CHECKING:
    import argparse

DESCRIPTION = """\
Administer a server on its own machine, through its data folder. The server may be running.
"""
EXAMPLES = """\
examples:
  towline admin create-user --email jane@example.com --organization acme --project demo
  printf %s "$PASSWORD" | towline admin create-user --email ci@example.com --password-stdin \\
      --organization acme --project demo
  towline admin backup /var/backups/towline.backup
  towline admin restore /var/backups/towline.backup
  towline admin migrate-store --from /var/lib/towline --to postgresql://towline@db.example.com/towline
  towline admin disable-user --email max@example.com
  towline admin keys list
  towline admin keys rotate --yes
  towline admin audit verify
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the administrative commands to ``parser``."""
    commands = parser.add_subparsers(dest="admin_command", metavar="COMMAND", required=True)
    admin_backup.configure(commands)
    admin_doctor.configure(commands)
    admin_move.configure(commands)
    user = commands.add_parser("create-user", help="make an account, for scripts and first starts")
    user.set_defaults(do=_create_user)
    flags.data(user)
    user.add_argument("--email", required=True, help="the account's e-mail address")
    user.add_argument(
        "--password-stdin", action="store_true", help="read the password from standard input, first line"
    )
    user.add_argument("--first-name", default="")
    user.add_argument("--last-name", default="")
    user.add_argument(
        "--organization", default="", help="organization to join; made if there is none of that name"
    )
    user.add_argument(
        "--project", default="", help="project to join as admin; made if there is none of that name"
    )
    for name, summary, do in (
        (
            "disable-user",
            "shut somebody out: sessions and tokens end, on a running server within 5 s",
            _disable,
        ),
        ("enable-user", "let somebody in again", _enable),
    ):
        shut = commands.add_parser(name, help=summary)
        shut.set_defaults(do=do)
        flags.data(shut)
        shut.add_argument("--email", required=True, help="the account's e-mail address")
    admin_keys.configure(commands)
    admin_audit.configure(commands)


def run(args: argparse.Namespace) -> int:
    """Run the administrative command; return the exit code."""
    from towline.domain.errors import Conflict, InvalidInput, NotFound, TowlineError

    try:
        return int(args.do(args))
    except NotFound as error:
        code, problem = 3, str(error)
    except InvalidInput as error:
        code, problem = 2, str(error)
    except Conflict as error:
        code, problem = 4, str(error)
    except (TowlineError, OSError) as error:
        code, problem = 1, str(error)
    sys.stderr.write(f"towline admin: {problem}\n")
    return code


def _create_user(args: argparse.Namespace) -> int:
    return asyncio.run(_user_created(args))


async def _user_created(args: argparse.Namespace) -> int:
    from towline import app, config
    from towline.domain.credential import Password

    settings = config.load({"data": args.data})
    password = Password(_password(from_stdin=args.password_stdin))
    async with app.administration(settings) as accounts:
        profile = await accounts.create_user(
            email=args.email,
            password=password,
            first_name=args.first_name,
            last_name=args.last_name,
            organization=args.organization,
            project=args.project,
        )
    for project, organization, _ in profile.projects:
        sys.stdout.write(f"{profile.user.email}\t{organization.name}\t{project.name}\t{project.guid}\n")
    return 0


def _disable(args: argparse.Namespace) -> int:
    return asyncio.run(_set_disabled(args, disabled=True))


def _enable(args: argparse.Namespace) -> int:
    return asyncio.run(_set_disabled(args, disabled=False))


async def _set_disabled(args: argparse.Namespace, *, disabled: bool) -> int:
    from towline import app, config

    async with app.administration(config.load({"data": args.data})) as accounts:
        user = await accounts.set_disabled(args.email, disabled=disabled)
    sys.stdout.write(f"{user.email}\t{'disabled' if disabled else 'enabled'}\n")
    return 0


def _password(*, from_stdin: bool) -> str:
    """Return the password: one trailing line end of standard input is removed, as docker login does."""
    if not from_stdin:
        return flags.asked_password()
    text = sys.stdin.read()
    return text.removesuffix("\n").removesuffix("\r")
