"""The doors through which credentials leave (design section 7): for tools, for kubelets, by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.api.operations import Operation, Place, Reply
from towline.domain.account import Permission
from towline.domain.audit import Door
from towline.domain.scopes import ScopeKind
from towline.wire import credentials as wire
from towline.wire import door_policies as policies

if TYPE_CHECKING:
    from towline.api.operations import Call
    from towline.services.doors import Doors
    from towline.services.handouts import Handouts
    from towline.services.tool_logins import ToolLogins

_TAG = "Credential doors"


class DoorsApi:
    """Credentials on their way out of the project that the header, or the token, names."""

    def __init__(self, doors: Doors, tool_logins: ToolLogins, handouts: Handouts) -> None:
        self._doors = doors
        self._tool_logins = tool_logins
        self._handouts = handouts

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the table."""
        return (*self._taking(), *self._for_kubelets(), *self._keeping(), *self._by_name(), *self._policy())

    def _taking(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="POST",
                path="/v2/credentials/get/",
                permission=Permission.MANAGE_SECRETS,
                scope=ScopeKind.SECRETS_USE,
                door=Door.CREDENTIAL_HELPER,
                place=Place.HEADER,
                tag=_TAG,
                summary="The credential for a registry, as a credential helper hands it on",
                handle=self.get,
                body=wire.ServerIn,
                answer=wire.CredentialDocument,
                errors=(409, 502),
            ),
            Operation(
                method="GET",
                path="/v2/credentials/list/",
                permission=Permission.MANAGE_SECRETS,
                scope=ScopeKind.SECRETS_USE,
                door=Door.CREDENTIAL_HELPER,
                place=Place.HEADER,
                tag=_TAG,
                summary="The user names of all registries that a credential may be taken for",
                handle=self.list,
                answer=wire.RegistriesDocument,
            ),
        )

    def _for_kubelets(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="POST",
                path="/v2/credentials/kubelet/",
                permission=Permission.MANAGE_SECRETS,
                scope=ScopeKind.SECRETS_USE,
                door=Door.KUBELET,
                place=Place.HEADER,
                tag=_TAG,
                summary="What a kubelet pulls an image with",
                handle=self.kubelet,
                body=wire.KubeletIn,
                answer=wire.KubeletDocument,
                errors=(409, 502),
            ),
        )

    def _keeping(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="POST",
                path="/v2/credentials/store/",
                permission=Permission.MANAGE_SECRETS,
                scope=ScopeKind.CREDENTIALS_STORE,
                door=Door.CREDENTIAL_HELPER,
                place=Place.HEADER,
                tag=_TAG,
                summary="Keep what `docker login` typed as a docker pull secret",
                handle=self.store,
                body=wire.StoreIn,
                answer=wire.StoredDocument,
                errors=(409,),
            ),
            Operation(
                method="POST",
                path="/v2/credentials/erase/",
                permission=Permission.MANAGE_SECRETS,
                scope=ScopeKind.CREDENTIALS_STORE,
                door=Door.CREDENTIAL_HELPER,
                place=Place.HEADER,
                tag=_TAG,
                summary="Delete what this token stored for a registry, unless a deployment uses it",
                handle=self.erase,
                body=wire.ServerIn,
                answer=wire.StoredDocument,
                errors=(409,),
            ),
        )

    def _by_name(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="POST",
                path="/v2/secrets/{name}/export/",
                permission=Permission.MANAGE_SECRETS,
                scope=ScopeKind.SECRETS_EXPORT,
                door=Door.EXPORT,
                place=Place.HEADER,
                tag=_TAG,
                summary="A docker pull secret as a file with its password; its name confirms it",
                handle=self.export,
                body=wire.ExportIn,
                answer=wire.ExportDocument,
                errors=(502,),
            ),
            Operation(
                method="POST",
                path="/v2/secrets/{name}/token/",
                permission=Permission.DEPLOY,
                scope=ScopeKind.SECRETS_USE,
                door=Door.BEARER,
                place=Place.HEADER,
                tag=_TAG,
                summary="The registry's own short-lived token that can pull from one repository",
                handle=self.token,
                body=wire.PullTokenIn,
                answer=wire.PullTokenDocument,
                errors=(409, 502),
            ),
        )

    def _policy(self) -> tuple[Operation, ...]:
        path = "/v2/credentials/policy/"
        return (
            Operation(
                method="GET",
                path=path,
                permission=Permission.MANAGE_SECRETS,
                place=Place.HEADER,
                tag=_TAG,
                summary="What the project allows at its doors",
                handle=self.policy,
                answer=policies.PolicyDocument,
            ),
            Operation(
                method="PUT",
                path=path,
                permission=Permission.MANAGE_PROJECT,
                place=Place.HEADER,
                tag=_TAG,
                summary="Set what the project allows at its doors: offline use, trusted clusters",
                handle=self.set_policy,
                body=policies.PolicyIn,
                answer=policies.PolicyDocument,
            ),
        )

    async def get(self, call: Call) -> Reply:
        """Answer a credential for a registry."""
        server = wire.server(call.body)
        taken = await self._doors.for_registry(call.access, server, peer=call.peer)
        return Reply(
            wire.credential_document(
                server, taken.resolved, taken.name, offline_minutes=taken.offline_minutes
            )
        )

    async def list(self, call: Call) -> Reply:
        """Answer user names by registry."""
        return Reply(wire.registries_document(await self._doors.registries(call.access)))

    async def kubelet(self, call: Call) -> Reply:
        """Answer what a kubelet pulls an image with."""
        image, token = wire.image_asked(call.body)
        found = await self._doors.for_image(call.access, image, peer=call.peer, service_account_token=token)
        return Reply(
            wire.kubelet_document(
                found.taken.resolved,
                found.taken.name,
                pattern=found.pattern,
                by_image=found.by_image,
                by_service_account=found.by_service_account,
                cache_seconds=found.cache_seconds,
            )
        )

    async def store(self, call: Call) -> Reply:
        """Keep a tool's login."""
        server, username, password = wire.login(call.body)
        name = await self._tool_logins.keep(
            call.access, server, username=username, password=password, peer=call.peer
        )
        return Reply(wire.stored_document(name))

    async def erase(self, call: Call) -> Reply:
        """Delete a tool's login."""
        name = await self._tool_logins.erase(call.access, wire.server(call.body), peer=call.peer)
        return Reply(wire.stored_document(name))

    async def export(self, call: Call) -> Reply:
        """Answer a file with a password in it."""
        form, confirm, namespace = wire.export_asked(call.body)
        made = await self._handouts.export(
            call.access, call.path["name"], confirm=confirm, form=form, namespace=namespace, peer=call.peer
        )
        return Reply(
            wire.export_document(
                made.resolved, made.name, email=made.email, form=made.form, namespace=made.namespace
            )
        )

    async def token(self, call: Call) -> Reply:
        """Answer a registry's token for one repository."""
        image, repository = wire.token_asked(call.body)
        made = await self._handouts.pull_token(
            call.access, call.path["name"], image=image, repository=repository, peer=call.peer
        )
        return Reply(wire.pull_token_document(made.token, made.image, made.name, version=made.version))

    async def policy(self, call: Call) -> Reply:
        """Answer what the project allows."""
        return Reply(policies.document(await self._handouts.policy(call.access)))

    async def set_policy(self, call: Call) -> Reply:
        """Set it."""
        wanted = policies.policy(call.body)
        return Reply(policies.document(await self._handouts.set_policy(call.access, wanted)))
