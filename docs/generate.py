"""Write the reference pages that follow from the code: findings, error codes, settings (``make docs``)."""

from __future__ import annotations

import sys
from pathlib import Path

from towline import config
from towline.domain.causes import CAUSES, Remedy

REFERENCE = Path(__file__).resolve().parent / "reference"
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
        "error-codes.md": _error_codes(),
        "configuration.md": _configuration(),
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
            f"- Fix: {cause.fix}\n- Error code: `{cause.error_code}`\n- Mended: {remedy}\n"
        )
    return _MADE + intro + "".join(sections)


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


def _shown(default: object) -> str:
    if isinstance(default, tuple):
        return " ".join(default)
    return str(default).lower() if isinstance(default, bool) else str(default)


if __name__ == "__main__":
    sys.exit(main())
