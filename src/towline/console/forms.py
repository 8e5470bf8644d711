"""Forms as browsers send them: bounded, and checked to be from a page of ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from towline.domain.credential import Password
from towline.domain.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request

    from towline.console.session import Sessions

MOST_FIELDS = 500
LARGEST = 1 << 20
_URLENCODED = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, repr=False)
class Form:
    """The fields of a form, in order; never shown as a whole, as some hold passwords."""

    fields: Mapping[str, Sequence[str]]

    def text(self, name: str) -> str:
        """Return a field without the blanks around it, empty where it is missing."""
        return self.whole(name).strip()

    def whole(self, name: str) -> str:
        """Return a field as it was sent."""
        values = self.fields.get(name)
        return values[0] if values else ""

    def every(self, name: str) -> Sequence[str]:
        """Return all fields of a name, in order."""
        return self.fields.get(name, ())

    def password(self, name: str) -> Password:
        """Return a field that nothing shows again, byte for byte."""
        return Password(self.whole(name))

    def has(self, name: str) -> bool:
        """Whether the form holds the field: a ticked box, the button that was pressed."""
        return name in self.fields


async def form_of(request: Request, sessions: Sessions) -> Form:
    """Return the form of a signed-in person; raise NotAllowed unless it is from a page of this session."""
    form = await open_form(request)
    sessions.check_form(request, form.whole("form_token"))
    return form


async def open_form(request: Request) -> Form:
    """Return a form of somebody who is not signed in; whoever calls this checks its origin.

    Raises InvalidInput for what no form of ours sends (URL standard, application/x-www-form-urlencoded).
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _URLENCODED:
        raise InvalidInput("", problem=f"the form is {kind or 'of no type'}", rule=f"send {_URLENCODED}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise InvalidInput("", problem="the form is larger than 1 MiB", rule="send less")
    fields: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError:
        raise InvalidInput("", problem="the form cannot be read", rule="send it from the page") from None
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return Form(fields)
