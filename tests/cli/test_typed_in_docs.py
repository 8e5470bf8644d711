"""Every command that a page of the docs shows is read by the parser that users meet."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from towline.cli import COMMANDS, command_parser

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = re.compile(r"^ *```sh\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
ENDS = {"|", "<", ">", "&", "&&", ";", "--"}
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def typed(page: Path, program: str) -> list[list[str]]:
    """Return the words after ``program``, for each time that a block of a page types it."""
    text = "".join(BLOCKS.findall(page.read_text())).replace("\\\n", " ")
    found = []
    for line in text.replace('"$(', "\n").replace(')"', " ").splitlines():
        words = shlex.split(line, comments=True)
        for place, word in enumerate(words):
            if word == program and (place == 0 or words[place - 1] in ENDS or "=" in words[place - 1]):
                rest = words[place + 1 :]
                end = next((n for n, each in enumerate(rest) if each in ENDS), len(rest))
                found.append(rest[:end])
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_types_is_a_command(page: Path) -> None:
    for name, *words in typed(page, "towline"):
        assert name in {command.name for command in COMMANDS}
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                command_parser(name).parse_args(words)
        except SystemExit:
            pytest.fail(f"towline {name} {shlex.join(words)}: {said.getvalue()}")
    assert {words[0] for words in typed(page, "make")} <= TARGETS


def test_the_pages_type_many_commands() -> None:
    lines = [words for page in PAGES for words in typed(page, "towline")]
    assert len(lines) > 150
    assert {words[0] for words in lines} == {command.name for command in COMMANDS}
