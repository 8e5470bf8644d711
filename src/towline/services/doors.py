"""Doors for tools: a stored credential for the registry or image that a tool names (design section 7).

Each use is an audit row of the keychain, each refusal one of this service. The caller's role was looked
at by the route table; here a token's scopes decide which secrets it may take.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.domain.audit import Door
from towline.domain.doors import best_first
from towline.domain.errors import Conflict, NotAllowed, NotFound
from towline.domain.listing import LabelSelector
from towline.domain.registry import RegistryAddress
from towline.domain.scopes import matches
from towline.domain.secret import DockerSecret
from towline.services.door_rows import facts_of, refusal_row
from towline.services.paging import every

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from towline.domain.account import Access
    from towline.domain.credential import Password
    from towline.domain.doors import DoorPolicy
    from towline.domain.image import ImageReference
    from towline.ports import (
        Clock,
        Facts,
        Keychain,
        ResolvedCredential,
        SecretRecord,
        ServiceAccount,
        ServiceAccountTokens,
        Store,
        Transaction,
    )

KUBELET_SECONDS = 60
"""How long a kubelet may keep what it was given: a rotated password is used within that time."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A credential on its way out, from which secret, and how long a tool may keep it for bad times."""

    resolved: ResolvedCredential
    name: str
    offline_minutes: int = 0


@dataclass(frozen=True, slots=True)
class TakenForImage:
    """What a kubelet is given. ``pattern`` is the key under which it matches images.

    ``by_image``: another image of the same registry may be given something else.
    """

    taken: Taken
    pattern: str
    by_image: bool
    by_service_account: bool
    cache_seconds: int = KUBELET_SECONDS


