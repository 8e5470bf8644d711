"""A refusal as a finding: in the words of its provider, with what a second question found out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.domain.causes import CAUSES, FindingCode
from towline.domain.findings import Finding
from towline.domain.provider_table import facts_of
from towline.domain.providers import Provider, registry_behind
from towline.registry.cleaning import cleaned
from towline.registry.first_look import UNSUSPICIOUS, Look, look_at

if TYPE_CHECKING:
    from datetime import datetime

    from towline.registry.conversation import Conversation
    from towline.registry.failures import NoAnswer
    from towline.registry.refusal import Refused
    from towline.registry.second_questions import Insight
    from towline.registry.transport import Trail

LONGEST_DETAIL = 600


def detail_of(refusal: NoAnswer | Refused, trail: Trail) -> str:
    """Return what is told of a refusal: one plain line, as a registry's words may be in it."""
    return cleaned(trail.blot(str(refusal)), most=LONGEST_DETAIL)


def finding_of(
    refusal: NoAnswer | Refused, conversation: Conversation, trail: Trail, *, insight: Insight, now: datetime
) -> Finding:
    """Return the finding for a refusal; its evidence is the whole trail."""
    provider, code = conversation.provider, insight.code or refusal.code
    look = _look(code, conversation, now)
    code = FindingCode.CREDENTIAL_EXPIRED if look.expired else code
    fix = insight.fix or _other_address(code, conversation) or _own_fix(provider, code)
    likely = insight.likely
    if look.likely:
        likely = (*look.likely, *(likely or CAUSES[code].likely))
    if look.fix:
        fix = f"{look.fix} Else: {fix or CAUSES[code].fix}"
    return Finding(
        code,
        detail_of(refusal, trail),
        tuple(trail.exchanges),
        fix_hint=fix,
        provider="" if provider is Provider.OTHER else provider.value,
        likely_here=likely,
    )


def _look(code: FindingCode, conversation: Conversation, now: datetime) -> Look:
    """Look at the credential's text, unless it is known to be good."""
    if conversation.accepted and code is not FindingCode.WRONG_CREDENTIALS:
        return UNSUSPICIOUS
    return look_at(conversation.access.credential, code, conversation.provider, now=now)


def _own_fix(provider: Provider, code: FindingCode) -> str:
    return facts_of(provider).fixes.get(code, "")


def _other_address(code: FindingCode, conversation: Conversation) -> str:
    """Return the fix where the address is that of a registry's web pages."""
    behind = registry_behind(conversation.base.host or "")
    if code is not FindingCode.NOT_A_REGISTRY or not behind:
        return ""
    return f"This is the address of web pages; images are at {behind}."
