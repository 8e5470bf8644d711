"""Write the reference pages that follow from the code: findings, error codes, settings (``make docs``)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from towline import api, config
from towline.api.operations import ROLES, Operation
from towline.cli.reference import cli_page
from towline.console import pages as console_pages
from towline.console.visit import Room
from towline.domain.account import Permission
from towline.domain.causes import CAUSES, Remedy
from towline.domain.minting import MINTS
from towline.domain.provider_pages import PAGES
from towline.domain.provider_table import PROVIDERS
from towline.domain.providers import Provider
from towline.domain.scopes import SCOPES, ScopeKind

REFERENCE = Path(__file__).resolve().parent / "reference"
_ROLES = {
    Permission.SIGNED_IN: "any",
    Permission.VIEW: "project viewer",
    Permission.DEPLOY: "project developer",
    Permission.MANAGE_SECRETS: "project admin",
}
RIO = REFERENCE.parent.parent / "tests" / "vectors" / "rio" / "commands.json"
_MADE_BY_RUN = "<!-- made by docs/generate.py from tests/vectors/rio/commands.json, which `make rio-table` writes -->\n\n"
_MADE = "<!-- made by docs/generate.py from the code: change it there -->\n\n"

ERROR_CODES = {
    "DEP_E153": "Could not pull either the docker image or the built package artifact for the component on the cloud",
    "DEP_E154": "An executable exited too early (exit code 0)",
    "DEP_E155": "An executable failed: it exited non-zero, was killed, or could not be started",
    "DEP_E156": "A deployment it depends on is missing or in error",
    "DEP_E201": "The engine cannot run the component now",
}


def pages() -> dict[str, str]:
    """Return every generated page by file name."""
    return {
        "findings.md": _findings(),
        "providers.md": _providers(),
        "minting.md": _minting(),
        "cli.md": cli_page(),
        "rio.md": _rio(),
        "error-codes.md": _error_codes(),
        "configuration.md": _configuration(),
        "scopes.md": _scopes(),
        "who-may.md": _who_may(),
    }


def main() -> int:
    """Write the pages."""
    for name, text in pages().items():
        (REFERENCE / name).write_text(text)
    return 0


def _findings() -> str:
    intro = "# Findings\n\nEvery cause that Towline tells apart. `by the clock`: it is tried again, from 5 s to 5 min apart;\n"
    intro += "`by a person`: it waits for a changed secret, package or wish, as registries ban for repeated refusals.\n"
    sections = []
    for code, cause in CAUSES.items():
        remedy = "by the clock" if cause.remedy is Remedy.CLOCK else "by a person"
        sections.append(
            f"\n## {code.value}\n\n**{cause.title}.** {cause.explanation}\n\n"
            + _likely(cause.likely)
            + f"- Fix: {cause.fix}\n"
            + (f"- Command: `{cause.command}`\n" if cause.command else "")
            + f"- Error code: `{cause.error_code}`\n- Mended: {remedy}\n"
        )
    return _MADE + intro + "".join(sections)


def _minting() -> str:
    intro = (
        "# Minting\n\nHow Towline makes registries' short-lived logins: what each kind wants as its key, and its settings. "
        "[How to use it](../how-to/minted-credentials.md).\n"
    )
    sections = []
    for kind, facts in MINTS.items():
        rows = "".join(
            f"| `{name}` | {setting.help} | {'yes' if setting.required else ''} |\n"
            for name, setting in facts.settings.items()
        )
        sections.append(
            f"\n## {kind.value}\n\n{facts.title}: {facts.token}, for the user `{facts.username}`.\n\n"
            f"- Key: {facts.key}\n\n| setting | meaning | required |\n|---|---|---|\n{rows}"
        )
    return _MADE + intro + "".join(sections)


def _providers() -> str:
    intro = "# Providers\n\nRegistries that Towline recognises by host or answers, the login each wants, and its own fixes.\n"
    sections = []
    for provider, facts in PROVIDERS.items():
        fixes = "".join(
            f"| [{code.value}](findings.md#{code.value}) | {fix} |\n" for code, fix in facts.fixes.items()
        )
        table = f"\n| finding | fix |\n|---|---|\n{fixes}" if fixes else ""
        hides = (
            "It answers the same for a repository that does not exist and one that is not allowed.\n"
            if facts.hides
            else ""
        )
        sections.append(f"\n## {facts.title}\n\nLogin: {facts.login}.\n{hides}{_pages(provider)}{table}")
    return _MADE + intro + "".join(sections)


def _pages(provider: Provider) -> str:
    pages = PAGES.get(provider)
    if pages is None:
        return ""
    rights = f", [its rights]({pages.rights})" if pages.rights else ""
    command = f"\nA new password: `{pages.command}`\n" if pages.command else ""
    return f"See [its logins]({pages.logins}){rights}.\n{command}"


def _rio() -> str:
    run = json.loads(RIO.read_text())
    groups: dict[str, list[str]] = {}
    for row in run["commands"]:
        answer = ": ".join(filter(None, ("works", row["answer"]))) if row["exit"] == 0 else row["answer"]
        groups.setdefault(row["command"].split()[0], []).append(
            f"| `rio {row['command']}` | {row['exit']} | {answer.replace('|', chr(92) + '|')} |\n"
        )
    tables = "".join(
        f"\n## {name}\n\n| command | exit | answer |\n|---|---|---|\n{''.join(rows)}"
        for name, rows in groups.items()
    )
    elsewhere = "".join(f"- `rio {name}` {why}.\n" for name, why in run["elsewhere"].items())
    head = "# `rio` at Towline\n\n`rio` 10.11.0, as PyPI has it, at a live server with a real registry and engine: each command as it was typed,\n"
    head += "the exit code, and what it answered. `make rio-table` types them again and writes this page; a test types them too and\n"
    head += "compares. How to point `rio` at your server: [how to use rio](../how-to/use-rio.md).\n"
    return _MADE_BY_RUN + head + tables + "\n## Not asked of Towline\n\n" + elsewhere


def _likely(causes: tuple[str, ...]) -> str:
    if not causes:
        return ""
    return "Likely, in this order:\n\n" + "".join(f"1. {each}\n" for each in causes) + "\n"


def _error_codes() -> str:
    rows = []
    for code, words in ERROR_CODES.items():
        found = [each.value for each, cause in CAUSES.items() if cause.error_code == code]
        findings = (
            ", ".join(f"[{each}](findings.md#{each})" for each in found) or "[exited](findings.md#exited)"
        )
        rows.append(f"| `{code}` | {words} | {findings} |\n")
    head = "# Error codes\n\nrapyuta.io's codes as Towline uses them, and the findings that come beside them.\n\n"
    return _MADE + head + "| code | meaning | findings |\n|---|---|---|\n" + "".join(rows)


def _configuration() -> str:
    rows = [
        f"| `--{name.replace('_', '-')}` | `{variable}` | `{_shown(default)}` | {text} |\n"
        for name, variable, default, text in config.settings()
    ]
    head = "# Settings of `towline serve`\n\nA flag wins over the environment, that over `DATA/towline.toml` (`port = 8420`).\n"
    head += "`TOWLINE_KEYRING` holds a whole keyring document, for those who keep keys outside of the data folder.\n\n"
    return _MADE + head + "| flag | environment | default | meaning |\n|---|---|---|---|\n" + "".join(rows)


def _scopes() -> str:
    head = """# Scopes of tokens

