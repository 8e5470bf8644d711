"""Reading tokens as texts: prefixes that name their kind, claims that name their end. Nothing is verified.

Facts: RFC 7519 (JWT); the prefixes that GitHub, GitLab and Docker publish for secret scanning; Amazon
ECR's authorization tokens, which are base64 of a document with the member ``expiration``.
"""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime

from towline.domain.providers import Provider

PREFIXES: tuple[tuple[str, str, Provider], ...] = (
    ("ghp_", "a classic GitHub personal access token", Provider.GHCR),
    ("github_pat_", "a fine-grained GitHub personal access token", Provider.GHCR),
    ("ghs_", "a GitHub App installation token or GITHUB_TOKEN, valid for one hour or one job", Provider.GHCR),
    ("gho_", "a GitHub OAuth token", Provider.GHCR),
    ("ghu_", "a GitHub App user token", Provider.GHCR),
    ("glpat-", "a GitLab personal, project or group access token", Provider.GITLAB),
    ("gldt-", "a GitLab deploy token", Provider.GITLAB),
    ("glcbt-", "a GitLab CI job token, valid for one job", Provider.GITLAB),
    ("dckr_pat_", "a Docker Hub personal access token", Provider.DOCKER_HUB),
    ("dckr_oat_", "a Docker Hub organization access token", Provider.DOCKER_HUB),
    ("ya29.", "a Google access token, valid for one hour", Provider.GOOGLE),
)

_MOST = 64 << 10


def kind_of(password: str) -> str:
    """Return in words what kind of token this is; empty where nothing is recognised."""
    for prefix, kind, _ in PREFIXES:
        if password.startswith(prefix):
            return kind
    if is_key_file(password):
        return "a Google service account key file"
    if _ecr_document(password):
        return "an Amazon ECR authorization token, valid for 12 hours"
    return "a signed token (JWT)" if claims_of(password) else ""


def expiry_of(password: str) -> datetime | None:
    """Return when the token says that it ends; None where it does not say."""
    return _moment(claims_of(password).get("exp")) or _moment(_ecr_document(password).get("expiration"))


def audience_of(password: str) -> str:
    """Return for whom a JWT was made, by its first ``aud``."""
    named = claims_of(password).get("aud")
    first = named[0] if isinstance(named, list) and named else named
    return first[:200] if isinstance(first, str) and first.isprintable() else ""


def claims_of(token: str) -> dict[str, object]:
    """Return a JWT's claims; empty for anything else."""
    parts = token.split(".")
    if len(parts) != 3 or not token.startswith("eyJ") or len(token) > _MOST:
        return {}
    return _document(unbase64(parts[1]))


def is_key_file(password: str) -> bool:
    """Whether this is a Google service account's key file."""
    return password.startswith("{") and "private_key" in _document(password.encode(errors="replace"))


def unbase64(text: str) -> bytes:
    """Return what base64 text of either alphabet, padded or not, stands for; empty if it is none."""
    try:
        return base64.b64decode(text.translate(str.maketrans("-_", "+/")) + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""


def _ecr_document(password: str) -> dict[str, object]:
    if not password.startswith("eyJ") or "." in password or len(password) > _MOST:
        return {}
    document = _document(unbase64(password))
    return document if "expiration" in document else {}


def _moment(seconds: object) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _document(content: bytes) -> dict[str, object]:
    if len(content) > _MOST:
        return {}
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
