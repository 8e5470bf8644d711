"""A second question that tells causes apart where one answer fits several.

At most four requests beyond the proof's own. A refused password is never sent again: what is asked is
asked anonymously, or with another credential.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.registry import manifests
from towline.registry.auth import pull_scope
from towline.registry.challenge import chosen
from towline.registry.failures import NoAnswer
from towline.registry.refusal import Refused

if TYPE_CHECKING:
    from towline.domain.image import ImageReference
    from towline.registry.conversation import Conversation
    from towline.registry.transport import Reply

GLANCE_REQUESTS = 2
"""What a look with another credential takes: a token and the manifest."""
MEETING_REQUESTS = 2
"""What it takes to meet a registry: a ping, and another one where loopback speaks plain HTTP."""

_SAY_NOTHING = frozenset({405, 408, 429})
_REFUSED_LOGINS = frozenset(
    {
        FindingCode.WRONG_CREDENTIALS,
        FindingCode.ACCESS_TOKEN_REQUIRED,
        FindingCode.CREDENTIAL_EXPIRED,
        FindingCode.ACCOUNT_DISABLED,
        FindingCode.TOKEN_SCOPE_MISSING,
    }
)


@dataclass(frozen=True, slots=True)
class Insight:
    """What a second question found out; empty texts leave the table's own."""

    fix: str = ""
    likely: tuple[str, ...] = ()
    code: FindingCode | None = None
    """The cause, where the second question showed that it is another one."""


async def second_question(refusal: Refused, conversation: Conversation, image: ImageReference) -> Insight:
    """Ask what separates the causes of a refused image; never raises for what the registry does."""
    forbidden_token = not conversation.accepted and refusal.code in (
        FindingCode.REPOSITORY_NOT_FOUND_OR_HIDDEN,
        FindingCode.NO_PULL_PERMISSION,
    )
    if conversation.access.credential is None or conversation.challenged is None:
        return Insight()
    if refusal.code in _REFUSED_LOGINS or forbidden_token:
        return await _is_it_public(refusal, conversation, image)
    return Insight()


async def may_pull(
    conversation: Conversation, challenged: Reply | None, image: ImageReference
) -> bool | None:
    """Answer with a token and one look at the manifest whether this access may pull; None: no answer."""
    path = f"/v2/{image.repository}/manifests/{image.reference}"
    headers = {"Accept": manifests.ACCEPT}
    try:
        if challenged is not None and not (conversation.access.credential is None and _is_basic(challenged)):
            await conversation.authorize(challenged, scope=pull_scope(image.repository))
        reply = await conversation.ask("HEAD", path, headers)
    except NoAnswer:
        return None
    return reply.status == 200 if reply.status < 500 and reply.status not in _SAY_NOTHING else None


async def _is_it_public(refusal: Refused, conversation: Conversation, image: ImageReference) -> Insight:
    """Ask for the image without the refused login: a bad one keeps even public images from being pulled."""
    try:
        public = await may_pull(conversation.anonymously(), conversation.challenged, image)
    except Refused:
        public = False
    if not public:
        return _still_unclear(refusal, conversation)
    forbidden = refusal.code not in _REFUSED_LOGINS  # what anybody may pull is not hidden from this login
    return Insight(
        code=FindingCode.WRONG_CREDENTIALS if forbidden else None,
        fix="Correct the secret, or take it out of the package: this image is public and needs none.",
        likely=(
            "The image is public; it is the secret's refused login that keeps it from being pulled.",
            "The password or access token was mistyped, has expired or was revoked.",
        ),
    )


def _still_unclear(refusal: Refused, conversation: Conversation) -> Insight:
    """Say all that a token server's 403 may mean, where the login itself may be what it refuses."""
    if refusal.code is not FindingCode.REPOSITORY_NOT_FOUND_OR_HIDDEN or conversation.accepted:
        return Insight()
    return Insight(
        likely=(
            "The token is wrong, was revoked, or lacks the scope for reading images.",
            "The repository is private and this token's user may not read it.",
            "There is no repository of this name.",
        )
    )


def _is_basic(reply: Reply) -> bool:
    challenge = chosen(reply.challenges)
    return challenge is not None and challenge.scheme == "basic"
