"""OpenAPI 3.1 from the route table and the Structs of the wire (spec.openapis.org/oas/v3.1.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import msgspec

from towline.wire.answers import ErrorDocument, SuccessDocument

Json = dict[str, Any]

REASONS = {
    200: "Done",
    201: "Made",
    400: "A field is wrong; the text names it",
    401: "No valid token came with the request",
    403: "The caller's role is too small, or the token's scopes do not say so",
    404: "There is no such object, or the caller may not see it",
    409: "The name is taken, or the state forbids it",
    412: "Not saved: the secret was not verified; the finding says why",
    413: "The body is too large",
    429: "Too many tries; the header Retry-After says when to come back",
    502: "The registry refused; the finding says why",
    503: "Something that is needed does not answer",
}

_REF = "#/components/schemas/{name}"
_VARIABLE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter or header."""

    name: str
    meaning: str
    kind: Literal["string", "integer", "boolean"] = "string"
    repeated: bool = False
    among: tuple[str, ...] = ()
    place: Literal["query", "header"] = "query"


class Described(Protocol):
    """What the document tells of a row of the route table."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def tag(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def signed_in(self) -> bool: ...
    @property
    def by_project_header(self) -> bool: ...
    @property
    def body(self) -> type | None: ...
    @property
    def body_media_type(self) -> str: ...
    @property
    def body_optional(self) -> bool: ...
    @property
    def parameters(self) -> tuple[Parameter, ...]: ...
    @property
    def answer(self) -> type | None: ...
    @property
    def listed(self) -> bool: ...
    @property
    def media_type(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def refusals(self) -> Sequence[int]: ...


def openapi(rows: Sequence[Described], *, version: str) -> Json:
    """Return the document that describes ``rows``, ready to be written as JSON."""
    types: set[type] = {ErrorDocument, SuccessDocument}
    types |= {row.body for row in rows if row.body} | {row.answer for row in rows if row.answer}
    ordered = sorted(types, key=lambda each: each.__name__)
    references, schemas = msgspec.json.schema_components(ordered, ref_template=_REF)
    schema_of = dict(zip(ordered, references, strict=True))
    paths: dict[str, Json] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Towline",
            "version": version,
            "summary": "Keeps docker pull secrets, proves that they work, and deploys packages with them",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": tag} for tag in dict.fromkeys(row.tag for row in rows)],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(row: Described, schema_of: Mapping[type, Json]) -> Json:
    operation: Json = {
        "operationId": _identifier(row),
        "tags": [row.tag],
        "summary": row.summary,
        "description": f"Needs: {row.role}.",
        "security": [{"token": []}] if row.signed_in else [],
        "parameters": _parameters(row),
        "responses": _responses(row, schema_of),
    }
    if row.body is not None:
        operation["requestBody"] = {
            "required": not row.body_optional,
            "content": {row.body_media_type: {"schema": schema_of[row.body]}},
        }
    return operation


def _identifier(row: Described) -> str:
    words = re.sub(r"[^A-Za-z0-9]+", " ", row.path.removeprefix("/v2")).split()
    return "_".join((row.method.lower(), *words))


def _parameters(row: Described) -> list[Json]:
    found: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _VARIABLE.findall(row.path)
    ]
    if row.by_project_header:
        found.append(
            {
                "name": "project",
                "in": "header",
                "required": True,
                "description": "the project's guid",
                "schema": {"type": "string", "minLength": 1},
            }
        )
    return [*found, *(_parameter(each) for each in row.parameters)]


def _parameter(parameter: Parameter) -> Json:
    schema: Json = {"type": parameter.kind}
    if parameter.among:
        schema["enum"] = list(parameter.among)
    if parameter.repeated:
        schema = {"type": "array", "items": schema}
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": False,
        "description": parameter.meaning,
        "schema": schema,
    }


def _responses(row: Described, schema_of: Mapping[type, Json]) -> Json:
    error = {"application/json": {"schema": schema_of[ErrorDocument]}}
    responses: Json = {
        str(row.status): {"description": REASONS[row.status], "content": _content(row, schema_of)}
    }
    for status in row.refusals:
        responses[str(status)] = {"description": REASONS[status], "content": error}
    return responses


def _content(row: Described, schema_of: Mapping[type, Json]) -> Json:
    if row.media_type != "application/json":
        return {row.media_type: {"schema": {"type": "string"}}}
    schema = schema_of[row.answer or SuccessDocument]
    return {"application/json": {"schema": _list_of(schema) if row.listed else schema}}


def _list_of(schema: Json) -> Json:
    return {
        "type": "object",
        "required": ["kind", "apiVersion", "metadata", "items"],
        "properties": {
            "kind": {"type": "string"},
            "apiVersion": {"type": "string"},
            "metadata": {"type": "object", "properties": {"continue": {"type": "integer"}}},
            "items": {"type": "array", "items": schema},
        },
    }
