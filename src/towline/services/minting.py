"""Logins that Towline mints: made from a parent credential, tried at their registry before they count."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.errors import PullRefused
from towline.domain.findings import Finding
from towline.domain.proof import Answer, Verdict

if TYPE_CHECKING:
    from towline.domain.minting import Grant, MintOrder
    from towline.ports import Clock, Store, TokenMint
    from towline.services.proofs import Proofs

MINT_WAIT = 5.0
"""Seconds that somebody who saves a secret waits for the provider; the official SDK gives up after ten."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of trying a login at its registry; ``grant`` is the login where it was minted for that."""

    answer: Answer
    grant: Grant | None = None


class Minting:
    """Mints logins and has them tried; keeps nothing."""

    def __init__(
        self, *, store: Store, mint: TokenMint, proofs: Proofs, clock: Clock, wait: float = MINT_WAIT
    ) -> None:
        self._store = store
        self._mint = mint
        self._proofs = proofs
        self._clock = clock
        self._wait = wait

    def check(self, order: MintOrder) -> None:
        """Raise InvalidInput for a parent credential of another form than its kind's."""
        self._mint.check(order)

    async def soon(self, project_guid: str, order: MintOrder) -> Tried:
        """Do as ``fresh``, but leave what takes long to the schedule: the verdict is ``unknown`` then."""
        try:
            async with asyncio.timeout(self._wait):
                return await self.fresh(project_guid, order)
        except TimeoutError:
            detail = f"no login was minted within {self._wait:g} s; it is tried again by itself"
            return Tried(_none(Finding(FindingCode.MINT_UNREACHABLE, detail, checked_at=self._clock())))

    async def fresh(self, project_guid: str, order: MintOrder) -> Tried:
        """Mint a login and try it at its registry; a finding says why there is none, or what is wrong."""
        known = await self._store.read(lambda tx: tx.registries.all(project_guid))
        settings = {each.netloc: each for each in known}
        try:
            grant = await self._mint.mint(order, now=self._clock(), settings=settings)
        except PullRefused as refusal:
            return Tried(_none(refusal.finding.about(at=self._clock())))
        return Tried(await self._proofs.login(project_guid, order.registry, grant.credential), grant)


def _none(finding: Finding) -> Answer:
    """Return the answer about a secret for which no login could be minted."""
    verdict = Verdict.FAILING if finding.cause.blames_credential else Verdict.UNKNOWN
    return Answer(verdict, finding, evidence=finding.evidence)
