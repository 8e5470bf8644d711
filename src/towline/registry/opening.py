"""How a conversation opens: the ping and what it says about the server at this address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yarl import URL

from towline.domain.causes import FindingCode
from towline.registry.challenge import chosen
from towline.registry.refusal import Refused, is_plain, refusal_of

if TYPE_CHECKING:
    from towline.registry.conversation import Conversation
    from towline.registry.transport import Reply

_TELLING = frozenset(
    {
        FindingCode.RATE_LIMITED,
        FindingCode.LOGIN_BLOCKED,
        FindingCode.HTTPS_ON_HTTP_PORT,
        FindingCode.REQUEST_BLOCKED,
        FindingCode.TLS_CLIENT_CERTIFICATE,
    }
)


async def opened(conversation: Conversation) -> Reply:
    """Ping; return the answer of something that is a registry, raise Refused otherwise."""
    reply = await conversation.ping()
    if reply.status == 401 and chosen(reply.challenges):
        return reply
    if reply.status == 200 and not _is_page(reply):
        conversation.is_open = True
        return reply
    raise _no_registry(reply, conversation)


def _is_page(reply: Reply) -> bool:
    return reply.content_type.startswith("text/html") or reply.body.lstrip()[:1] == b"<"


def _no_registry(reply: Reply, conversation: Conversation) -> Refused:
    refusal = refusal_of(reply, conversation.asked)
    if refusal.code in _TELLING or reply.status >= 500:
        return refusal
    if reply.status == 403 and not is_plain(reply):
        return Refused(FindingCode.REQUEST_BLOCKED, f"/v2/ was answered with status 403: {reply.text()}")
    if conversation.base.scheme == "http" and _leads_to_https(reply, conversation):
        return Refused(FindingCode.HTTPS_ON_HTTP_PORT, f"/v2/ leads from http:// to {_location(reply)}")
    what = "a web page" if _is_page(reply) else f"status {reply.status}"
    if 300 <= reply.status < 400:
        what = f"status {reply.status}, a redirect"
    return Refused(FindingCode.NOT_A_REGISTRY, f"/v2/ was answered with {what}")


def _leads_to_https(reply: Reply, conversation: Conversation) -> bool:
    target = _location(reply)
    return 300 <= reply.status < 400 and target.scheme == "https" and target.host == conversation.base.host


def _location(reply: Reply) -> URL:
    try:
        return URL(reply.headers.get("location", "")).with_query(None).with_user(None)
    except ValueError:
        return URL()
