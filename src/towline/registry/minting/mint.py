"""The driver of all kinds: sends what they ask under the rules for registries, and tells what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.domain.causes import CAUSES, FindingCode
from towline.domain.errors import InvalidInput, PullRefused
from towline.domain.findings import Finding
from towline.domain.minting import MintKind
from towline.domain.registry import RegistrySettings
from towline.registry.cleaning import cleaned
from towline.registry.failures import NoAnswer, TooLarge
from towline.registry.minting.acr import AcrMinting
from towline.registry.minting.ecr import EcrMinting
from towline.registry.minting.github_app import GitHubAppMinting
from towline.registry.minting.google import GoogleMinting
from towline.registry.minting.steps import NotMinted
from towline.registry.transport import Trail
from towline.registry.wording import LONGEST_DETAIL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from towline.domain.minting import Grant, MintOrder
    from towline.registry.minting.steps import Minting
    from towline.registry.transport import Request, Transport

KINDS: Mapping[MintKind, Callable[[MintOrder, str], Minting]] = {
    MintKind.ECR: EcrMinting.of,
    MintKind.GOOGLE: GoogleMinting.of,
    MintKind.ACR: AcrMinting.of,
    MintKind.GITHUB_APP: GitHubAppMinting.of,
}

_IN_HEADERS = frozenset({"Authorization", "X-Amz-Security-Token"})
_IN_FORMS = frozenset({"client_secret", "assertion", "access_token"})


class Mint:
    """The port ``TokenMint``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def check(self, order: MintOrder) -> None:
        """Raise InvalidInput for a parent credential of another form; see the port."""
        KINDS[order.mint.kind](order, order.key.reveal())

    async def mint(
        self, order: MintOrder, *, now: datetime, settings: Mapping[str, RegistrySettings]
    ) -> Grant:
        """Return a login for the order's registry; raise PullRefused with the finding; see the port."""
        trail, provider = Trail(), order.mint.facts.provider.value
        try:
            minting = KINDS[order.mint.kind](order, order.key.reveal())
            trail.blot.hide(*(text for text in minting.secrets if text))
            return await self._driven(minting, now, settings, trail)
        except InvalidInput as error:
            raise _refused(FindingCode.MINT_KEY_MALFORMED, f"the key {error.problem}", trail) from error
        except NotMinted as refusal:
            raise _refused(refusal.code, str(refusal), trail, fix=refusal.fix, provider=provider) from refusal
        except TooLarge as failure:
            raise _refused(FindingCode.MINT_ERROR, str(failure), trail) from failure
        except NoAnswer as failure:
            cause = CAUSES[failure.code]
            detail = f"{failure} ({cause.title.lower()})"
            raise _refused(FindingCode.MINT_UNREACHABLE, detail, trail, provider=provider) from failure

    async def _driven(
        self, minting: Minting, now: datetime, settings: Mapping[str, RegistrySettings], trail: Trail
    ) -> Grant:
        steps = minting.steps(now)
        try:
            request = next(steps)
            while True:
                trail.blot.hide(*_carried(request))
                request = steps.send(await self._transport.ask(request, _for(request, settings), trail))
        except StopIteration as done:
            return _good(done.value, now)


def _carried(request: Request) -> Iterator[str]:
    """Yield what a request proves its sender by: whoever is asked may repeat it."""
    for name in _IN_HEADERS & request.headers.keys():
        yield request.headers[name].removeprefix("Bearer ")
    for name in _IN_FORMS & (request.form or {}).keys():
        yield (request.form or {})[name]


def _good(grant: Grant, now: datetime) -> Grant:
    """Return a grant that opens something now; raise NotMinted for one that has ended already."""
    if grant.expires_at <= now:
        raise NotMinted(FindingCode.MINT_CLOCK_SKEW, "the token that was given has ended already")
    return grant


def _for(request: Request, settings: Mapping[str, RegistrySettings]) -> RegistrySettings:
    """Return what the project set for the host that is asked: its CA, its proxy."""
    place = request.url.raw_host or ""
    netloc = place if request.url.is_default_port() else f"{place}:{request.url.port}"
    return settings.get(netloc) or RegistrySettings.default(netloc)


def _refused(
    code: FindingCode, detail: str, trail: Trail, *, fix: str = "", provider: str = ""
) -> PullRefused:
    shown = cleaned(trail.blot(detail), most=LONGEST_DETAIL)
    return PullRefused(Finding(code, shown, tuple(trail.exchanges), fix_hint=fix, provider=provider))
