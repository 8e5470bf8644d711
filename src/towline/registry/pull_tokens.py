"""The token exchange for somebody else: a short-lived token that can pull from one repository.

Only ``pull`` is asked for, so that no more can be granted. The password stays here.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from towline.domain.credential import Password
from towline.domain.errors import PullRefused
from towline.domain.findings import Finding
from towline.domain.registry import RegistryAddress
from towline.ports import PullToken
from towline.registry.auth import pull_scope
from towline.registry.challenge import chosen
from towline.registry.conversation import Conversation
from towline.registry.failures import NoAnswer
from towline.registry.opening import opened
from towline.registry.refusal import Refused
from towline.registry.transport import Trail
from towline.registry.wording import detail_of

if TYPE_CHECKING:
    from datetime import datetime

    from towline.domain.image import ImageReference
    from towline.domain.workload import PullAccess
    from towline.registry.transport import Transport


class Exchange:
    """The port ``PullTokens``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def pull_token(
        self, image: ImageReference, access: PullAccess, *, now: datetime
    ) -> PullToken | None:
        """Return a token for the image's repository, None where the registry gives none; see the port."""
        trail, scope = Trail(), pull_scope(image.repository)
        try:
            conversation = Conversation(self._transport, RegistryAddress.of(image), access, trail)
            reply = await opened(conversation)
            if chosen(reply.challenges) is None:
                # A registry with some open repositories challenges only where it must.
                reply = await conversation.ask("HEAD", f"/v2/{image.repository}/manifests/{image.reference}")
            challenge = chosen(reply.challenges)
            if challenge is None or challenge.scheme != "bearer":
                return None
            bearer = await conversation.token(challenge, scope=scope)
        except (NoAnswer, Refused) as refusal:
            finding = Finding(
                refusal.code, detail_of(refusal, trail), tuple(trail.exchanges), image=str(image)
            )
            raise PullRefused(finding) from refusal
        token = Password(bearer.header.removeprefix("Bearer "))
        return PullToken(token, scope, now + timedelta(seconds=bearer.expires_in))
