"""The command line: ``towline COMMAND``, a module per command, talking REST to a server.

This module imports next to nothing, so that ``towline --help`` answers at once: a command's module
is imported only when the command is asked for. Every such module holds ``DESCRIPTION``,
``EXAMPLES``, ``configure(parser)`` and ``run(args) -> int``.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from towline.cli.failure import Failure

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    class CommandModule(Protocol):
        """What every module of a command holds."""

        DESCRIPTION: str
        EXAMPLES: str

        def configure(self, parser: argparse.ArgumentParser) -> None:
            """Add the command's arguments."""

        def run(self, args: argparse.Namespace) -> int:
            """Do it; return the exit code."""


class Command(NamedTuple):
    """One row of the table of commands."""

    name: str
    summary: str


class Group(NamedTuple):
    """Commands that are about one thing."""

    title: str
    commands: tuple[Command, ...]


GROUPS: tuple[Group, ...] = (
    Group(
        "the server",
        (
            Command("serve", "run the control plane"),
            Command("admin", "administer a server on its own machine"),
        ),
    ),
    Group(
        "who you are, and where",
        (
            Command("login", "sign in to a server and choose a project"),
            Command("logout", "end the session that login began"),
            Command("project", "list, create, select and delete projects"),
            Command("session", "list and end your sessions"),
            Command("token", "make, list and revoke tokens for programs, each with its scopes"),
        ),
    ),
    Group(
        "people",
        (
            Command("member", "invite people, give them roles, take them out, shut them out"),
            Command("group", "keep user groups, which hold roles for their members"),
            Command("service-account", "keep accounts of programs, and make and end their tokens"),
            Command("sso", "say which groups of the sign-in provider give which roles"),
        ),
    ),
    Group(
        "credentials",
        (
            Command("secret", "keep docker pull secrets and other secrets; import and export logins"),
            Command("registry", "set what a credential cannot say about a registry: CA, proxy, plain HTTP"),
            Command("preflight", "tell whether images can be pulled, before deploying"),
            Command("credential", "tell which credential a tool would use, and read auth values"),
            Command("image", "read image references as docker does"),
        ),
    ),
    Group(
        "deployments",
        (
            Command("deploy", "run an image: package, deployment and waiting in one command"),
            Command("apply", "create or change what YAML documents describe"),
            Command("package", "keep packages: what is to run"),
            Command("deployment", "run packages, watch them, read their logs"),
            Command("disk", "keep disks: what outlives the deployments that mount them"),
            Command("engine", "add, look at and remove the engines on which containers run"),
        ),
    ),
    Group(
        "other programs",
        (
            Command("credential-helper", "let docker, podman and skopeo ask Towline for logins"),
            Command("kubernetes", "install on a cluster, try its pull secrets; let kubelets ask Towline"),
            Command("doors", "say what a project allows where credentials leave"),
            Command("rio-config", "write the file that points rapyuta.io's own rio at the server"),
        ),
    ),
    Group(
        "what changes",
        (
            Command("event", "show what changed without anybody asking"),
            Command("webhook", "tell a web server, Slack or a mailbox when something changes"),
        ),
    ),
    Group(
        "the command line itself",
        (
            Command("completion", "print a completion script for a shell"),
            Command("version", "print the version"),
        ),
    ),
)
COMMANDS = tuple(command for group in GROUPS for command in group.commands)

EXIT_CODES = """\
exit codes:
  0    done
  1    failed: the server is out of reach, or something ran and failed
  2    wrong arguments or input
  3    no such object
  4    the name is taken, or the state forbids it
  5    not signed in, or not allowed
  6    an image cannot be pulled with this secret, or the credential was refused
  7    not finished within the time given
  8    nobody could tell now, for example because a registry did not answer
  130  interrupted
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``towline`` with these arguments, by default the process's; return the exit code."""
    try:
        return _main(list(sys.argv[1:] if argv is None else argv))
    except Failure as failure:
        return _failed(failure)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Who read our output is gone; keep the interpreter's last flush from complaining about it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)


def command_parser(name: str) -> argparse.ArgumentParser:
    """Return the parser of one command; importing its module on the way."""
    import argparse

    module = _module(name)
    parser = argparse.ArgumentParser(
        prog=f"towline {name}",
        description=module.DESCRIPTION,
        epilog=module.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.configure(parser)
    return parser


def _main(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        return _help(words[1:])
    if words[0] in ("-V", "--version"):
        words[0] = "version"
    name, *rest = words
    if name not in {command.name for command in COMMANDS}:
        return _unknown(name)
    rest, after = _split_at_dashes(name, rest)
    args = command_parser(name).parse_args(rest)
    if after:
        setattr(args, _words_after_dashes(name), after)
    return _module(name).run(args)


def _split_at_dashes(name: str, words: list[str]) -> tuple[list[str], list[str]]:
    """Return the words before and after ``--``, where the command takes what follows as it is."""
    if not _words_after_dashes(name) or "--" not in words:
        return words, []
    place = words.index("--")
    return words[:place], words[place + 1 :]


def _words_after_dashes(name: str) -> str:
    """Return the argument that takes the words after ``--``; empty where the command has none."""
    return str(getattr(_module(name), "WORDS_AFTER_DASHES", ""))


def _help(words: list[str]) -> int:
    if words and words[0] in {command.name for command in COMMANDS}:
        command_parser(words[0]).print_help()
        return 0
    width = max(len(command.name) for command in COMMANDS)
    sys.stdout.write(
        "usage: towline COMMAND ...\n\n"
        "Keep docker pull secrets, prove that they work, and deploy packages with them.\n\n"
    )
    for group in GROUPS:
        rows = "".join(f"  {command.name:{width}}  {command.summary}\n" for command in group.commands)
        sys.stdout.write(f"{group.title}:\n{rows}\n")
    sys.stdout.write("`towline COMMAND --help` tells more and shows examples.\n\n" + EXIT_CODES)
    return 0


def _failed(failure: Failure) -> int:
    from towline.cli.output import clean

    sys.stderr.write(f"towline: {clean(str(failure))}\n")
    return failure.code


def _unknown(name: str) -> int:
    from towline.cli.hints import hint

    sys.stderr.write(f"towline: there is no command {name!a}; {hint(name)}\n")
    return 2


def _module(name: str) -> CommandModule:
    import importlib

    return cast("CommandModule", importlib.import_module(f"towline.cli.{name.replace('-', '_')}"))
