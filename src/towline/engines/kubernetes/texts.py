"""What the texts of kubelet, container runtime and controllers mean: one table per kind of trouble.

The order of the rows matters: ``no match for platform`` and ``unexpected media type`` end in "not found" too,
and "401" is three causes, which `verdicts` tells apart. Texts are those of containerd, CRI-O and dockershim's
successors as recorded from Kubernetes 1.32; a text that no row knows becomes an error of its own kind.
"""

from __future__ import annotations

import re

from towline.domain.causes import FindingCode

_LONGEST = 500

_PULL: tuple[tuple[str, FindingCode], ...] = (
    (r"no match for platform", FindingCode.PLATFORM_NOT_AVAILABLE),
    (r"no image found in (image index|manifest list) for", FindingCode.PLATFORM_NOT_AVAILABLE),
    (r"unexpected media type (text/|application/json)", FindingCode.NOT_A_REGISTRY),
    (r"unexpected media type|unsupported manifest|schema ?1", FindingCode.MANIFEST_NOT_SUPPORTED),
    (r"fetch oauth token: unexpected status.*: 403", FindingCode.LOGIN_BLOCKED),
    (r"fetch (oauth|anonymous) token: unexpected status.*: 5\d\d", FindingCode.TOKEN_SERVER_ERROR),
    (r"fetch (oauth|anonymous) token: unexpected status.*: 401", FindingCode.WRONG_CREDENTIALS),
    (r"insufficient_scope|pull access denied", FindingCode.REPOSITORY_NOT_FOUND_OR_HIDDEN),
    (r"429 Too Many|toomanyrequests|rate limit", FindingCode.RATE_LIMITED),
    (
        r"\b401\b|unauthorized|authentication required|no basic auth credentials",
        FindingCode.WRONG_CREDENTIALS,
    ),
    (r"403 Forbidden|\bdenied\b", FindingCode.NO_PULL_PERMISSION),
    (r"no space left on device|disk quota exceeded", FindingCode.DISK_FULL),
    (r"50[0-9] [A-Z]|5\d\d (Internal|Service|Bad Gateway|Gateway)", FindingCode.REGISTRY_ERROR),
    (r"no such host|server misbehaving|name resolution", FindingCode.REGISTRY_DNS),
    (r"connection refused", FindingCode.REGISTRY_REFUSED),
    (r"no route to host|network is unreachable", FindingCode.REGISTRY_UNREACHABLE),
    (r"proxyconnect", FindingCode.PROXY_ERROR),
    (r"HTTP response to HTTPS client", FindingCode.PLAIN_HTTP_REGISTRY),
    (r"HTTP request to an HTTPS server|to HTTPS port", FindingCode.HTTPS_ON_HTTP_PORT),
    (r"certificate has expired or is not yet valid", FindingCode.TLS_EXPIRED),
    (r"certificate is (valid for|not valid for any)|doesn't contain any IP SANs", FindingCode.TLS_WRONG_HOST),
    (r"x509:", FindingCode.TLS_UNKNOWN_AUTHORITY),
    (r"certificate required|bad certificate", FindingCode.TLS_CLIENT_CERTIFICATE),
    (r"TLS handshake timeout|i/o timeout|deadline exceeded|Client\.Timeout", FindingCode.REGISTRY_TIMEOUT),
    (r"tls: |remote error", FindingCode.TLS_HANDSHAKE),
    (r"connection reset|broken pipe|unexpected EOF|: EOF", FindingCode.REGISTRY_RESET),
    (r"failed to verify|unexpected commit digest|digest mismatch", FindingCode.IMAGE_CORRUPT),
    (r"invalid reference format|couldn't parse image name", FindingCode.IMAGE_REFERENCE_INVALID),
    (r"@sha256:[0-9a-f]{64}: not found|@sha512:[0-9a-f]{128}: not found", FindingCode.DIGEST_NOT_FOUND),
    (r"name unknown", FindingCode.REPOSITORY_NOT_FOUND_OR_HIDDEN),
    (r"not found|manifest unknown", FindingCode.TAG_NOT_FOUND),
)
_START: tuple[tuple[str, FindingCode], ...] = (
    (r"exec format error", FindingCode.WRONG_ARCHITECTURE),
    (r"no command specified", FindingCode.COMMAND_NOT_FOUND),
    (r"executable file not found|no such file or directory|permission denied", FindingCode.COMMAND_NOT_FOUND),
    (r"is a directory|not a directory", FindingCode.COMMAND_NOT_FOUND),
    (
        r"secret \"[^\"]*\" not found|couldn't find key|configmap \"[^\"]*\" not found",
        FindingCode.ENV_SECRET_MISSING,
    ),
    (r"runAsNonRoot|will run as root", FindingCode.POLICY_REFUSED),
)
_CREATE: tuple[tuple[str, FindingCode], ...] = (
    (r"exceeded quota|failed quota|must specify limits|insufficient quota", FindingCode.QUOTA_EXCEEDED),
    (r"violates PodSecurity|denied the request|is forbidden|admission webhook", FindingCode.POLICY_REFUSED),
    (r"Forbidden: |is invalid", FindingCode.POLICY_REFUSED),
)
_BACK_OFF = re.compile(r'^Back-off pulling image "[^"]*":? ?(ErrImagePull: )?')
_FAILED_TO_PULL = re.compile(r'^Failed to pull image "[^"]*": ')
_WRAPPED = re.compile(r"failed to (pull and unpack image|resolve reference) \"[^\"]*\": ")


def is_about_volumes(text: str) -> bool:
    """Whether a pod finds no node because of its volumes."""
    return "persistentvolumeclaim" in text.lower() or "volume node affinity" in text


def of_pull(text: str) -> FindingCode:
    """Return why an image was not pulled."""
    return _first(_PULL, text) or FindingCode.REGISTRY_ERROR


def of_start(text: str) -> FindingCode:
    """Return why a container was not created or started."""
    return _first(_START, text) or FindingCode.ENGINE_ERROR


def of_creation(text: str) -> FindingCode:
    """Return why a controller could not create pods."""
    return _first(_CREATE, text) or FindingCode.ENGINE_ERROR


def is_about_pulling(text: str) -> bool:
    """Whether an event ``Failed`` tells of a pull, rather than repeats the reason of a wait."""
    return text.startswith("Failed to pull image")


def bare_pull(text: str) -> str:
    """Return the cause in a pull's text, without what every one of them begins with."""
    return shown(_WRAPPED.sub("", _FAILED_TO_PULL.sub("", _BACK_OFF.sub("", text))))


def shown(text: str) -> str:
    """Return foreign text fit to be shown: one line, printable, not endless."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _first(rows: tuple[tuple[str, FindingCode], ...], text: str) -> FindingCode | None:
    return next((code for pattern, code in rows if re.search(pattern, text, re.IGNORECASE)), None)
