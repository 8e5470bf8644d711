"""AWS Signature Version 4 for a POST without a query.

Spec: docs.aws.amazon.com, IAM User Guide, "Create a signed AWS API request".
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from yarl import URL

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class AwsKey:
    """What requests are signed with."""

    key_id: str
    secret: str
    session_token: str = ""


def signed(
    key: AwsKey,
    url: URL,
    headers: Mapping[str, str],
    body: bytes,
    *,
    region: str,
    service: str,
    now: datetime,
) -> dict[str, str]:
    """Return ``headers`` with those that sign a POST of ``body`` to ``url``, all of them signed."""
    at = f"{now:%Y%m%dT%H%M%SZ}"
    scope = f"{at[:8]}/{region}/{service}/aws4_request"
    sent = {**headers, "Host": _host(url), "X-Amz-Date": at}
    if key.session_token:
        sent["X-Amz-Security-Token"] = key.session_token
    listed = sorted((name.lower(), " ".join(value.split())) for name, value in sent.items())
    names = ";".join(name for name, _ in listed)
    lines = "".join(f"{name}:{value}\n" for name, value in listed)
    request = "\n".join(("POST", url.raw_path or "/", "", lines, names, hashlib.sha256(body).hexdigest()))
    to_sign = "\n".join((_ALGORITHM, at, scope, hashlib.sha256(request.encode()).hexdigest()))
    signature = hmac.new(_signing_key(key.secret, scope), to_sign.encode(), hashlib.sha256).hexdigest()
    said = f"{_ALGORITHM} Credential={key.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**sent, "Authorization": said}


def _signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _host(url: URL) -> str:
    """Return the host as it is sent: with its port where that is not the scheme's own."""
    return url.raw_authority if not url.is_default_port() else url.raw_host or ""
