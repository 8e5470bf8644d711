"""Users and organizations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.api.operations import Operation, Place, Reply
from towline.api.parameters import ORGANIZATION, PAGING
from towline.domain.account import Permission
from towline.domain.errors import NotAllowed
from towline.domain.scopes import ScopeKind
from towline.services.invitations import link_at
from towline.wire import accounts as wire
from towline.wire import permissions as permissions_wire
from towline.wire.lists import joined, page_of
from towline.wire.openapi import Parameter

if TYPE_CHECKING:
    from towline.api.operations import Call
    from towline.domain.groups import Membership
    from towline.services.accounts import Accounts
    from towline.services.invitations import Invitations
    from towline.services.organizations import Organizations

_USER = Parameter("userguid", "the user; without it the caller", place="header")
_GUIDS = Parameter("guid", "only users with one of these guids", repeated=True)


class PeopleApi:
    """Who is there."""

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
        return (*self._users(), *self._one_user(), *self._of_organizations())

    def _users(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="GET",
                path="/v2/users/me/",
                permission=Permission.SIGNED_IN,
                scope=ScopeKind.PROJECTS_READ,
                tag="Users",
                summary="Oneself, with all organizations and projects",
                handle=self.me,
                answer=wire.UserDocument,
            ),
            Operation(
                method="PUT",
                path="/v2/users/me/",
                permission=Permission.SIGNED_IN,
                tag="Users",
                summary="Change one's own names",
                handle=self.rename,
                body=wire.UserIn,
                answer=wire.UserDocument,
                errors=(400,),
            ),
            Operation(
                method="GET",
                path="/v2/users/",
                permission=Permission.SIGNED_IN,
                scope=ScopeKind.PROJECTS_READ,
                tag="Users",
                summary="The people of an organization",
                handle=self.list,
                parameters=(*PAGING, _GUIDS, ORGANIZATION),
                answer=wire.UserDocument,
                listed=True,
                errors=(400, 404),
            ),
        )

    def _one_user(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="GET",
                path="/v2/users/permissions/",
                permission=Permission.SIGNED_IN,
                scope=ScopeKind.PROJECTS_READ,
                tag="Users",
                summary="What one may do in an organization and its projects; for an admin also another user",
                handle=self.permissions,
                parameters=(ORGANIZATION, _USER),
                answer=permissions_wire.PermissionsDocument,
                errors=(403, 404),
            ),
            Operation(
                method="GET",
                path="/v2/users/{email}",
                permission=Permission.SIGNED_IN,
                scope=ScopeKind.PROJECTS_READ,
                tag="Users",
                summary="Somebody of one's own organizations",
                handle=self.colleague,
                answer=wire.UserDocument,
                errors=(404,),
            ),
            Operation(
                method="PUT",
                path="/v2/users/{email}/",
                permission=Permission.SIGNED_IN,
                tag="Users",
                summary="Change one's own names",
                handle=self.rename_by_address,
                body=wire.UserIn,
                answer=wire.UserDocument,
                errors=(400, 403, 404),
            ),
        )

    def _of_organizations(self) -> tuple[Operation, ...]:
        return (
            Operation(
                method="GET",
                path="/v2/organizations/{guid}/",
                permission=Permission.SIGNED_IN,
                scope=ScopeKind.PROJECTS_READ,
                place=Place.ORGANIZATION,
                tag="Organizations",
                summary="An organization with its members",
                handle=self.organization,
                answer=wire.OrganizationDocument,
                errors=(404,),
            ),
            Operation(
                method="PUT",
                path="/v2/organizations/{guid}/",
                permission=Permission.MANAGE_ORGANIZATION,
                place=Place.ORGANIZATION,
                tag="Organizations",
                summary="Replace an organization's members; who has no account here is invited",
                handle=self.replace_members,
                body=wire.OrganizationIn,
                answer=wire.OrganizationDocument,
                errors=(400, 403, 404, 409),
            ),
        )

    async def me(self, call: Call) -> Reply:
        """Answer the caller's own profile."""
        profile = await self._accounts.me(call.principal)
        return Reply(
            wire.user_document(profile.user, profile.organizations, profile.projects, profile.groups)
        )

    async def rename(self, call: Call) -> Reply:
        """Change the caller's names."""
        first, last = wire.names(call.body, call.principal.user)
        profile = await self._accounts.rename_me(call.principal, first_name=first, last_name=last)
        return Reply(
            wire.user_document(profile.user, profile.organizations, profile.projects, profile.groups)
        )

    async def rename_by_address(self, call: Call) -> Reply:
        """Change the caller's names; nobody changes those of others."""
        if call.path["email"].casefold() != call.principal.user.email.casefold():
            raise NotAllowed("names are changed by their owner alone")
        return await self.rename(call)

    async def colleague(self, call: Call) -> Reply:
        """Answer somebody of the caller's organizations."""
        profile = await self._organizations.colleague(call.principal, call.path["email"])
        return Reply(
            wire.user_document(profile.user, profile.organizations, profile.projects, profile.groups)
        )

    async def permissions(self, call: Call) -> Reply:
        """Answer what somebody may do."""
        powers = await self._organizations.powers(
            call.principal, call.header(b"organizationguid"), call.header(b"userguid")
        )
        return Reply(permissions_wire.document(powers.in_organization, powers.in_projects))

    async def list(self, call: Call) -> Reply:
        """Answer a page of an organization's people."""
        guid = call.header(b"organizationguid")
        query = call.query
        listing = await self._organizations.users(
            call.principal, guid, page_of(query), guids=query.get("guid", ())
        )
        items = (
            wire.user_document(user, ((organization, roles),)) for user, organization, roles in listing.items
        )
        return Reply(joined("User", items, listing.next))

    async def organization(self, call: Call) -> Reply:
        """Answer an organization."""
        return _answer(await self._organizations.get(call.principal, call.path["guid"]))

    async def replace_members(self, call: Call) -> Reply:
        """Replace an organization's members; who has no account is invited, by mail if that is set."""
        wanted = wire.members(call.body)
        changed = await self._organizations.replace_members(call.principal, call.path["guid"], wanted)
        for invitation, text in changed.invited:
            link = link_at(self._public_url or call.server, text)
            await self._invitations.send(invitation, changed.organization, link)
        return _answer(changed)


def _answer(membership: Membership) -> Reply:
    return Reply(wire.organization_document(membership.organization, membership.members, membership.groups))
