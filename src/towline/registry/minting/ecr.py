"""Amazon ECR: GetAuthorizationToken, signed with an access key or with that of a role which it assumes.

API: docs.aws.amazon.com, ECR and ECR Public API Reference, "GetAuthorizationToken"; STS, "AssumeRole". The
token is base64 of ``AWS:password`` and lives for 12 hours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from yarl import URL

from towline.domain.causes import FindingCode
from towline.domain.credential import Password, from_authorization_token
from towline.domain.errors import InvalidInput
from towline.domain.minting import Grant
from towline.domain.providers import ecr_region
from towline.registry.minting.aws_keys import access_key_in
from towline.registry.minting.sigv4 import AwsKey, signed
from towline.registry.minting.steps import (
    NotMinted,
    answered,
    moment_of,
    no_token,
    refuse_trouble,
    text_of,
    trouble,
)
from towline.registry.transport import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from datetime import datetime

    from towline.domain.minting import MintOrder
    from towline.registry.minting.steps import Steps

_PUBLIC = "public.ecr.aws"
_JSON = "application/x-amz-json-1.1"
_FORM = "application/x-www-form-urlencoded; charset=utf-8"
_SKEW = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_SKEW_WORDS = re.compile(r"signature (?:expired|not yet current)|must be current|time.*skew", re.IGNORECASE)
_REFUSED = frozenset(
    {
        "UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException", "AuthFailure",
        "SignatureDoesNotMatch", "ExpiredTokenException", "ExpiredToken", "IncompleteSignature",
        "IncompleteSignatureException", "MissingAuthenticationToken", "MissingAuthenticationTokenException",
        "InvalidAccessKeyId", "OptInRequired",
    }
)  # fmt: skip
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_UNKNOWN = frozenset(
    {
        "ValidationError", "MalformedInput", "InvalidParameterException", "UnknownOperationException",
        "UnsupportedCommandException", "RegionDisabledException",
    }
)  # fmt: skip
_THROTTLED = re.compile(r"Throttl|TooManyRequests|LimitExceeded|Slow", re.IGNORECASE)
_READER = (
    "Allow ecr:GetAuthorizationToken on resource *, and ecr:BatchGetImage with ecr:GetDownloadUrlForLayer on "
    "the repositories (the managed policy AmazonEC2ContainerRegistryReadOnly holds all three), then verify."
)
_PUBLIC_READER = (
    "Allow ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken on resource *, then verify."
)
_TRUSTED = (
    "Allow sts:AssumeRole on the role to the access key's user, and let the role's trust policy name that "
    "user (with the external ID where it wants one), then verify."
)


@dataclass(frozen=True, slots=True)
class EcrMinting:
    """A token for an Amazon registry on its way."""

    order: MintOrder
    key: AwsKey = field(repr=False)

    @classmethod
    def of(cls, order: MintOrder, text: str) -> EcrMinting:
        """Return it; raise InvalidInput for a parent credential that is no access key."""
        return cls(order, access_key_in(text))

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no text may show."""
        return (self.key.secret, self.key.session_token)

    def steps(self, now: datetime) -> Steps:
        """Assume the role where one is named, then ask for the token."""
        key = self.key
        if self._setting("role-arn"):
            key = yield from self._assume(now)
        reply = yield self._request(key, now)
        refuse_trouble(reply)
        if reply.status != 200:
            right = _PUBLIC_READER if self._is_public else _READER
            raise _refusal(reply, *_error(reply), right=right)
        return _grant(answered(reply), now)

    def _assume(self, now: datetime) -> Generator[Request, Reply, AwsKey]:
        form = {
            "Action": "AssumeRole",
            "Version": "2011-06-15",
            "RoleArn": self._setting("role-arn"),
            "RoleSessionName": "towline",
        }
        if external := self._setting("external-id"):
            form["ExternalId"] = external
        url = URL(self._setting("sts-endpoint") or f"https://sts.{self._region}.{_domain(self._region)}/")
        body = urlencode(form).encode()
        headers = signed(
            self.key, url, {"Content-Type": _FORM}, body, region=self._region, service="sts", now=now
        )
        reply = yield Request("POST", url, headers, sent="aws-signature", content=body)
        refuse_trouble(reply)
        said = reply.body.decode(errors="replace")
        if reply.status != 200:
            raise _refusal(reply, _within(said, "Code"), _within(said, "Message"), right=_TRUSTED)
        key = AwsKey(
            _within(said, "AccessKeyId"), _within(said, "SecretAccessKey"), _within(said, "SessionToken")
        )
        if not key.key_id or not key.secret:
            raise no_token("credentials of the role")
        return key

    def _request(self, key: AwsKey, now: datetime) -> Request:
        service, target = "ecr", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
        if self._is_public:
            service, target = "ecr-public", "SpencerFrontendService.GetAuthorizationToken"
        url, body = URL(self._setting("endpoint") or self._endpoint), b"{}"
        headers = signed(
            key,
            url,
            {"Content-Type": _JSON, "X-Amz-Target": target},
            body,
            region=self._region,
            service=service,
            now=now,
        )
        return Request("POST", url, headers, sent="aws-signature", content=body)

    @property
    def _endpoint(self) -> str:
        region = self._region
        if self._is_public:
            return f"https://api.ecr-public.{region}.amazonaws.com/"
        if ".dkr.ecr-fips." in self.order.registry.host:
            return f"https://ecr-fips.{region}.{_domain(region)}/"
        return f"https://api.ecr.{region}.{_domain(region)}/"

    @property
    def _region(self) -> str:
        return self._setting("region") or ecr_region(self.order.registry.host)

    @property
    def _is_public(self) -> bool:
        return self.order.registry.host == _PUBLIC

    def _setting(self, name: str) -> str:
        return self.order.mint.settings.get(name, "")


