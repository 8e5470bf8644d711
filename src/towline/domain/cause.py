"""What a row of the table of causes is made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FindingCode(StrEnum):
    """The stable name of a cause."""

    WRONG_CREDENTIALS = "wrong-credentials"
    ACCESS_TOKEN_REQUIRED = "access-token-required"
    CREDENTIAL_EXPIRED = "credential-expired"
    ACCOUNT_DISABLED = "account-disabled"
    CREDENTIAL_INCOMPLETE = "credential-incomplete"
    SECRET_UNREADABLE = "secret-unreadable"
    KEYS_UNREACHABLE = "keys-unreachable"
    TOKEN_SCOPE_MISSING = "token-scope-missing"
    NO_PULL_PERMISSION = "no-pull-permission"
    REPOSITORY_NOT_FOUND_OR_HIDDEN = "repository-not-found-or-hidden"
    TAG_NOT_FOUND = "tag-not-found"
    DIGEST_NOT_FOUND = "digest-not-found"
    PLATFORM_NOT_AVAILABLE = "platform-not-available"
    MANIFEST_NOT_SUPPORTED = "manifest-not-supported"
    IMAGE_BLOCKED_BY_POLICY = "image-blocked-by-policy"
    IMAGE_REFERENCE_INVALID = "image-reference-invalid"
    IMAGE_NOT_PRESENT = "image-not-present"
    SECRET_MISSING = "secret-missing"
    SECRET_NEEDED = "secret-needed"
    SECRET_REGISTRY_MISMATCH = "secret-registry-mismatch"
    RATE_LIMITED = "rate-limited"
    LOGIN_BLOCKED = "login-blocked"
    REQUEST_BLOCKED = "request-blocked"
    REGISTRY_DNS = "registry-dns"
    REGISTRY_ADDRESS_REFUSED = "registry-address-refused"
    REGISTRY_REFUSED = "registry-refused"
    REGISTRY_UNREACHABLE = "registry-unreachable"
    REGISTRY_TIMEOUT = "registry-timeout"
    REGISTRY_RESET = "registry-reset"
    PROXY_ERROR = "proxy-error"
    TLS_UNKNOWN_AUTHORITY = "tls-unknown-authority"
    TLS_EXPIRED = "tls-expired"
    TLS_WRONG_HOST = "tls-wrong-host"
    TLS_UNFIT_CERTIFICATE = "tls-unfit-certificate"
    TLS_CLIENT_CERTIFICATE = "tls-client-certificate"
    TLS_HANDSHAKE = "tls-handshake"
    PLAIN_HTTP_REGISTRY = "plain-http-registry"
    HTTPS_ON_HTTP_PORT = "https-on-http-port"
    NOT_A_REGISTRY = "not-a-registry"
    REALM_REFUSED = "realm-refused"
    REDIRECT_REFUSED = "redirect-refused"
    REGISTRY_ERROR = "registry-error"
    TOKEN_SERVER_ERROR = "token-server-error"
    TOKEN_NOT_ACCEPTED = "token-not-accepted"
    CLOCK_SKEW = "clock-skew"
    BLOB_UNAVAILABLE = "blob-unavailable"
    IMAGE_CORRUPT = "image-corrupt"
    IMAGE_REFUSED = "image-refused"
    ENGINE_UNREACHABLE = "engine-unreachable"
    ENGINE_ERROR = "engine-error"
    ENGINE_LOGS_SECRETS = "engine-logs-secrets"
    DISK_FULL = "disk-full"
    COMMAND_NOT_FOUND = "command-not-found"
    EXITED = "exited"
    OUT_OF_MEMORY = "out-of-memory"
    UNSCHEDULABLE = "unschedulable"
    QUOTA_EXCEEDED = "quota-exceeded"
    POLICY_REFUSED = "policy-refused"
    PROBE_FAILED = "probe-failed"
    ENV_SECRET_MISSING = "env-secret-missing"
    PORT_TAKEN = "port-taken"
    WRONG_ARCHITECTURE = "wrong-architecture"
    DEPENDENCY_FAILED = "dependency-failed"
    DISK_NOT_READY = "disk-not-ready"
    UPDATE_ROLLED_BACK = "update-rolled-back"
    MINT_KEY_MALFORMED = "mint-key-malformed"
    MINT_CREDENTIAL_REFUSED = "mint-credential-refused"
    MINT_NOT_ALLOWED = "mint-not-allowed"
    MINT_CLOCK_SKEW = "mint-clock-skew"
    MINT_TARGET_UNKNOWN = "mint-target-unknown"
    MINT_UNREACHABLE = "mint-unreachable"
    MINT_ERROR = "mint-error"


class Remedy(StrEnum):
    """What makes the reconciler try again."""

    PERSON = "person"
    """Only a changed secret, package, wish or a re-proof: registries ban for repeated refusals."""
    CLOCK = "clock"
    """Time may mend it: back off from 5 s to 5 min."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A row of the table: what is the same for every occurrence of a finding.

    ``likely`` names what is usually behind it, the likeliest first. ``command`` is the fix as a command
    line, with the fields of ``Finding.command`` in braces.
    """

    title: str
    explanation: str
    fix: str
    remedy: Remedy
    error_code: str = "DEP_E153"
    blames_credential: bool = False
    """Whether this says something about the credential: turns a verdict to ``failing``."""
    likely: tuple[str, ...] = ()
    command: str = ""


def by_person(
    title: str,
    explanation: str,
    fix: str,
    *,
    code: str = "DEP_E153",
    blame: bool = False,
    likely: tuple[str, ...] = (),
    command: str = "",
) -> Cause:
    """Return a cause that only a person can mend."""
    return Cause(
        title,
        explanation,
        fix,
        remedy=Remedy.PERSON,
        error_code=code,
        blames_credential=blame,
        likely=likely,
        command=command,
    )


def by_clock(
    title: str,
    explanation: str,
    fix: str,
    *,
    code: str = "DEP_E153",
    likely: tuple[str, ...] = (),
    command: str = "",
) -> Cause:
    """Return a cause that time may mend."""
    return Cause(
        title, explanation, fix, remedy=Remedy.CLOCK, error_code=code, likely=likely, command=command
    )
