"""What the Engine's words mean: its errors are text, and this is the table of them.

Seen on Engine 20.10 and podman 4.3; newer Engines say the same. What nothing here knows becomes
``engine-error`` with the Engine's own words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.findings import Finding
from towline.engines.wording import cleaned

if TYPE_CHECKING:
    from towline.domain.image import ImageReference

NOT_PULLED = "DEP_E153"

_Table = Sequence[tuple[re.Pattern[str], FindingCode]]


def _table(*rows: tuple[str, FindingCode]) -> _Table:
    return tuple((re.compile(words, re.IGNORECASE), code) for words, code in rows)


_PULL: _Table = _table(
    (r"no space left on device", FindingCode.DISK_FULL),
    (r"toomanyrequests|too many requests", FindingCode.RATE_LIMITED),
    (r"no matching manifest for|does not match the specified platform", FindingCode.PLATFORM_NOT_AVAILABLE),
    (r"manifest unknown|manifest for .* not found", FindingCode.TAG_NOT_FOUND),
    (r"repository name not known|name unknown", FindingCode.REPOSITORY_NOT_FOUND_OR_HIDDEN),
    (r"insufficient_scope|access to the resource is denied|pull access denied|denied:",
     FindingCode.NO_PULL_PERMISSION),
    (r"no basic auth credentials", FindingCode.SECRET_NEEDED),
    (r"unauthorized|authentication required|incorrect username", FindingCode.WRONG_CREDENTIALS),
    (r"x509: certificate has expired", FindingCode.TLS_EXPIRED),
    (r"x509: (?:certificate is valid for|cannot validate certificate|certificate is not valid)",
     FindingCode.TLS_WRONG_HOST),
    (r"x509: certificate signed by unknown authority", FindingCode.TLS_UNKNOWN_AUTHORITY),
    (r"server gave HTTP response to HTTPS client", FindingCode.PLAIN_HTTP_REGISTRY),
    (r"no such host|server misbehaving", FindingCode.REGISTRY_DNS),
    (r"connection refused", FindingCode.REGISTRY_REFUSED),
    (r"no route to host|network is unreachable", FindingCode.REGISTRY_UNREACHABLE),
    (r"i/o timeout|TLS handshake timeout|Client\.Timeout|deadline exceeded", FindingCode.REGISTRY_TIMEOUT),
    (r"layer verification failed|manifest verification failed|digest mismatch|unexpected EOF.*digest",
     FindingCode.IMAGE_CORRUPT),
    (r"failed to register layer|invalid tar header|unsupported compression", FindingCode.IMAGE_REFUSED),
    (r"mediaType in manifest|unsupported (?:manifest|media type)|no decoder",
     FindingCode.MANIFEST_NOT_SUPPORTED),
    (r"connection reset|unexpected EOF|\bEOF$", FindingCode.REGISTRY_RESET),
    (r"unknown blob|blob unknown", FindingCode.BLOB_UNAVAILABLE),
    (r"unexpected HTTP status: 5|internal server error|bad gateway|service unavailable",
     FindingCode.REGISTRY_ERROR),
)  # fmt: skip
"""The first row that fits decides: what is said in plain words stands before bare numbers."""

_START: _Table = _table(
    (r"exec format error", FindingCode.WRONG_ARCHITECTURE),
    (r"exec: .*(?:no such file|not found|permission denied|is a directory)", FindingCode.COMMAND_NOT_FOUND),
    (r"no command specified", FindingCode.COMMAND_NOT_FOUND),
    (r"port is already allocated|address already in use", FindingCode.PORT_TAKEN),
    (r"no space left on device", FindingCode.DISK_FULL),
)

_HINTS = {
    FindingCode.TLS_UNKNOWN_AUTHORITY: "Put the authority's certificate on the Engine's machine, into"
    " /etc/docker/certs.d/{host}/ca.crt: an Engine takes none from a secret.",
    FindingCode.PLAIN_HTTP_REGISTRY: 'Add "{host}" to insecure-registries in /etc/docker/daemon.json on the'
    " Engine's machine (podman: insecure = true in registries.conf), or give the registry a certificate.",
    FindingCode.IMAGE_REFUSED: "The Engine cannot unpack a layer; one older than 23.0 knows no zstd:"
    " update it or push the image with gzip layers.",
    FindingCode.REGISTRY_DNS: "Towline finds the registry and the Engine does not: see to the name service"
    " of the Engine's machine.",
    FindingCode.REGISTRY_REFUSED: "Towline reaches the registry and the Engine does not: see to the network"
    " of the Engine's machine.",
    FindingCode.REGISTRY_TIMEOUT: "Towline reaches the registry and the Engine does not: see to the network"
    " of the Engine's machine, its firewall and its proxy.",
}
_IS_NO_LOGIN = re.compile(r"no basic auth|unauthorized|authentication required|token", re.IGNORECASE)


def pull_finding(said: str, image: ImageReference, *, with_login: bool) -> Finding:
    """Return why the Engine could not pull ``image``."""
    code = _meaning(said, _PULL) or FindingCode.ENGINE_ERROR
    if code is FindingCode.TAG_NOT_FOUND and image.digest:
        code = FindingCode.DIGEST_NOT_FOUND
    if code is FindingCode.WRONG_CREDENTIALS and not with_login:
        code = FindingCode.SECRET_NEEDED
    hint = _HINTS.get(code, "").format(host=image.registry)
    return Finding(code, f"the Engine says: {cleaned(said.encode())}", image=str(image), fix_hint=hint,
                   wire_code=NOT_PULLED)  # fmt: skip


def is_about_login(said: str) -> bool:
    """Whether a pull failed because what was handed over is not accepted, or not any more."""
    code = _meaning(said, _PULL)
    refused = (FindingCode.WRONG_CREDENTIALS, FindingCode.NO_PULL_PERMISSION, FindingCode.SECRET_NEEDED)
    return code in refused and _IS_NO_LOGIN.search(said) is not None


def start_finding(said: str) -> Finding:
    """Return why the Engine could not create or start a container."""
    reason = said.rpartition("unable to start container process: ")[2].removesuffix(": unknown")
    code = _meaning(reason, _START) or FindingCode.ENGINE_ERROR
    hint = ""
    if "unable to find user" in reason or "unable to find group" in reason:
        hint = "Correct USER in the image, or set user and group as numbers in the package."
    return Finding(code, cleaned(reason.encode()), fix_hint=hint)


def ended_before_it_began(last_line: str) -> Finding | None:
    """Return why a process could not be executed after the Engine had called it started."""
    if not re.match(r"exec \S+: ", last_line) and "exec user process caused" not in last_line:
        return None
    reason = last_line.rpartition(": ")[2].strip()
    said = cleaned(last_line.encode())
    if reason == "exec format error":
        return Finding(FindingCode.WRONG_ARCHITECTURE, said)
    if reason in ("no such file or directory", "permission denied"):
        return Finding(FindingCode.COMMAND_NOT_FOUND, f"{said} (its interpreter or loader may be missing)")
    return None


def _meaning(said: str, table: _Table) -> FindingCode | None:
    return next((code for words, code in table if words.search(said)), None)
