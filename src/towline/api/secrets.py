"""Secrets, and their verification. Answers are the documents that the store keeps ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.api.operations import MIB, SUCCESS, Operation, Place, Reply
from towline.api.parameters import NAMES, PAGING, REGIONS, REQUIRE, SELECTOR
from towline.domain.account import Permission
from towline.domain.errors import InvalidInput
from towline.domain.scopes import ScopeKind
from towline.wire import secrets as wire
from towline.wire.lists import elsewhere, joined, page_of, selector_of, text_of
from towline.wire.proofs import VerifyIn, verify_image

if TYPE_CHECKING:
    from towline.api.operations import Call
    from towline.services.secrets import Secrets

_TAG = "Secrets"
_MOST_BYTES = 2 * MIB


class SecretsApi:
    """The secrets of the project that the header names."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the table."""
        return (*self._one(), *self._many(), *self._proofs())

    def _one(self) -> tuple[Operation, ...]:
        path = "/v2/secrets/{name}/"
        return (
            Operation(
                method="GET",
                path=path,
                permission=Permission.VIEW,
                scope=ScopeKind.SECRETS_READ,
                place=Place.HEADER,
                tag=_TAG,
                summary="A secret by name or guid; its value is never shown",
                handle=self.get,
                answer=wire.SecretDocument,
            ),
            Operation(
                method="PUT",
                path=path,
                permission=Permission.MANAGE_SECRETS,
                scope=ScopeKind.SECRETS_WRITE,
                place=Place.HEADER,
                tag=_TAG,
                summary="Replace a secret as a whole, password included",
                handle=self.replace,
                parameters=(REQUIRE,),
                body=wire.SecretIn,
                most_bytes=_MOST_BYTES,
                answer=wire.SecretDocument,
                errors=(409, 412),
            ),
            Operation(
                method="DELETE",
                path=path,
                permission=Permission.MANAGE_SECRETS,
                scope=ScopeKind.SECRETS_WRITE,
                place=Place.HEADER,
                tag=_TAG,
                summary="Delete a secret with all versions",
                handle=self.delete,
            ),
        )

    def _many(self) -> tuple[Operation, ...]:
        path = "/v2/secrets/"
        return (
            Operation(
                method="GET",
                path=path,
                permission=Permission.VIEW,
                scope=ScopeKind.SECRETS_READ,
                place=Place.HEADER,
                tag=_TAG,
                summary="The secrets of a project",
                handle=self.list,
                parameters=(*PAGING, SELECTOR, NAMES, REGIONS),
                answer=wire.SecretDocument,
                listed=True,
            ),
            Operation(
                method="POST",
                path=path,
                permission=Permission.MANAGE_SECRETS,
                scope=ScopeKind.SECRETS_WRITE,
                place=Place.HEADER,
                tag=_TAG,
                summary="Keep a secret; a docker pull secret is tried at its registry first",
                handle=self.create,
                parameters=(REQUIRE,),
                body=wire.SecretIn,
                most_bytes=_MOST_BYTES,
                answer=wire.SecretDocument,
                status=201,
                errors=(409, 412),
            ),
        )

    def _proofs(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="POST",
                path="/v2/secrets/{name}/verify/",
                permission=Permission.DEPLOY,
                scope=ScopeKind.IMAGES_PROVE,
                place=Place.HEADER,
                tag=_TAG,
                summary="Try a docker pull secret at its registry now, or with an image",
                handle=self.verify,
                body=VerifyIn,
                body_optional=True,
                answer=wire.SecretDocument,
                errors=(404,),
            ),
        )

    async def get(self, call: Call) -> Reply:
        """Answer a secret."""
        return Reply(await self._secrets.document(call.access, call.path["name"]))

    async def list(self, call: Call) -> Reply:
        """Answer a page of secrets."""
        query = call.query
        if elsewhere(query):
            return Reply(joined("Secret", (), None))
        listing = await self._secrets.documents(
            call.access, page_of(query), selector=selector_of(query), names=query.get("names", ())
        )
        return Reply(joined("Secret", listing.items, listing.next))

    async def create(self, call: Call) -> Reply:
        """Keep a new secret."""
        required = _require_verified(call)
        document = await self._secrets.create(call.access, wire.draft(call.body), require_verified=required)
        return Reply(document, 201)

    async def replace(self, call: Call) -> Reply:
        """Put another version in place."""
        name = call.path["name"]
        required = _require_verified(call)
        known = await self._secrets.get(call.access, name)
        draft = wire.draft(call.body, name=known.metadata.name)
        return Reply(await self._secrets.replace(call.access, name, draft, require_verified=required))

    async def delete(self, call: Call) -> Reply:
        """Delete a secret."""
        await self._secrets.delete(call.access, call.path["name"])
        return SUCCESS

    async def verify(self, call: Call) -> Reply:
        """Try the stored credential and answer the secret with its new standing."""
        image = verify_image(call.body)
        _, document = await self._secrets.verify(call.access, call.path["name"], image=image)
        return Reply(document)


def _require_verified(call: Call) -> bool:
    asked = text_of(call.query, "require")
    if asked not in ("", "verified"):
        raise InvalidInput("require", problem=f"is {asked[:40]!a}", rule="use 'verified' or leave it out")
    return asked == "verified"
