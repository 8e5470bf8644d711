"""A page that stands alone: one style, no script, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING

from towline.api.operations import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8882}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}
code,pre{font-family:ui-monospace,monospace;font-size:.9em}pre{overflow:auto;background:var(--soft);padding:.75rem}
section{border-top:1px solid var(--line);margin-top:2rem}article{margin:1.5rem 0}
h3{margin-bottom:.25rem}h3 code:first-child{background:var(--soft);padding:.1rem .4rem;border-radius:.25rem}
table{border-collapse:collapse;width:100%;margin-bottom:1rem}th,td{text-align:left;vertical-align:top;
padding:.25rem .75rem .25rem 0;border-bottom:1px solid var(--line)}th{font-weight:600}
"""
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; frame-ancestors 'none'"
_HTML = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


def page(title: str, content: Iterable[str]) -> Reply:
    """Return a whole page under ``title``; ``content`` is HTML, the title is text."""
    head = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body><main>'
        f"<h1>{escape(title)}</h1>"
    )
    text = "".join((head, *content, "</main></body></html>"))
    return Reply(text.encode(), headers=_HTML)


def anchor(text: str) -> str:
    """Return ``text`` as an element's id, escaped."""
    return escape(text.lower().replace(" ", "-"))
