"""What a registry's or token server's no means (reference: distribution-spec error codes, RFC 6750).

The order of the questions matters: what a registry says in words is surer than a bare status, and
whether a login had been accepted before decides what a 401 is about.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.provider_table import facts_of
from towline.domain.providers import Provider
from towline.registry.challenge import chosen
from towline.registry.cleaning import cleaned
from towline.registry.limits import limit_words

if TYPE_CHECKING:
    from towline.registry.transport import Reply

_BLOCKED = re.compile(
    r"too many failed (?:login|auth)|recurrent (?:incorrect )?login|login (?:attempts )?(?:is|are) blocked|"
    r"(?:account|user)(?: is| has been)?(?: temporarily)? locked|unauthorized attempts exceeded",
    re.IGNORECASE,
)
_EXPIRED = re.compile(
    r"(?:token|credential|password|robot|account|authorization|secret|key)\S*(?: \S+){0,4} expired|"
    r"expired(?: \S+){0,2} (?:token|credential|password|robot)|^expired|invalid_grant.*expired",
    re.IGNORECASE,
)
_DISABLED = re.compile(
    r"\b(?:user|account|robot|namespace|application|principal)\b(?: \S+){0,2} "
    r"(?:is|was|has been)(?: \S+)? (?:disabled|deactivated|suspended|blocked|banned)\b",
    re.IGNORECASE,
)
_TOKEN_WANTED = re.compile(
    r"personal access token|access token instead|token instead of a password|two[- ]?factor|\b2fa\b|"
    r"cli secret|encrypted password|app password|single sign[- ]?on",
    re.IGNORECASE,
)
_SCOPES = re.compile(
    r"expected scopes|required scopes?|missing scopes?|scope\S* (?:is|are) (?:missing|required)|"
    r"token has insufficient scopes?\b",
    re.IGNORECASE,
)
_POLICY = re.compile(
    r"policy|vulnerab|quarantin|blocked by (?:xray|jfrog)|xray|not signed|content trust|"
    r"prevented from pulling",
    re.IGNORECASE,
)
_NO_RIGHT = re.compile(
    r"not authorized to perform|(?:does|do) not have (?:the )?permission|not allowed to read|"
    r"insufficient permission|must grant your \S+(?: \S+){0,2} token access|"
    r"permission \S+ denied|lacks? (?:the )?permission",
    re.IGNORECASE,
)
_UNCLEAR_LOGIN = re.compile(r"incorrect|invalid username|bad credentials", re.IGNORECASE)
_NO_LOGIN = re.compile(
    r"cannot be authenticated|authentication failed|"
    r"(?:invalid|bad|incorrect) (?:username|credentials|password)",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"\bip\b(?: address)? \S+ is not allowed|\bip\b(?: address)?(?: \S+){0,3} (?:blocked|denied|not allowed)|"
    r"not allowed by (?:the )?firewall|/firewall\b",
    re.IGNORECASE,
)
_POLICY_CODES = ("PROJECTPOLICYVIOLATION",)
_UNSIGNED_CERTIFICATE = re.compile(r"ssl certificate (?:error|was sent)|client certificate", re.IGNORECASE)
_CLOCK = re.compile(r"expired|not valid yet|not yet valid|used before issued|before nbf", re.IGNORECASE)
_ABSENT_WORDS = re.compile(r"may not exist|does not exist|not found", re.IGNORECASE)


class Refused(Exception):
    """The registry said no; ``accepted`` tells whether it had accepted the login before."""

    def __init__(self, code: FindingCode, detail: str = "", *, accepted: bool = False) -> None:
        self.code = code
        self.accepted = accepted
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class Asked:
    """As whom a registry was asked: with a credential, with one that it had accepted, and whose it is."""

    has_credential: bool
    accepted: bool = False
    provider: Provider = Provider.OTHER
    clocks_differ: bool = False


def refusal_of(reply: Reply, asked: Asked) -> Refused:
    """Return what a registry's refusal of a login or manifest means, 404 left aside."""
    said = reply.text()
    if code := _told(reply, said, asked):
        return Refused(code, _in_words(reply, code, said), accepted=asked.accepted)
    if 300 <= reply.status < 400:
        detail = f"the registry answered {reply.status}, a redirect"
        return Refused(FindingCode.REDIRECT_REFUSED, detail, accepted=asked.accepted)
    if reply.status in (401, 403):
        return _denied(reply, said, asked)
    detail = f"the registry answered {reply.status} {said}".strip()
    return Refused(FindingCode.REGISTRY_ERROR, detail, accepted=asked.accepted)


def token_refusal(reply: Reply, asked: Asked, *, scope: str) -> Refused:
    """Return what a token server's answer means that holds no token; without a scope a login was asked."""
    said = reply.text()
    code = _told(reply, said, asked)
    if code and code is not FindingCode.IMAGE_BLOCKED_BY_POLICY:
        return Refused(code, _in_words(reply, code, said))
    if 300 <= reply.status < 400:
        return Refused(FindingCode.REDIRECT_REFUSED, f"the token server answered {reply.status}, a redirect")
    if reply.status == 401 or (reply.status == 400 and reply.says("invalid_grant", "invalid_client")):
        return _login_refused(said, asked)
    if reply.status == 403:
        return _token_forbidden(reply, said, asked, scope=scope)
    return Refused(FindingCode.TOKEN_SERVER_ERROR, f"the token server answered {reply.status} {said}".strip())


