"""The OpenAPI document, the same as a page, and the page of findings that every finding links to."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import msgspec

from towline.api.findings_page import FINDINGS_PATH, findings_page
from towline.api.operations import Operation, Reply
from towline.api.standalone import anchor, page
from towline.domain.account import Permission
from towline.wire.openapi import REASONS, Json, openapi

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from towline.api.operations import Call

_TAG = "Operation"


class DocsApi:
    """Describes ``operations`` and itself; each answer is made once, when first asked for."""

    def __init__(self, operations: Sequence[Operation], *, version: str) -> None:
        self._described = (*operations, *self.operations())
        self._version = version
        self._json: Reply | None = None
        self._page: Reply | None = None
        self._findings: Reply | None = None

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
            Operation(
                method="GET",
                path=FINDINGS_PATH,
                permission=Permission.OPEN,
                tag=_TAG,
                summary="Every finding: what it means, what is likely behind it, what mends it",
                handle=self.findings,
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
            document = openapi(self._described, version=self._version)
            title = f"{document['info']['title']} API {document['info']['version']}"
            self._page = page(title, _content(document))
        return self._page

    async def findings(self, _: Call) -> Reply:
        """Answer the page of all findings."""
        if self._findings is None:
            self._findings = findings_page()
        return self._findings


def _content(document: Json) -> Iterator[str]:
    yield f"<p>{escape(document['info']['summary'])}.</p>"
    yield "<p>The same for programs: <a href='/openapi.json'>/openapi.json</a>. Errors are"
    yield ' <code>{"error": "text"}</code>. Send <code>Authorization: Bearer TOKEN</code>, and the'
    yield " project's guid in the header <code>project</code> where it is listed.</p><nav><ul>"
    for tag in document["tags"]:
        yield f'<li><a href="#{anchor(tag["name"])}">{escape(tag["name"])}</a></li>'
    yield "</ul></nav>"
    for tag in document["tags"]:
        yield f'<section id="{anchor(tag["name"])}"><h2>{escape(tag["name"])}</h2>'
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if tag["name"] in operation["tags"]:
                    yield from _operation(method, path, operation)
        yield "</section>"
    yield from _schemas(document["components"]["schemas"])


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
        [body] = operation["requestBody"]["content"].values()
        yield f"<p>Body: {_reference(body['schema'])}</p>"
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
        yield f'<pre tabindex="0">{escape(text)}</pre></article>'
    yield "</section>"


def _reference(schema: Json) -> str:
    if "$ref" in schema:
        name = escape(str(schema["$ref"]).rsplit("/", 1)[-1])
        return f'<a href="#schema-{name}">{name}</a>'
    if "items" in schema.get("properties", {}):
        return f"list of {_reference(schema['properties']['items']['items'])}"
    return escape(str(schema.get("type", "any")))
