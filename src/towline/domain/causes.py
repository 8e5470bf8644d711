"""The table of causes: every way in which a deployment can fail, one row each.

The docs page ``docs/reference/findings.md`` is generated from this table. A cause's code travels
beside rapyuta.io's error code (``DEP_E153`` stays in ``error_codes``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FindingCode(StrEnum):
    """The stable name of a cause."""

    WRONG_CREDENTIALS = "wrong-credentials"
    CREDENTIAL_EXPIRED = "credential-expired"
    CREDENTIAL_INCOMPLETE = "credential-incomplete"
    NO_PULL_PERMISSION = "no-pull-permission"
    REPOSITORY_NOT_FOUND_OR_HIDDEN = "repository-not-found-or-hidden"
    TAG_NOT_FOUND = "tag-not-found"
    DIGEST_NOT_FOUND = "digest-not-found"
    PLATFORM_NOT_AVAILABLE = "platform-not-available"
    MANIFEST_NOT_SUPPORTED = "manifest-not-supported"
    IMAGE_REFERENCE_INVALID = "image-reference-invalid"
    IMAGE_NOT_PRESENT = "image-not-present"
    SECRET_MISSING = "secret-missing"
    SECRET_NEEDED = "secret-needed"
    SECRET_REGISTRY_MISMATCH = "secret-registry-mismatch"
    RATE_LIMITED = "rate-limited"
    LOGIN_BLOCKED = "login-blocked"
    REGISTRY_DNS = "registry-dns"
    REGISTRY_ADDRESS_REFUSED = "registry-address-refused"
    REGISTRY_REFUSED = "registry-refused"
    REGISTRY_TIMEOUT = "registry-timeout"
    REGISTRY_RESET = "registry-reset"
    TLS_UNKNOWN_AUTHORITY = "tls-unknown-authority"
    TLS_EXPIRED = "tls-expired"
    TLS_WRONG_HOST = "tls-wrong-host"
    PLAIN_HTTP_REGISTRY = "plain-http-registry"
    HTTPS_ON_HTTP_PORT = "https-on-http-port"
    NOT_A_REGISTRY = "not-a-registry"
    REALM_REFUSED = "realm-refused"
    REDIRECT_REFUSED = "redirect-refused"
    REGISTRY_ERROR = "registry-error"
    TOKEN_NOT_ACCEPTED = "token-not-accepted"
    CLOCK_SKEW = "clock-skew"
    BLOB_UNAVAILABLE = "blob-unavailable"
    IMAGE_CORRUPT = "image-corrupt"
    IMAGE_REFUSED = "image-refused"
    ENGINE_UNREACHABLE = "engine-unreachable"
    ENGINE_ERROR = "engine-error"
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


class Remedy(StrEnum):
    """What makes the reconciler try again."""

    PERSON = "person"
    """Only a changed secret, package, wish or a re-proof: registries ban for repeated refusals."""
    CLOCK = "clock"
    """Time may mend it: back off from 5 s to 5 min."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A row of the table: what is the same for every occurrence of a finding."""

    title: str
    explanation: str
    fix: str
    remedy: Remedy
    error_code: str = "DEP_E153"
    blames_credential: bool = False
    """Whether this says something about the credential: turns a verdict to ``failing``."""


def _person(title: str, explanation: str, fix: str, *, code: str = "DEP_E153", blame: bool = False) -> Cause:
    return Cause(title, explanation, fix, remedy=Remedy.PERSON, error_code=code, blames_credential=blame)


def _clock(title: str, explanation: str, fix: str, *, code: str = "DEP_E153") -> Cause:
    return Cause(title, explanation, fix, remedy=Remedy.CLOCK, error_code=code)