def login_refusal(reply: Reply, asked: Asked) -> Refused:
    """Return what a registry means that does not take Basic at the place where it had asked for it.

    Amazon ECR answers 400 without words to a password that is none of its tokens.
    """
    if reply.status == 400 and not _told(reply, reply.text(), asked):
        return _login_refused(reply.text(), asked)
    return refusal_of(reply, asked)


def is_plain(reply: Reply) -> bool:
    """Whether a refusal is no registry's: neither an error document nor a registry's header."""
    return not reply.errors and "docker-distribution-api-version" not in reply.headers


def _told(reply: Reply, said: str, asked: Asked) -> FindingCode | None:  # noqa: PLR0911  (one line a cause)
    """Return the cause where the registry says it in words or by an unmistakable status."""
    refused = reply.status in (400, 401, 403)
    if (refused or reply.status == 429) and _BLOCKED.search(said):
        return FindingCode.LOGIN_BLOCKED
    if reply.status == 429 or reply.says("TOOMANYREQUESTS"):
        return FindingCode.RATE_LIMITED
    if reply.status == 400 and b"HTTP request to an HTTPS server" in reply.body:
        return FindingCode.HTTPS_ON_HTTP_PORT
    if reply.status == 400 and b"plain HTTP request was sent to HTTPS port" in reply.body:
        return FindingCode.HTTPS_ON_HTTP_PORT
    if refused and is_plain(reply) and _UNSIGNED_CERTIFICATE.search(said):
        return FindingCode.TLS_CLIENT_CERTIFICATE
    if reply.status == 451 or (refused and _ADDRESS.search(said)):
        return FindingCode.REQUEST_BLOCKED
    if reply.status == 412 or reply.says(*_POLICY_CODES) or _is_held_back(reply, said):
        return FindingCode.IMAGE_BLOCKED_BY_POLICY
    if refused and asked.has_credential:
        return _about_credential(reply, said, asked)
    return None


def _is_held_back(reply: Reply, said: str) -> bool:
    return reply.status == 403 and bool(_POLICY.search(said)) and not _NO_RIGHT.search(said)


def _about_credential(reply: Reply, said: str, asked: Asked) -> FindingCode | None:  # noqa: PLR0911  (as above)
    if _is_token_error(reply):
        return None
    if _UNCLEAR_LOGIN.search(said):
        return None  # such messages list every cause at once
    if _DISABLED.search(said):
        return FindingCode.ACCOUNT_DISABLED
    if _EXPIRED.search(said):
        return FindingCode.CREDENTIAL_EXPIRED
    if _SCOPES.search(said):
        return FindingCode.TOKEN_SCOPE_MISSING
    if asked.accepted or _NO_RIGHT.search(said):
        return None
    return FindingCode.ACCESS_TOKEN_REQUIRED if _TOKEN_WANTED.search(said) else None


def _in_words(reply: Reply, code: FindingCode, said: str) -> str:
    return limit_words(reply) if code is FindingCode.RATE_LIMITED else said


def _is_token_error(reply: Reply) -> bool:
    challenge = chosen(reply.challenges)
    return challenge is not None and challenge.error == "invalid_token"


def _denied(reply: Reply, said: str, asked: Asked) -> Refused:  # noqa: PLR0911  (one line a cause)
    if _is_token_error(reply):
        return _token_refused(reply, said, asked)
    if reply.status == 403 and is_plain(reply):
        return Refused(FindingCode.REQUEST_BLOCKED, f"status 403 {said}".strip(), accepted=asked.accepted)
    if not asked.has_credential:
        return Refused(FindingCode.SECRET_NEEDED, said)
    if asked.accepted and _NO_LOGIN.search(said):
        return Refused(FindingCode.WRONG_CREDENTIALS, said)  # the token was handed out to anybody
    if asked.accepted:
        return Refused(_closed(said, asked), said, accepted=True)
    if reply.status == 401:
        return _login_refused(said, asked)
    return Refused(_closed(said, asked), said, accepted=bool(reply.errors))


def _token_refused(reply: Reply, said: str, asked: Asked) -> Refused:
    """Return why a registry refuses a token that its token server has just given out."""
    challenge = chosen(reply.challenges)
    described = challenge.parameters.get("error_description", "") if challenge else ""
    words = f"{said} {cleaned(reply.blot(described))}".strip()
    late = asked.clocks_differ or bool(_CLOCK.search(words))
    code = FindingCode.CLOCK_SKEW if late else FindingCode.TOKEN_NOT_ACCEPTED
    return Refused(code, words, accepted=asked.accepted)


def _closed(said: str, asked: Asked) -> FindingCode:
    """Return what a refused repository means: some providers answer the same for one that is absent."""
    if _ABSENT_WORDS.search(said):
        return FindingCode.REPOSITORY_NOT_FOUND_OR_HIDDEN
    hidden = facts_of(asked.provider).hides and not _NO_RIGHT.search(said)
    return FindingCode.REPOSITORY_NOT_FOUND_OR_HIDDEN if hidden else FindingCode.NO_PULL_PERMISSION


def _token_forbidden(reply: Reply, said: str, asked: Asked, *, scope: str) -> Refused:
    if is_plain(reply):
        return Refused(FindingCode.REQUEST_BLOCKED, f"the token server answered 403 {said}".strip())
    if not asked.has_credential:
        return Refused(FindingCode.SECRET_NEEDED, said)
    if not scope:
        return _login_refused(said, asked)
    return Refused(_closed(said, asked), said)


def _login_refused(said: str, asked: Asked) -> Refused:
    code = FindingCode.WRONG_CREDENTIALS if asked.has_credential else FindingCode.SECRET_NEEDED
    return Refused(code, said)
