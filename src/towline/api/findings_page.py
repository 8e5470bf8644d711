"""The page of findings that every finding links to, made from the tables of causes and providers."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from towline.api.standalone import anchor, page
from towline.domain.causes import CAUSES, Remedy
from towline.domain.provider_pages import PAGES
from towline.domain.provider_table import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towline.api.operations import Reply
    from towline.domain.cause import Cause, FindingCode
    from towline.domain.providers import Provider

FINDINGS_PATH = "/docs/findings"
_MENDED = {
    Remedy.CLOCK: "by time: Towline tries again by itself, from 5 s to 5 min apart",
    Remedy.PERSON: "by a person: it waits for a changed secret, package or wish, "
    "as registries lock out who repeats a refused password",
}


def findings_page() -> Reply:
    """Return the page; a finding's section has its code as id, a provider's its name."""
    return page("Findings", _content())


def _content() -> Iterator[str]:
    yield "<p>Every cause that Towline tells apart when an image cannot be pulled or does not run.</p>"
    yield "<nav><table><thead><tr><th>Finding</th><th>What it says</th></tr></thead><tbody>"
    for code, cause in CAUSES.items():
        yield f'<tr><td><a href="#{code.value}"><code>{code.value}</code></a></td>'
        yield f"<td>{escape(cause.title)}</td></tr>"
    yield '</tbody></table><p><a href="#providers">Providers and the login each wants</a></p></nav>'
    for code, cause in CAUSES.items():
        yield from _finding(code, cause)
    yield '<section id="providers"><h2>Providers</h2>'
    yield "<p>Registries that are recognised by host or answers.</p>"
    for provider, facts in PROVIDERS.items():
        yield f'<article id="{anchor(facts.title)}"><h3>{escape(facts.title)}</h3>'
        yield f"<p>Login: {escape(facts.login)}.</p>"
        if facts.hides:
            yield "<p>It answers the same for a repository that is missing and one that is not allowed.</p>"
        yield from _links(provider)
        yield from _fixes((code.value, f"#{code.value}", fix) for code, fix in facts.fixes.items())
        yield "</article>"
    yield "</section>"


def _finding(code: FindingCode, cause: Cause) -> Iterator[str]:
    yield f'<section id="{code.value}"><h2>{escape(cause.title)}</h2>'
    yield f"<p><code>{code.value}</code> beside <code>{escape(cause.error_code)}</code></p>"
    yield f"<p>{escape(cause.explanation)}</p>"
    if cause.likely:
        yield "<p>Likely, in this order:</p><ol>"
        yield "".join(f"<li>{escape(each)}</li>" for each in cause.likely)
        yield "</ol>"
    yield f"<p><strong>Fix:</strong> {escape(cause.fix)}</p>"
    if cause.command:
        yield f'<pre tabindex="0">{escape(cause.command)}</pre>'
    yield f"<p>Mended {_MENDED[cause.remedy]}.</p>"
    named = ((each.title, f"#{anchor(each.title)}", each.fixes.get(code, "")) for each in PROVIDERS.values())
    yield from _fixes(row for row in named if row[2])
    yield "</section>"


def _links(provider: Provider) -> Iterator[str]:
    """Yield where the provider's own pages tell of its logins and rights."""
    pages = PAGES.get(provider)
    if pages is None:
        return
    named = (("its logins", pages.logins), ("its rights", pages.rights))
    links = ", ".join(f'<a href="{escape(url)}">{words}</a>' for words, url in named if url)
    yield f"<p>See {links}.</p>"


def _fixes(rows: Iterator[tuple[str, str, str]]) -> Iterator[str]:
    """Yield a table of fixes; a row is what it is for, a link to that, and the fix."""
    shown = tuple(rows)
    if shown:
        yield "<table><thead><tr><th>For</th><th>Fix</th></tr></thead><tbody>"
        for name, link, fix in shown:
            yield f'<tr><td><a href="{link}">{escape(name)}</a></td><td>{escape(fix)}</td></tr>'
        yield "</tbody></table>"
