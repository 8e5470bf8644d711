"""The OpenAPI document, and the same as a page: without script, without anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING

import msgspec

from towline.api.operations import Operation, Reply
from towline.domain.account import Permission
from towline.wire.openapi import REASONS, Json, openapi

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from towline.api.operations import Call

_TAG = "Operation"
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


class DocsApi:
    """Describes ``operations`` and itself; both answers are made once, when first asked for."""

    def __init__(self, operations: Sequence[Operation], *, version: str) -> None:
        self._described = (*operations, *self.operations())
        self._version = version
        self._json: Reply | None = None
        self._page: Reply | None = None

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the table."""
        return (
            Operation(
                method="GET",
                path="/openapi.json",
                permission=Permission.OPEN,
                tag=_TAG,
                summary="This description as OpenAPI 3.1",
                handle=self.document,
                answer=dict,
            ),
            Operation(
                method="GET",
                path="/docs",
                permission=Permission.OPEN,
                tag=_TAG,
                summary="This description as a page",
                handle=self.page,
                media_type="text/html",
            ),
        )

    async def document(self, _: Call) -> Reply:
        """Answer the OpenAPI document."""
        if self._json is None:
            self._json = Reply(msgspec.json.encode(openapi(self._described, version=self._version)))
        return self._json

    async def page(self, _: Call) -> Reply:
        """Answer the page."""
        if self._page is None:
            text = "".join(_page(openapi(self._described, version=self._version)))
            self._page = Reply(text.encode(), headers=_HTML)
        return self._page


def _page(document: Json) -> Iterator[str]:
    title = f"{document['info']['title']} API {document['info']['version']}"
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
    yield f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body><main>'
    yield f"<h1>{escape(title)}</h1><p>{escape(document['info']['summary'])}.</p>"
    yield "<p>The same for programs: <a href='/openapi.json'>/openapi.json</a>. Errors are"
    yield ' <code>{"error": "text"}</code>. Send <code>Authorization: Bearer TOKEN</code>, and the'
    yield " project's guid in the header <code>project</code> where it is listed.</p><nav><ul>"
    for tag in document["tags"]:
        yield f'<li><a href="#{_anchor(tag["name"])}">{escape(tag["name"])}</a></li>'
    yield "</ul></nav>"
    for tag in document["tags"]:
        yield f'<section id="{_anchor(tag["name"])}"><h2>{escape(tag["name"])}</h2>'
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if tag["name"] in operation["tags"]:
                    yield from _operation(method, path, operation)
        yield "</section>"
    yield from _schemas(document["components"]["schemas"])
    yield "</main></body></html>"


def _operation(method: str, path: str, operation: Json) -> Iterator[str]:
    yield f'<article id="{escape(operation["operationId"])}">'
    yield f"<h3><code>{method.upper()}</code> <code>{escape(path)}</code></h3>"
    yield f"<p>{escape(operation['summary'])}. {escape(operation['description'])}</p>"
    if operation["parameters"]:
        yield "<table><thead><tr><th>Parameter</th><th>In</th><th>Meaning</th></tr></thead><tbody>"
        for parameter in operation["parameters"]:
            meaning = escape(parameter.get("description", ""))
            yield f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{parameter['in']}</td>"
            yield f"<td>{meaning}</td></tr>"
        yield "</tbody></table>"
    if "requestBody" in operation:
        yield f"<p>Body: {_reference(operation['requestBody']['content']['application/json']['schema'])}</p>"
    yield "<table><thead><tr><th>Status</th><th>Meaning</th><th>Answer</th></tr></thead><tbody>"
    for status, response in operation["responses"].items():
        [(media_type, content)] = response["content"].items()
        shown = _reference(content["schema"]) if "json" in media_type else escape(media_type)
        yield f"<tr><td>{status}</td><td>{escape(REASONS[int(status)])}</td><td>{shown}</td></tr>"
    yield "</tbody></table></article>"


def _schemas(schemas: Json) -> Iterator[str]:
    yield '<section id="schemas"><h2>Schemas</h2>'
    for name, schema in schemas.items():
        text = msgspec.json.format(msgspec.json.encode(schema), indent=2).decode()
        yield f'<article id="schema-{escape(name)}"><h3>{escape(name)}</h3>'
        yield f"<pre>{escape(text)}</pre></article>"
    yield "</section>"


def _reference(schema: Json) -> str:
    if "$ref" in schema:
        name = escape(str(schema["$ref"]).rsplit("/", 1)[-1])
        return f'<a href="#schema-{name}">{name}</a>'
    if "items" in schema.get("properties", {}):
        return f"list of {_reference(schema['properties']['items']['items'])}"
    return escape(str(schema.get("type", "any")))


def _anchor(tag: str) -> str:
    return escape(tag.lower().replace(" ", "-"))
