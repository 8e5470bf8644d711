"""Findings with their evidence, a secret's standing, and preflight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from towline.domain.causes import Remedy
from towline.domain.credential_shape import Shape
from towline.domain.errors import InvalidInput
from towline.domain.findings import Exchange, Finding
from towline.domain.image import ImageReference
from towline.domain.proof import Answer, Platform, PullLimit, Standing, Verdict
from towline.wire.metadata import API_VERSION, rfc3339_or_none
from towline.wire.problems import read, required

Word = Literal["yes", "no", "unknown"]


class EvidenceDocument(msgspec.Struct, omit_defaults=True):
    """One request to a registry and its answer; no credential is in it."""

    method: str
    origin: str
    path: str
    sent: str
    status: int | None = None
    error: str | None = None
    headers: dict[str, str] | None = None
    milliseconds: int | None = None


class FindingDocument(msgspec.Struct, omit_defaults=True):
    """A named cause with what was seen and what to do."""

    code: str
    error_code: str
    title: str
    fix: str
    explanation: str
    docs: str
    likely: list[str] | None = None
    command: str | None = None
    link: str | None = None
    provider: str | None = None
    detail: str | None = None
    evidence: list[EvidenceDocument] | None = None
    image: str | None = None
    executable: str | None = None
    checked_at: str | None = None


class WarningDocument(msgspec.Struct):
    """Something about a credential that is likely wrong, told by its shape alone."""

    code: str
    field: str
    problem: str
    fix: str


class TokenDocument(msgspec.Struct, omit_defaults=True):
    """What a token in the password's place says about itself; nobody checked its signature."""

    kind: str
    expires_at: str | None = None
    audience: str | None = None


class StandingDocument(msgspec.Struct, omit_defaults=True):
    """How a docker secret stands: ``status`` of a secret."""

    verdict: Verdict
    stale: bool
    since: str | None = None
    checked_at: str | None = None
    image: str | None = None
    finding: FindingDocument | None = None
    warnings: list[WarningDocument] | None = None
    token: TokenDocument | None = None


class VerifyIn(msgspec.Struct):
    """Body of a verification: nothing, or the image to try."""

    image: str | None = None


class PreflightImageIn(msgspec.Struct):
    """An image, and the secret (name or guid) that it is to be pulled with."""

    image: str | None = None
    secret: str | None = None


class PreflightPackageIn(msgspec.Struct):
    """A package whose images are meant."""

    name: str | None = None
    version: str | None = None


class PreflightIn(msgspec.Struct):
    """Body of a preflight: images, or a package."""

    images: list[PreflightImageIn] | None = None
    package: PreflightPackageIn | None = None


class PullLimitDocument(msgspec.Struct, omit_defaults=True):
    """How many pulls the registry allows in ``seconds``; ``counted`` tells to whom, where it is known."""

    limit: int
    remaining: int
    seconds: int
    counted: Literal["address", "account"] | None = None


class PreflightItemDocument(msgspec.Struct, omit_defaults=True):
    """Whether one image can be pulled; ``pullable`` is absent where nobody could tell."""

    image: str
    verdict: Verdict
    seconds: float
    anonymous: bool
    pullable: bool | None = None
    secret: str | None = None
    executable: str | None = None
    digest: str | None = None
    index_digest: str | None = None
    media_type: str | None = None
    size: int | None = None
    platform: str | None = None
    platforms: list[str] | None = None
    finding: FindingDocument | None = None
    limit: PullLimitDocument | None = None


class PreflightDocument(msgspec.Struct):
    """The answer for all images: yes if every one can be pulled."""

    kind: Literal["Preflight"]
    api_version: str = msgspec.field(name="apiVersion")
    verdict: Word
    items: list[PreflightItemDocument]


def verify_image(body: bytes) -> ImageReference | None:
    """Return the image that a verification is to try; None for the login alone."""
    asked = read(body, VerifyIn) if body.strip() else VerifyIn()
    return ImageReference.parse(asked.image) if asked.image else None


def preflight_images(asked: PreflightIn) -> tuple[tuple[str, str | None], ...]:
    """Return images and secrets that a preflight asks about."""
    images = required(asked.images, field="images", rule="give images or a package")
    if not images:
        raise InvalidInput("images", problem="is empty", rule="name at least one image")
    return tuple(_preflight_image(each, place=f"images[{at}]") for at, each in enumerate(images))


def preflight_package(asked: PreflightIn) -> tuple[str, str] | None:
    """Return name and version of the package that is meant; None where images are given."""
    if asked.package is None:
        return None
    if asked.images is not None:
        raise InvalidInput("images", problem="comes together with package", rule="give one of the two")
    name = required(asked.package.name, field="package.name")
    return name, asked.package.version or ""


