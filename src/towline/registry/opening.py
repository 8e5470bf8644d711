"""How a conversation opens: the ping and what it says about the server at this address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.registry.challenge import chosen
from towline.registry.conversation import Refused, refusal_of

if TYPE_CHECKING:
    from towline.registry.conversation import Conversation
    from towline.registry.transport import Reply


async def opened(conversation: Conversation) -> Reply:
    """Ping; return the answer of something that is a registry, raise Refused otherwise."""
    reply = await conversation.ping()
    if reply.status == 401 and chosen(reply.challenges):
        return reply
    if reply.status == 200 and not _is_page(reply):
        return reply
    raise _no_registry(reply, has_credential=conversation.access.credential is not None)


def _is_page(reply: Reply) -> bool:
    return reply.content_type.startswith("text/html") or reply.body.lstrip()[:1] == b"<"


def _no_registry(reply: Reply, *, has_credential: bool) -> Refused:
    refusal = refusal_of(reply, has_credential=has_credential, accepted=False)
    telling = (
        FindingCode.RATE_LIMITED, FindingCode.LOGIN_BLOCKED, FindingCode.HTTPS_ON_HTTP_PORT,
    )  # fmt: skip
    if refusal.code in telling or reply.status >= 500:
        return refusal
    what = "a web page" if _is_page(reply) else f"status {reply.status}"
    if 300 <= reply.status < 400:
        what = f"status {reply.status}, a redirect"
    return Refused(FindingCode.NOT_A_REGISTRY, f"/v2/ was answered with {what}")