A token that is made with scopes (`towline token create NAME --scope SCOPE ...`, `POST /v2/tokens/`, or the console) may do
what its scopes say **and** its owner's role allows, and nothing else. It is for one project unless it was made with
`--all-projects`. A scope of a secret ends in its name, of which the end may be `*`: `secrets:use:ci-*`. A token without
scopes, and a person who signed in, may do what the role allows, up to the token's level.

"""
    rows = []
    for kind, facts in SCOPES.items():
        written = f"{kind.value}:NAME" if facts.named else kind.value
        includes = f" Includes `{facts.includes.value}`." if facts.includes else ""
        meaning = f"{facts.meaning[0].upper()}{facts.meaning[1:]}."
        rows.append(f"| `{written}` | {meaning}{includes} | {_ROLES[facts.permission]} |\n")
    tail = """
Nobody makes, lists or revokes tokens, changes people, projects, webhooks or what a project allows at its doors with a
token that has scopes. `/openapi.json` says of each operation who may call it.
"""
    return _MADE + head + "| scope | meaning | role of its owner |\n|---|---|---|\n" + "".join(rows) + tail


class _Nothing:
    """Stands for all services: of the tables only the words are read."""

    def __getattr__(self, name: str) -> None:
        """Return nothing, whatever is asked for."""


def _who_may() -> str:
    head = """# Who may do what

Made from the tables that the server itself goes by: every operation of the API and every page of the console, with the
least role that opens it. A project admin may what a developer may, a developer what a viewer may, an admin of the
organization everything in all of its projects. Roles come by name, through user groups and from a sign-in provider;
the greatest counts. Where a token with scopes is used, its scope must be there as well as the role. A test walks the
tables for every role against a live server.

"""
    table = api.build(_Nothing(), checks={}).operations
    rows = "".join(
        f"| `{each.method} {each.path}` | {each.summary} | {each.who} | {_scope(each)} |\n" for each in table
    )
    nothing = _Nothing()
    room = Room(nothing, nothing, live=nothing, leaving=nothing, clock=nothing)
    pages = console_pages.table(room)
    shown = "".join(f"| `{each.method} {each.path}` | {_who(each.permission)} |\n" for each in pages)
    return (
        f"{_MADE}{head}## The API\n\n| operation | what it does | who may | scope of a token |\n|---|---|---|---|\n{rows}"
        f"\n## The console\n\n| page | who may |\n|---|---|\n{shown}"
    )


def _scope(operation: Operation) -> str:
    if not operation.signed_in or operation.scope is ScopeKind.EVERYBODY:
        return "any"
    return "none: whole tokens only" if operation.scope is None else f"`{operation.scope.value}`"


def _who(permission: Permission) -> str:
    return ROLES[permission]


def _shown(default: object) -> str:
    if isinstance(default, tuple):
        return " ".join(default)
    return str(default).lower() if isinstance(default, bool) else str(default)


if __name__ == "__main__":
    sys.exit(main())