def preflight_item(
    image: str, answer: Answer, *, secret: str, executable: str, seconds: float
) -> PreflightItemDocument:
    """Return one line of a preflight's answer."""
    found = answer.image
    item = PreflightItemDocument(
        image=image,
        verdict=answer.verdict,
        seconds=round(seconds, 3),
        anonymous=answer.anonymous,
        pullable=_pullable(answer),
        secret=secret or None,
        executable=executable or None,
        finding=finding_document(answer.finding) if answer.finding else None,
        limit=_limit(answer.limit) if answer.limit else None,
    )
    if found is None:
        return item
    return msgspec.structs.replace(
        item,
        digest=found.digest,
        index_digest=found.index_digest or None,
        media_type=found.media_type,
        size=found.size,
        platform=str(found.platform),
        platforms=_platforms(found.platforms),
    )


def preflight_document(items: Sequence[PreflightItemDocument]) -> bytes:
    """Return the answer of a preflight."""
    verdict: Word = "yes"
    if any(item.pullable is False for item in items):
        verdict = "no"
    elif any(item.pullable is None for item in items):
        verdict = "unknown"
    return msgspec.json.encode(
        PreflightDocument(kind="Preflight", api_version=API_VERSION, verdict=verdict, items=list(items))
    )


def finding_document(finding: Finding, *, in_full: bool = True) -> FindingDocument:
    """Return a finding; without ``in_full`` what a viewer may see: neither detail nor evidence."""
    return FindingDocument(
        code=finding.code.value,
        error_code=finding.error_code,
        title=finding.title,
        fix=finding.fix,
        explanation=finding.cause.explanation,
        docs=f"/docs/findings#{finding.code.value}",
        likely=list(finding.likely) or None,
        command=finding.command or None,
        link=finding.link or None,
        provider=finding.provider or None,
        detail=(finding.detail or None) if in_full else None,
        evidence=([_evidence(line) for line in finding.evidence] or None) if in_full else None,
        image=finding.image or None,
        executable=finding.executable or None,
        checked_at=rfc3339_or_none(finding.checked_at),
    )


def standing_document(standing: Standing, shape: Shape) -> StandingDocument:
    """Return how a secret stands, and what its credential's shape tells."""
    return StandingDocument(
        verdict=standing.verdict,
        stale=standing.stale,
        since=rfc3339_or_none(standing.since),
        checked_at=rfc3339_or_none(standing.checked_at),
        image=standing.image or None,
        finding=finding_document(standing.finding) if standing.finding else None,
        warnings=warning_documents(shape, prefix="spec.docker."),
        token=token_document(shape),
    )


def warning_documents(shape: Shape, *, prefix: str = "") -> list[WarningDocument] | None:
    """Return what is likely wrong with a credential; None for nothing."""
    return [
        WarningDocument(each.code, f"{prefix}{each.field}", problem=each.problem, fix=each.fix)
        for each in shape.suspicions
    ] or None


def token_document(shape: Shape) -> TokenDocument | None:
    """Return what a token in the password's place says about itself; None where it is none."""
    if not shape.kind:
        return None
    return TokenDocument(
        shape.kind, expires_at=rfc3339_or_none(shape.expires_at), audience=shape.audience or None
    )


def _preflight_image(asked: PreflightImageIn, *, place: str) -> tuple[str, str | None]:
    image = required(asked.image, field=f"{place}.image")
    if len(image) > 2048:
        raise InvalidInput(
            f"{place}.image", problem=f"is {len(image)} characters long", rule="use at most 2048"
        )
    return image, asked.secret or None


def _limit(limit: PullLimit) -> PullLimitDocument:
    counted: Literal["address", "account"] | None = None
    if limit.by_address is not None:
        counted = "address" if limit.by_address else "account"
    return PullLimitDocument(limit.limit, limit.remaining, seconds=limit.seconds, counted=counted)


def _pullable(answer: Answer) -> bool | None:
    """Whether a pull would work; None where only time can tell."""
    if answer.finding is None:
        return answer.image is not None or None
    return False if answer.finding.cause.remedy is Remedy.PERSON else None


def _evidence(line: Exchange) -> EvidenceDocument:
    return EvidenceDocument(
        method=line.method,
        origin=line.origin,
        path=line.path,
        sent=line.sent,
        status=line.status,
        error=line.error or None,
        headers=dict(line.headers) or None,
        milliseconds=line.milliseconds,
    )


def _platforms(platforms: Sequence[Platform]) -> list[str] | None:
    return [str(platform) for platform in platforms] or None
