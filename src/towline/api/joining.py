"""How people come in and are let out: invitations, sessions, disabled accounts, and what claims give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.api.operations import SUCCESS, Operation, Place, Reply
from towline.domain.account import Permission
from towline.services.invitations import link_at
from towline.wire import accounts as accounts_wire
from towline.wire import joining as wire
from towline.wire.lists import joined

if TYPE_CHECKING:
    from towline.api.operations import Call
    from towline.services.accounts import Accounts
    from towline.services.invitations import Invitations
    from towline.services.organizations import Organizations

_ORGANIZATION = "/v2/organizations/{guid}/"
_SESSIONS = "/v2/sessions/"


class JoiningApi:
    """Invitations, sessions, and who is shut out."""

    def __init__(
        self,
        accounts: Accounts,
        organizations: Organizations,
        invitations: Invitations,
        *,
        public_url: str,
    ) -> None:
        self._accounts = accounts
        self._organizations = organizations
        self._invitations = invitations
        self._public_url = public_url.rstrip("/")

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the table."""
        return (*self._inviting(), *self._shutting_out(), *self._claims(), *self._sessions())

    def _inviting(self) -> tuple[Operation, ...]:
        path = f"{_ORGANIZATION}invitations/"
        return (
            Operation(
                method="GET",
                path=path,
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.ORGANIZATION,
                tag="Organizations",
                summary="The open invitations of an organization",
                handle=self.invitations,
                answer=wire.InvitationDocument,
                listed=True,
            ),
            Operation(
                method="POST",
                path=path,
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.ORGANIZATION,
                tag="Organizations",
                summary="Invite an address by a link, which is shown this once and mailed if that is set",
                handle=self.invite,
                body=wire.InvitationIn,
                answer=wire.InvitationDocument,
                status=201,
                errors=(409,),
            ),
            Operation(
                method="DELETE",
                path=f"{path}{{invitation}}/",
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.ORGANIZATION,
                tag="Organizations",
                summary="Withdraw an invitation",
                handle=self.withdraw,
            ),
        )

    def _shutting_out(self) -> tuple[Operation, ...]:
        return tuple(
            Operation(
                method="POST",
                path=f"{_ORGANIZATION}users/{{email}}/{verb}/",
                permission=Permission.MANAGE_ORGANIZATION,
                also="of all organizations that the person is in",
                place=Place.ORGANIZATION,
                tag="Organizations",
                summary=summary,
                handle=handle,
                answer=accounts_wire.UserDocument,
            )
            for verb, summary, handle in (
                ("disable", "Shut somebody out; sessions and tokens end at once", self.disable),
                ("enable", "Let somebody in again", self.enable),
            )
        )

    def _claims(self) -> tuple[Operation, ...]:
        path = f"{_ORGANIZATION}claims/"
        return (
            Operation(
                method="GET",
                path=path,
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.ORGANIZATION,
                tag="Organizations",
                summary="Which groups of the sign-in provider give which roles",
                handle=self.rules,
                answer=wire.RulesDocument,
            ),
            Operation(
                method="PUT",
                path=path,
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.ORGANIZATION,
                tag="Organizations",
                summary="Replace which groups of the sign-in provider give which roles",
                handle=self.replace_rules,
                body=wire.RulesIn,
                answer=wire.RulesDocument,
            ),
        )

    def _sessions(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="GET",
                path=_SESSIONS,
                permission=Permission.SIGNED_IN,
                tag="Tokens",
                summary="One's own sessions, the newest first",
                handle=self.sessions,
                answer=wire.SessionDocument,
                listed=True,
            ),
            Operation(
                method="DELETE",
                path=_SESSIONS,
                permission=Permission.SIGNED_IN,
                tag="Tokens",
                summary="End all of one's own sessions but this one, with the programs that they let in",
                handle=self.end_others,
                errors=(403,),
            ),
            Operation(
                method="DELETE",
                path=f"{_SESSIONS}{{guid}}/",
                permission=Permission.SIGNED_IN,
                tag="Tokens",
                summary="End one of one's own sessions, with the programs that it let in",
                handle=self.end,
                errors=(404,),
            ),
        )

    async def invitations(self, call: Call) -> Reply:
        """Answer the open invitations; there are few, so they are one page."""
        known = await self._invitations.list(call.principal, call.path["guid"])
        return Reply(joined("Invitation", map(wire.invitation_document, known), None))

    async def invite(self, call: Call) -> Reply:
        """Answer a new invitation with its link, and send that where mail is set up."""
        email, admin, roles = wire.wanted_invitation(call.body)
        invitation, text = await self._invitations.invite(
            call.principal, call.path["guid"], email, admin=admin, roles=roles
        )
        link = link_at(self._public_url or call.server, text)
        organization = (await self._organizations.get(call.principal, call.path["guid"])).organization
        mail = await self._invitations.send(invitation, organization, link)
        return Reply(wire.invitation_document(invitation, link=link, mail=mail), 201)

    async def withdraw(self, call: Call) -> Reply:
        """Withdraw an invitation."""
        await self._invitations.withdraw(call.principal, call.path["guid"], call.path["invitation"])
        return SUCCESS

    async def disable(self, call: Call) -> Reply:
        """Shut somebody out."""
        return await self._set_disabled(call, disabled=True)

    async def enable(self, call: Call) -> Reply:
        """Let somebody in again."""
        return await self._set_disabled(call, disabled=False)

    async def rules(self, call: Call) -> Reply:
        """Answer the rules about claims."""
        return Reply(wire.rules_document(await self._organizations.rules(call.principal, call.path["guid"])))

    async def replace_rules(self, call: Call) -> Reply:
        """Replace the rules about claims."""
        wanted = wire.wanted_rules(call.body)
        return Reply(
            wire.rules_document(
                await self._organizations.replace_rules(call.principal, call.path["guid"], wanted)
            )
        )

    async def sessions(self, call: Call) -> Reply:
        """Answer all of the caller's sessions; there are few, so they are one page."""
        own = call.principal.token_guid
        known = await self._accounts.tokens(call.principal)
        shown = (
            wire.session_document(each, current=each.guid == own) for each in known if each.kind != "api"
        )
        return Reply(joined("Session", shown, None))

    async def end_others(self, call: Call) -> Reply:
        """End all sessions but the caller's."""
        await self._accounts.end_others(call.principal)
        return SUCCESS

    async def end(self, call: Call) -> Reply:
        """End a session."""
        await self._accounts.revoke_token(call.principal, call.path["guid"])
        return SUCCESS

    async def _set_disabled(self, call: Call, *, disabled: bool) -> Reply:
        guid, email = call.path["guid"], call.path["email"]
        user = await self._organizations.set_disabled(call.principal, guid, email, disabled=disabled)
        return Reply(accounts_wire.user_document(user, ()))
