"""What a secret opened, when, for whom and from where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.api.operations import Operation, Place, Reply
from towline.api.parameters import PAGING
from towline.domain.account import Permission
from towline.domain.audit import Door
from towline.domain.scopes import ScopeKind
from towline.wire.lists import joined, page_of
from towline.wire.openapi import Parameter
from towline.wire.uses import UseDocument, use, wanted_uses

if TYPE_CHECKING:
    from towline.api.operations import Call
    from towline.services.secret_uses import SecretUses

_FILTERS = (
    Parameter("door", "only uses through this door", among=tuple(Door)),
    Parameter("outcome", "only uses that succeeded, or that were refused", among=("ok", "refused")),
    Parameter("q", "only rows with this text in who, image or address"),
    Parameter("since", "from this moment on, as 2026-01-31T12:00:00Z"),
    Parameter("until", "before this moment"),
)


class UsesApi:
    """Uses of the secrets of the project that the header names."""

    def __init__(self, uses: SecretUses) -> None:
        self._uses = uses

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the table."""
        return (
            Operation(
                method="GET",
                path="/v2/secrets/{name}/uses/",
                permission=Permission.DEPLOY,
                scope=ScopeKind.SECRETS_READ,
                place=Place.HEADER,
                tag="Secrets",
                summary="What a secret opened, when, for whom and from where; the newest first",
                handle=self.list,
                parameters=(*PAGING, *_FILTERS),
                answer=UseDocument,
                listed=True,
            ),
        )

    async def list(self, call: Call) -> Reply:
        """Answer a page of uses."""
        page, wanted = page_of(call.query), wanted_uses(call.query)
        found, following = await self._uses.page(
            call.access, call.path["name"], wanted, before=page.after, most=page.limit
        )
        return Reply(joined("Use", map(use, found), following))
