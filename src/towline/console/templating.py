"""Templates and the headers that every page carries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from starlette.responses import HTMLResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

HERE = Path(__file__).parent
STATIC = HERE / "static"

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def _moment(value: datetime | None) -> str:
    return value.strftime("%Y-%m-%d %H:%M:%S UTC") if value else ""


_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["moment"] = _moment


def page(template: str, values: Mapping[str, object], *, status: int = 200) -> Response:
    """Return the page that ``template`` makes of ``values``."""
    text = _templates.get_template(template).render(values)
    return HTMLResponse(text, status_code=status, headers=HEADERS)


def see_other(address: str) -> Response:
    """Return the answer that leads a browser on after a form."""
    return RedirectResponse(address, status_code=303, headers=HEADERS)
