"""How much a registry still allows: Docker Hub's pull limits, ``Retry-After`` of everybody.

Headers: docs.docker.com, "Docker Hub pull usage and limits"; RFC 9110 section 10.2.3.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from towline.domain.proof import PullLimit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.registry.transport import Reply

_QUOTA = re.compile(r"\s*(\d{1,9})\s*(?:;\s*w\s*=\s*(\d{1,9}))?")


def pull_limit(headers: Mapping[str, str]) -> PullLimit | None:
    """Return the pull limit that an answer's headers tell; None where they tell none."""
    limit = _QUOTA.match(headers.get("ratelimit-limit", ""))
    remaining = _QUOTA.match(headers.get("ratelimit-remaining", ""))
    if not limit or not remaining:
        return None
    source = headers.get("docker-ratelimit-source", "").strip()[:100]
    return PullLimit(
        int(limit[1]), int(remaining[1]), seconds=int(limit[2] or 0), by_address=_is_address(source)
    )


def limit_words(reply: Reply) -> str:
    """Return what a 429 says, with its limit and when to come back."""
    words = [reply.text()]
    limit = pull_limit(reply.headers)
    if limit is not None:
        words.append(str(limit))
    after = reply.headers.get("retry-after", "").strip()
    if after:
        words.append(f"retry after {after[:40]}{' s' if after.isdigit() else ''}")
    return "; ".join(word for word in words if word)


def _is_address(source: str) -> bool | None:
    """Whether the pull was counted to an address (else to an account); None where nobody says."""
    if not source:
        return None
    try:
        ipaddress.ip_address(source)
    except ValueError:
        return False
    return True
