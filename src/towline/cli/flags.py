"""Arguments that many commands share, and how a command with verbs is put together."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from towline.cli.failure import Failure
from towline.cli.output import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Run = Callable[[argparse.Namespace], int]
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - it has no other name


TABLE_OR_JSON = ("table", "json")

RAW = argparse.RawDescriptionHelpFormatter
"""Keeps the lines of examples as they are."""


class _Refuse(argparse.Action):
    """``--password X`` shows X to everybody on the machine, so it is refused with the right way."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        parser.error(
            "a password in the arguments is seen by everybody on this machine; "
            'use --password-stdin: printf %s "$PASSWORD" | towline ... --password-stdin'
        )


def verbs(parser: argparse.ArgumentParser) -> Verbs:
    """Return where the verbs of a command are added."""
    return parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)


def verb(group: Verbs, name: str, run: Run, *, summary: str, examples: str) -> argparse.ArgumentParser:
    """Add a verb and return its parser, which knows the flags that every verb takes."""
    parser = group.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"examples:\n  {examples.strip()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(do=run)
    connection(parser)
    return parser


def connection(parser: argparse.ArgumentParser, *, project: bool = True) -> None:
    """Add the flags that say where the command goes."""
    parser.add_argument("--server", metavar="URL", help="the server [TOWLINE_SERVER]")
    if project:
        parser.add_argument("--project", metavar="NAME", help="project, by name or guid [TOWLINE_PROJECT]")


def output(
    parser: argparse.ArgumentParser, formats: Sequence[str] = FORMATS, *, default: str = "table"
) -> None:
    """Add ``-o`` with these formats."""
    parser.add_argument(
        "-o", "--output", choices=formats, default=default, help="how to print (default: %(default)s)"
    )


def data(parser: argparse.ArgumentParser) -> None:
    """Add ``--data``, for what is done beside a server."""
    parser.add_argument("--data", metavar="FOLDER", help="the server's data folder [TOWLINE_DATA]")


def yes(parser: argparse.ArgumentParser) -> None:
    """Add ``--yes``."""
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask first")


def password(parser: argparse.ArgumentParser) -> None:
    """Add ``--password-stdin``, and ``--password`` only to refuse it."""
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    parser.add_argument("--password", nargs="?", action=_Refuse, help=argparse.SUPPRESS)


def read_password(args: argparse.Namespace) -> str:
    """Return the password, from standard input or asked for; one line end at its end is removed."""
    if args.password_stdin:
        text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
        text = text.removesuffix("\n").removesuffix("\r")
    elif sys.stdin.isatty():
        text = asked_password()
    else:
        raise Failure("no password given; use --password-stdin", code=2)
    if not text:
        raise Failure("the password is empty", code=2)
    if not text.isprintable() and any("\udc80" <= letter <= "\udcff" for letter in text):
        raise Failure("the password is not UTF-8 text", code=2)
    return text


def asked_password() -> str:
    """Return what is typed, unseen; raise Failure where the terminal's input ends."""
    import getpass

    try:
        return getpass.getpass("Password: ")
    except EOFError as end:
        sys.stderr.write("\n")
        raise Failure("no password given", code=2) from end


def confirm(args: argparse.Namespace, question: str) -> None:
    """Return if the user agrees; raise Failure otherwise, and where nobody can be asked."""
    if args.yes:
        return
    if not sys.stdin.isatty():
        raise Failure(f"{question} Nobody is here to ask; say --yes", code=2)
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Failure("nothing was done", code=1)
