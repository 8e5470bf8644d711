"""Templates, what they may call, and the headers that every page carries."""

from __future__ import annotations

import functools
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse, Response

from towline.console.assets import Assets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_UNITS = ("B", "kB", "MB", "GB", "TB")


@functools.cache
def assets() -> Assets:
    """Return what browsers load besides pages; read and compressed once."""
    return Assets(HERE / "static")


def page(template: str, values: Mapping[str, object], *, status: int = 200) -> Response:
    """Return the page that ``template`` makes of ``values``."""
    return HTMLResponse(fragment(template, values), status_code=status, headers=HEADERS)


def fragment(template: str, values: Mapping[str, object]) -> str:
    """Return what ``template`` makes of ``values``, as text."""
    return _environment().get_template(template).render(values)


def see_other(address: str) -> Response:
    """Return the answer that leads a browser on after a form."""
    return RedirectResponse(address, status_code=303, headers=HEADERS)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
    )
    environment.globals.update(
        asset=lambda name: assets().address(name), dict=dict, icon=_icon, symbol=_symbol, use=_use
    )
    environment.filters.update(moment=_moment, size=_size)
    return environment


@functools.cache
def _icon(name: str) -> Markup:
    """Return one of Tabler's icons; it is decoration, its text stands beside it."""
    drawn = (TEMPLATES / "icons" / f"{name}.svg").read_text().strip()
    return Markup(  # noqa: S704  (a file of ours)
        f'<svg class="icon" viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">{drawn}</svg>'
    )


@functools.cache
def _symbol(name: str) -> Markup:
    """Return one of the icons to be drawn by ``use``, for what a page repeats."""
    drawn = (TEMPLATES / "icons" / f"{name}.svg").read_text().strip()
    return Markup(f'<symbol id="icon-{name}" viewBox="0 0 24 24">{drawn}</symbol>')  # noqa: S704  (as above)


def _use(name: str) -> Markup:
    """Return an icon that ``symbol`` put on the page."""
    return Markup('<svg class="icon" aria-hidden="true"><use href="#icon-{}"/></svg>').format(name)


def _moment(value: datetime | None) -> Markup:
    """Return a time as an element that a script turns to the reader's zone."""
    if value is None:
        return Markup("")
    at = value.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        at.strftime("%Y-%m-%dT%H:%M:%SZ"), at.strftime("%Y-%m-%d %H:%M UTC")
    )


def _size(count: float) -> str:
    """Return a number of bytes in words, by steps of 1000."""
    amount = float(count)
    for unit in _UNITS:
        if amount < 1000 or unit == _UNITS[-1]:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1000
    return ""
