"""What a secret opened, when, for whom and from where: the whole list, filtered, and as a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from starlette.responses import Response

from towline.console.templating import HEADERS
from towline.domain.audit import Door
from towline.domain.audit_export import entry_document
from towline.domain.uses import UseFilter, moment_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from towline.console.visit import Room
    from towline.domain.uses import Use

SECTION = "Secrets"
ROWS = 100
MOST_EXPORTED = 50_000
_FIELDS = ("q", "door", "outcome", "since", "until")


class UsesPage:
    """Uses of one secret."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def show(self, request: Request) -> Response:
        """Show a page of uses, the newest first."""
        visit = await self._room.visit(request)
        name, query = request.path_params["name"], request.query_params
        before = query.get("before", "")
        found, following = await self._room.services.secret_uses.page(
            visit.access, name, _filter(request), before=_number(before), most=ROWS
        )
        kept = {key: query[key] for key in _FIELDS if query.get(key)}
        values = {
            "name": name,
            "uses": found,
            "doors": [door.value for door in Door],
            "query": {key: query.get(key, "") for key in _FIELDS},
            "before": before,
            "first": urlencode(kept),
            "more": urlencode({**kept, "before": following}) if following else "",
            "is_filtered": bool(kept),
        }
        return await visit.page("secret_uses.html", values, section=SECTION)

    async def export(self, request: Request) -> Response:
        """Answer the uses that the filter wants as a file, a line of JSON for each."""
        visit = await self._room.visit(request)
        name = request.path_params["name"]
        found, _ = await self._room.services.secret_uses.page(
            visit.access, name, _filter(request), most=MOST_EXPORTED
        )
        headers = {
            **HEADERS,
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}-uses.jsonl",
        }
        lines = "".join(map(_line, found))
        return Response(lines, media_type="application/x-ndjson", headers=headers)


def _filter(request: Request) -> UseFilter:
    query = {key: request.query_params.get(key, "").strip() for key in _FIELDS}
    return UseFilter(
        query["door"],
        query["outcome"],
        query["q"],
        moment_of(query["since"], field="since"),
        moment_of(query["until"], field="until"),
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _line(use: Use) -> str:
    return json.dumps({"seq": use.seq, **entry_document(use.row)}) + "\n"