CAUSES: dict[FindingCode, Cause] = {
    FindingCode.WRONG_CREDENTIALS: _person(
        "The registry refused this username and password",
        "The registry, or the token server it names, answered 401 to this username and password.",
        "Correct the username and password in the secret; the deployment goes on by itself.",
        blame=True,
    ),
    FindingCode.CREDENTIAL_EXPIRED: _person(
        "The credential has expired",
        "The registry says, or the token itself shows, that it was valid once and is not any more.",
        "Make a new access token at the registry and put it into the secret.",
        blame=True,
    ),
    FindingCode.CREDENTIAL_INCOMPLETE: _person(
        "The secret has no usable username and password",
        "A username or a password is missing, so there is nothing to send.",
        "Give the secret both a username and a password.",
        blame=True,
    ),
    FindingCode.NO_PULL_PERMISSION: _person(
        "The login works, but it may not pull this image",
        "The registry accepted the username and password and then refused the repository.",
        "Give this user read access to the repository, or name another secret in the package.",
    ),
    FindingCode.REPOSITORY_NOT_FOUND_OR_HIDDEN: _person(
        "There is no such repository, or this user may not see it",
        "Many registries answer the same for a repository that does not exist and one that is not allowed.",
        "Check the repository's spelling; if it is right, give this user read access to it.",
    ),
    FindingCode.TAG_NOT_FOUND: _person(
        "The repository is there, this tag is not",
        "The registry knows the repository and answered MANIFEST_UNKNOWN for the tag.",
        "Check the tag's spelling, or push the image under this tag.",
    ),
    FindingCode.DIGEST_NOT_FOUND: _person(
        "The repository is there, this digest is not",
        "The image was deleted or rebuilt, or the digest is of another repository.",
        "Take the digest from the registry anew, or name a tag.",
    ),
    FindingCode.PLATFORM_NOT_AVAILABLE: _person(
        "The image does not exist for this engine's platform",
        "The image's index lists other platforms than the engine's.",
        "Build and push the image for the engine's platform, or deploy to another engine.",
    ),
    FindingCode.MANIFEST_NOT_SUPPORTED: _person(
        "What lies at this tag is not a container image that can be run",
        "The manifest is of a kind that no engine runs: an artifact, a very old schema, or malformed.",
        "Push a container image with an OCI or Docker schema 2 manifest.",
    ),
    FindingCode.IMAGE_REFERENCE_INVALID: _person(
        "The image's name is not a legal image reference",
        "No registry can be asked for it.",
        "Write it as [HOST[:PORT]/]PATH[:TAG].",
    ),
    FindingCode.IMAGE_NOT_PRESENT: _person(
        "The image is not on this engine, and the package forbids pulling it",
        "imagePullPolicy is Never and the engine does not hold the image.",
        "Use imagePullPolicy IfNotPresent or Always.",
    ),
    FindingCode.SECRET_MISSING: _person(
        "The secret that the package names does not exist",
        "No docker pull secret of that name or identifier is in this project.",
        "Create the secret under this name; the deployment goes on by itself.",
    ),
    FindingCode.SECRET_NEEDED: _person(
        "The registry wants a login, and the package names no secret for this image",
        "The image cannot be pulled anonymously, and this executable has no pull secret.",
        "Name a docker pull secret of this project in the package's executable.",
    ),
    FindingCode.SECRET_REGISTRY_MISMATCH: _person(
        "The secret belongs to another registry than the image",
        "A credential is only ever sent to the registry it was stored for, so it was not used.",
        "Name a secret of the image's registry in the package, or correct the secret's registry.",
    ),
    FindingCode.RATE_LIMITED: _clock(
        "The registry limits how often it may be asked, and the limit is reached",
        "The registry answered 429. This says nothing about the credential.",
        "Wait for the limit's end, or use a login with a higher limit.",
    ),
    FindingCode.LOGIN_BLOCKED: _person(
        "The registry blocks logins after too many failed ones",
        "The registry refuses to look at the password for a while because of earlier failures.",
        "Wait until the block ends, make sure the password is right, then verify the secret again.",
    ),
    FindingCode.REGISTRY_DNS: _clock(
        "The registry's name does not resolve",
        "DNS has no address for the host on the machine that Towline runs on.",
        "Check the spelling of the registry's host, and the name server of the machine Towline runs on.",
    ),
    FindingCode.REGISTRY_ADDRESS_REFUSED: _person(
        "The registry's address is one that Towline does not connect to",
        "Link-local and metadata addresses are always refused, private and loopback ones by configuration.",
        "Use an address that the server's settings allow.",
    ),
    FindingCode.REGISTRY_REFUSED: _clock(
        "Nothing listens at the registry's address",
        "The connection was refused.",
        "Check host and port, and that the registry is running.",
    ),
    FindingCode.REGISTRY_TIMEOUT: _clock(
        "The registry did not answer in time",
        "The connection or the answer took longer than allowed: a firewall, or a very slow registry.",
        "Check that the machine Towline runs on may reach this host and port.",
    ),
    FindingCode.REGISTRY_RESET: _clock(
        "The registry closed the connection in the middle",
        "The connection was opened and then broken off.",
        "Look at the registry's or its proxy's log; Towline tries again by itself.",
    ),
    FindingCode.TLS_UNKNOWN_AUTHORITY: _person(
        "The registry's certificate was issued by an authority that is not trusted here",
        "The certificate is self-signed or of a private authority.",
        "Set the authority's certificate: towline registry set HOST --ca FILE.",
    ),
    FindingCode.TLS_EXPIRED: _clock(
        "The registry's certificate has expired or is not valid yet",
        "The certificate's dates do not include now.",
        "Renew the registry's certificate; if it is fresh, check this machine's clock.",
    ),
    FindingCode.TLS_WRONG_HOST: _person(
        "The registry's certificate is for another name",
        "The host in the address is not among the names in the certificate.",
        "Use a name that the certificate holds, or have it reissued for this one.",
    ),
    FindingCode.PLAIN_HTTP_REGISTRY: _person(
        "The registry speaks plain HTTP, and the secret does not allow that",
        "The server at this address does not speak TLS. Passwords are not sent in the clear unasked.",
        "Turn on TLS at the registry, or declare http:// in the secret's registry URL.",
    ),
    FindingCode.HTTPS_ON_HTTP_PORT: _person(
        "The registry speaks HTTPS, and the address says http://",
        "The server answered that plain HTTP was sent to a TLS port.",
        "Write the registry's address with https:// or without a scheme.",
    ),
    FindingCode.NOT_A_REGISTRY: _person(
        "Something answers at this address, but it is not a registry",
        "GET /v2/ was not answered as the distribution specification asks: a web page, another port or path.",
        "Check host and port: a registry's address is often not that of its web pages.",
    ),
    FindingCode.REALM_REFUSED: _person(
        "The registry sends logins to a foreign server",
        "The challenge names a token server on another domain, perhaps to take the password.",
        "If that server is right, allow it: towline registry set HOST --realm-host OTHER.",
    ),
    FindingCode.REDIRECT_REFUSED: _person(
        "The registry redirects where it must not",
        "Token and manifest requests follow no redirects, as a credential could be led elsewhere.",
        "Use the registry's own address, without a redirecting front.",
    ),
    FindingCode.REGISTRY_ERROR: _clock(
        "The registry itself is in trouble",
        "The registry answered with a server error or something that the specification does not know.",
        "Look at the registry's status or log; Towline tries again by itself.",
    ),
    FindingCode.TOKEN_NOT_ACCEPTED: _clock(
        "The registry does not accept the token that its own token server gave out",
        "Issuer, key or clock of registry and token server do not fit; the password is not to blame.",
        "The registry's administrator must align the registry's and the token server's settings.",
    ),
    FindingCode.CLOCK_SKEW: _clock(
        "The clocks of the registry and its token server differ too much",
        "A fresh token was refused as expired or not valid yet.",
        "Set the clocks of the registry, the token server and this machine.",
    ),
    FindingCode.BLOB_UNAVAILABLE: _clock(
        "The image's manifest is there, but its content cannot be fetched",
        "Layers are often stored on another host, which may be down, missing or behind a firewall.",
        "Check that this machine may reach the registry's storage, or push the image again.",
    ),
    FindingCode.IMAGE_CORRUPT: _clock(
        "What the registry sent is not what its digest promises",
        "The content's hash differs from the digest that names it, so it was thrown away.",
        "Push the image again; if it happens again, check the registry's storage and proxies.",
    ),
    FindingCode.IMAGE_REFUSED: _person(
        "The image's content is dangerous or broken and was not unpacked",
        "A layer tries to write outside the image, grows beyond all measure, or is not a valid archive.",
        "Rebuild the image from a source that you trust.",
    ),
    FindingCode.ENGINE_UNREACHABLE: _clock(
        "The engine that should run the container does not answer",
        "Towline cannot reach the engine.",
        "Start the engine; the deployment goes on by itself.",
        code="DEP_E201",
    ),
    FindingCode.ENGINE_ERROR: _clock(
        "The engine could not start the container",
        "The engine refused or failed for a reason of its own.",
        "See the detail; Towline tries again by itself.",
        code="DEP_E155",
    ),
    FindingCode.DISK_FULL: _clock(
        "There is no room left for the image",
        "Writing the image's layers failed because the disk is full.",
        "Free space on the engine's disk.",
    ),
    FindingCode.COMMAND_NOT_FOUND: _person(
        "The command to run is not in the image",
        "The engine did not find the executable's command, or it may not be executed.",
        "Correct command or entrypoint in the package.",
        code="DEP_E155",
    ),
    FindingCode.EXITED: _clock(
        "The container's process ended",
        "The process exited by itself or was killed; its exit code and last log lines say more.",
        "Read the log; correct the command, the environment or the image.",
        code="DEP_E155",
    ),
    FindingCode.OUT_OF_MEMORY: _clock(
        "The container used more memory than it may",
        "The kernel killed the process at the memory limit.",
        "Raise limits.memory in the package, or let the program use less.",
        code="DEP_E155",
    ),
    FindingCode.UNSCHEDULABLE: _clock(
        "No node has room for this container",
        "The cluster found no node that fulfils what the package asks for.",
        "Lower the limits or add nodes.",
        code="DEP_E201",
    ),
    FindingCode.QUOTA_EXCEEDED: _clock(
        "A quota is used up",
        "The engine refused because a resource quota is reached.",
        "Raise the quota or remove other deployments.",
        code="DEP_E201",
    ),
    FindingCode.POLICY_REFUSED: _person(
        "A policy of the engine forbids this container",
        "The engine's admission rules refused it.",
        "Change the package to what the policy allows, or have the policy changed.",
        code="DEP_E201",
    ),
    FindingCode.PROBE_FAILED: _clock(
        "The container runs, but its liveness probe fails",
        "The probe that the package asks for is not answered as it should be.",
        "Correct the probe's path and port, or give it a longer initial delay.",
        code="DEP_E155",
    ),
    FindingCode.ENV_SECRET_MISSING: _person(
        "An environment variable's secret or key does not exist",
        "A secretKeyRef names a secret or key that is not in this project.",
        "Create the secret with this key; the deployment goes on by itself.",
        code="DEP_E155",
    ),
    FindingCode.PORT_TAKEN: _clock(
        "A port that the package asks for is taken",
        "Containers of this engine share the host's network, and something listens on the port already.",
        "Stop the other program or choose another target port.",
        code="DEP_E155",
    ),
    FindingCode.WRONG_ARCHITECTURE: _person(
        "The image was built for another processor",
        "The process could not be started: exec format error.",
        "Build and push the image for the engine's platform.",
        code="DEP_E155",
    ),
    FindingCode.DEPENDENCY_FAILED: _clock(
        "A deployment that this one depends on is missing or in error",
        "This deployment starts when those it depends on are running.",
        "See to the other deployment; this one goes on by itself.",
        code="DEP_E156",
    ),
}
