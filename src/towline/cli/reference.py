"""The reference page of the command line, written from the same parsers that read it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from towline.cli import COMMANDS, EXIT_CODES, GROUPS, command_parser

if TYPE_CHECKING:
    from collections.abc import Iterator

_MADE = "<!-- made by docs/generate.py from the code: change it there -->\n\n"
_INTRO = """# The command line

`towline COMMAND --help` shows the same. What programs read goes to standard output, what people read
beside it to standard error; `-o json` and `-o yaml` are stable.

"""


def cli_page() -> str:
    """Return ``docs/reference/cli.md``: every command with its arguments and examples."""
    sections = [_section(command.name) for command in COMMANDS]
    return (
        _MADE
        + _INTRO
        + _contents()
        + "".join(sections)
        + f"\n## Exit codes\n\n```text\n{_body(EXIT_CODES)}```\n"
    )


def _contents() -> str:
    """Return the groups of commands, each command a link to its section."""
    rows = ""
    for group in GROUPS:
        links = ", ".join(f"[{each.name}](#towline-{each.name})" for each in group.commands)
        rows += f"| {group.title} | {links} |\n"
    return f"| about | commands |\n|---|---|\n{rows}"


def verbs_of(name: str) -> tuple[str, ...]:
    """Return the verbs of a command, in their order."""
    return tuple(verb for verb, _ in _verbs(command_parser(name)))


def _section(name: str) -> str:
    parser = command_parser(name)
    verbs = list(_verbs(parser))
    head = f"\n## towline {name}\n\n{(parser.description or '').strip()}\n\n"
    if not verbs:
        return head + _arguments(parser) + _examples(parser)
    return head + _examples(parser) + "".join(_verb(name, verb, each) for verb, each in verbs)


def _verb(name: str, verb: str, parser: argparse.ArgumentParser) -> str:
    described = f"{parser.description}\n\n" if parser.description else ""
    return f"\n### towline {name} {verb}\n\n{described}{_arguments(parser)}{_examples(parser)}"


def _verbs(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:  # noqa: SLF001  (argparse has no other way to walk a parser)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            yield from action.choices.items()


def _arguments(parser: argparse.ArgumentParser) -> str:
    rows = [
        f"| {_shown(action)} | {_words(action)} |\n"
        for action in parser._actions  # noqa: SLF001
        if action.help != argparse.SUPPRESS and not isinstance(action, argparse._HelpAction)  # noqa: SLF001
    ]
    return "| argument | meaning |\n|---|---|\n" + "".join(rows) + "\n" if rows else ""


def _shown(action: argparse.Action) -> str:
    value = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if action.choices is not None:
        value = "\\|".join(map(str, action.choices))
    names = ", ".join(f"`{name}`" for name in action.option_strings)
    takes = "" if action.nargs == 0 else f" `{value}`"
    return f"{names}{takes}" if names else f"`{value}`"


def _words(action: argparse.Action) -> str:
    default = "" if action.default in (None, False, "", []) else str(action.default)
    return (action.help or "").replace("%(default)s", default).replace("|", "\\|")


def _examples(parser: argparse.ArgumentParser) -> str:
    body = _body(parser.epilog or "")
    return f"```sh\n{body}```\n" if body else ""


def _body(text: str) -> str:
    """Return a text without its heading line, not indented."""
    lines = [line.removeprefix("  ") for line in text.strip().splitlines()[1:]]
    return "".join(f"{line}\n" for line in lines)