def _grant(document: Mapping[str, object], now: datetime) -> Grant:
    """Return the login in an answer: ECR lists one, ECR Public names it."""
    data = document.get("authorizationData")
    first = data[0] if isinstance(data, list) and data else data
    told = first if isinstance(first, dict) else {}
    expires_at = moment_of(told.get("expiresAt"))
    if expires_at is None:
        raise no_token("authorization token with its end")
    try:
        credential = from_authorization_token(Password(text_of(told, "authorizationToken")))
    except InvalidInput as error:
        raise no_token("authorization token that can be read") from error
    return Grant(credential, now, expires_at)


def _error(reply: Reply) -> tuple[str, str]:
    """Return code and words of a JSON protocol error."""
    document = answered(reply)
    code = text_of(document, "__type") or reply.headers.get("x-amzn-errortype", "")
    words = text_of(document, "message") or text_of(document, "Message")
    return code.rpartition("#")[2].partition(":")[0], words


def _refusal(reply: Reply, code: str, words: str, *, right: str) -> NotMinted:
    said = f"{code}: {words}" if words else code
    if code in _SKEW or _SKEW_WORDS.search(words):
        return NotMinted(FindingCode.MINT_CLOCK_SKEW, said)
    if code in _REFUSED:
        return NotMinted(FindingCode.MINT_CREDENTIAL_REFUSED, said)
    if code in _DENIED:
        return NotMinted(FindingCode.MINT_NOT_ALLOWED, said, fix=right)
    if code in _UNKNOWN:
        return NotMinted(FindingCode.MINT_TARGET_UNKNOWN, said)
    return trouble(reply, said="" if _THROTTLED.search(code) and not words else said)


def _within(document: str, name: str) -> str:
    """Return the text of an element of an XML answer, the first of its name; empty where there is none."""
    found = re.search(rf"<{name}>([^<>]*)</{name}>", document)
    return found[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">") if found else ""


def _domain(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