class Doors:
    """Hands credentials to tools."""

    def __init__(
        self, *, store: Store, keychain: Keychain, service_accounts: ServiceAccountTokens, clock: Clock
    ) -> None:
        self._store = store
        self._keychain = keychain
        self._service_accounts = service_accounts
        self._clock = clock

    async def for_registry(self, access: Access, server: str, *, peer: str) -> Taken:
        """Return the credential for the registry that a credential helper was asked for.

        Raises NotFound where the caller may use no secret for it, InvalidInput for what is no registry.
        """
        asked = RegistryAddress.parse(server, field="serverURL")
        facts = facts_of(access, peer, registry=asked.key)
        chosen, _ = await self._chosen(
            access, asked, Door.CREDENTIAL_HELPER, facts, fits=lambda each: each.registry.opens(asked)
        )
        resolved = await self._keychain.login(
            access.project.guid,
            chosen.metadata.guid,
            door=Door.CREDENTIAL_HELPER,
            actor=access.actor,
            facts=facts,
        )
        taken = _unchanged(chosen, resolved)
        policy = await self._policy(access)
        minutes = _within(policy.offline_minutes * 60, taken, now=self._clock()) // 60
        return Taken(taken, chosen.metadata.name, offline_minutes=minutes)

    async def registries(self, access: Access) -> Mapping[str, str]:
        """Return the user name by registry, of all that ``for_registry`` would hand out."""
        secrets = await self._every(access)
        whole = [each for each in best_first(secrets, access.principal) if not each.registry.path]
        return {each.registry.key.removeprefix("http://"): each.username for each in reversed(whole)}

    async def for_image(
        self, access: Access, image: ImageReference, *, peer: str, service_account_token: Password
    ) -> TakenForImage:
        """Return what a kubelet may pull an image with, with a service account's token for less.

        Raises NotFound as ``for_registry`` does, NotAllowed for a token that nobody here trusts.
        """
        facts = facts_of(access, peer)
        account: ServiceAccount | None = None
        patterns: tuple[str, ...] = ("*",)
        if service_account_token:
            account, patterns = await self._account(access, image, service_account_token, facts)
            facts = (*facts, ("service-account", f"{account.namespace}/{account.name}"))
        chosen, by_image = await self._chosen(
            access,
            RegistryAddress.of(image),
            Door.KUBELET,
            (*facts, ("image", str(image))),
            fits=lambda each: (
                each.registry.covers(image)
                and any(matches(pattern, each.metadata.name) for pattern in patterns)
            ),
        )
        resolved = await self._keychain.resolve(
            access.project.guid,
            chosen.metadata.guid,
            image,
            door=Door.KUBELET,
            actor=access.actor,
            facts=facts,
        )
        taken = Taken(_unchanged(chosen, resolved), chosen.metadata.name)
        pattern = image.name if by_image else image.registry
        return TakenForImage(
            taken,
            pattern,
            by_image=by_image,
            by_service_account=account is not None,
            cache_seconds=_within(KUBELET_SECONDS, taken.resolved, now=self._clock()),
        )

    async def _chosen(
        self,
        access: Access,
        place: RegistryAddress,
        door: Door,
        facts: Facts,
        *,
        fits: Callable[[DockerSecret], bool],
    ) -> tuple[DockerSecret, bool]:
        """Return the best secret that fits, and whether the registry's answer depends on the repository."""
        there = await self._there(access, place)
        fitting = [each for each in there if fits(each)]
        usable = best_first(fitting, access.principal)
        if usable:
            return usable[0], any(each.registry.path for each in there)
        outcome = "not-allowed" if fitting else "not-found"
        await self._note_refused(access, door, place.key, outcome, facts)
        raise NotFound("docker pull secret for", place.key, where="what this token may use")

    async def _there(self, access: Access, place: RegistryAddress) -> Sequence[DockerSecret]:
        """Return the newest secrets of a registry's host, and those that a scope names in full."""
        project = access.project.guid
        names = {each.name for each in access.principal.scopes if each.name and not each.name.endswith("*")}

        def question(tx: Transaction) -> Sequence[SecretRecord | None]:
            named = (tx.secrets.get(project, name) for name in sorted(names))
            return (*tx.secrets.of_registry(project, place.host), *named)

        found = [each.secret for each in await self._store.read(question) if each]
        there = {each.metadata.guid: each for each in found if isinstance(each, DockerSecret)}
        return [each for each in there.values() if each.registry.host == place.host]

    async def _every(self, access: Access) -> Sequence[DockerSecret]:
        """Return all docker secrets, read beside the loop so that nobody waits for thousands."""
        project, selector = access.project.guid, LabelSelector()

        def question(tx: Transaction) -> Sequence[DockerSecret]:
            found = every(lambda page: tx.secrets.page(project, page, selector=selector))
            return [each.secret for each in found if isinstance(each.secret, DockerSecret)]

        return await self._store.survey(question)

    async def _account(
        self, access: Access, image: ImageReference, token: Password, facts: Facts
    ) -> tuple[ServiceAccount, tuple[str, ...]]:
        """Return whom a service account's token names, and which secrets that one may have."""
        policy = await self._policy(access)
        try:
            issuer, account = await self._service_accounts.verified(token, policy.issuers, now=self._clock())
        except NotAllowed:
            told = (*facts, ("image", str(image)))
            await self._note_refused(access, Door.KUBELET, image.registry, "service-account-refused", told)
            raise
        return account, issuer.secrets_of(account.namespace, account.name)

    async def _policy(self, access: Access) -> DoorPolicy:
        return await self._store.read(lambda tx: tx.doors.get(access.project.guid))

    async def _note_refused(
        self, access: Access, door: Door, subject: str, outcome: str, facts: Facts
    ) -> None:
        row = refusal_row(access, door, subject, at=self._clock(), outcome=outcome, facts=facts)
        await self._store.write(lambda tx: tx.audit.append(row))


def _unchanged(chosen: DockerSecret, resolved: ResolvedCredential | None) -> ResolvedCredential:
    """Return what was opened if it still is for the place that was asked for; else let nothing out."""
    if resolved is None or resolved.address != chosen.registry:
        raise Conflict(f"secret {chosen.metadata.name!r} was changed meanwhile; ask again")
    return resolved


def _within(seconds: int, resolved: ResolvedCredential, *, now: datetime) -> int:
    """Return for how many of so many seconds a tool may keep a credential: not beyond the end of its life."""
    if resolved.expires_at is None:
        return seconds
    return max(0, min(seconds, int((resolved.expires_at - now).total_seconds())))
