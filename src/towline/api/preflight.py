"""Preflight: would this deploy work? One call for all images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.api.operations import Operation, Place, Reply
from towline.domain.account import Permission
from towline.domain.scopes import ScopeKind
from towline.services.proofs import PreflightItem
from towline.wire import drafts
from towline.wire import proofs as wire
from towline.wire.problems import read

if TYPE_CHECKING:
    from towline.api.operations import Call
    from towline.services.proofs import PreflightResult, Proofs


class PreflightApi:
    """Questions to registries on behalf of the project that the header names."""

    def __init__(self, proofs: Proofs) -> None:
        self._proofs = proofs

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the table."""
        return (
            Operation(
                method="POST",
                path="/v2/preflight/",
                permission=Permission.DEPLOY,
                scope=ScopeKind.IMAGES_PROVE,
                place=Place.HEADER,
                tag="Preflight",
                summary="Whether every image of a list or package can be pulled, and what it is",
                handle=self.ask,
                body=wire.PreflightIn,
                answer=wire.PreflightDocument,
                errors=(404,),
            ),
            Operation(
                method="POST",
                path="/v2/credentials/verify/",
                permission=Permission.MANAGE_SECRETS,
                scope=ScopeKind.SECRETS_WRITE,
                place=Place.HEADER,
                tag="Preflight",
                summary="Try a login at its registry, or with an image, and keep nothing",
                handle=self.try_credential,
                body=drafts.CredentialIn,
                answer=drafts.CredentialProofDocument,
            ),
        )

    async def ask(self, call: Call) -> Reply:
        """Answer for all images."""
        asked = read(call.body, wire.PreflightIn)
        package = wire.preflight_package(asked)
        if package is not None:
            results = await self._proofs.preflight_package(call.access, *package)
        else:
            items = [PreflightItem(image, secret) for image, secret in wire.preflight_images(asked)]
            results = await self._proofs.preflight(call.access, items)
        return Reply(wire.preflight_document([_line(result) for result in results]))

    async def try_credential(self, call: Call) -> Reply:
        """Answer what the registry says to a login that is not stored."""
        draft = drafts.credential_draft(call.body)
        answer = await self._proofs.tried(call.access, draft.address, draft.credential, image=draft.image)
        shape = self._proofs.shape(draft.address, draft.credential)
        return Reply(drafts.credential_proof(draft.address, answer, shape))


def _line(result: PreflightResult) -> wire.PreflightItemDocument:
    return wire.preflight_item(
        result.item.image,
        result.answer,
        secret=result.secret_name,
        executable=result.item.executable,
        seconds=result.seconds,
    )
