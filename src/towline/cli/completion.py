"""``towline completion``."""

from __future__ import annotations

import argparse
import importlib
import sys

DESCRIPTION = "Print a script that completes towline's commands and flags."
EXAMPLES = """\
examples:
  towline completion bash > ~/.local/share/bash-completion/completions/towline
  towline completion zsh > ~/.zfunc/_towline
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))


def run(args: argparse.Namespace) -> int:
    """Print the script; return 0."""
    import shtab

    sys.stdout.write(shtab.complete(_whole(), shell=args.shell))
    sys.stdout.write("\n")
    return 0


def _whole() -> argparse.ArgumentParser:
    """Return one parser with every command in it."""
    from towline.cli import COMMANDS

    parser = argparse.ArgumentParser(prog="towline")
    group = parser.add_subparsers(dest="command")
    for command in COMMANDS:
        module = importlib.import_module(f"towline.cli.{command.name.replace('-', '_')}")
        module.configure(group.add_parser(command.name, help=command.summary))
    return parser
