"""Why an image cannot be pulled, where no registry need be asked to know it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.errors import InvalidInput, PullRefused
from towline.domain.findings import Finding
from towline.domain.image import ImageReference
from towline.domain.proof import Verdict
from towline.domain.secret import DockerSecret

if TYPE_CHECKING:
    from datetime import datetime

    from towline.domain.proof import Answer
    from towline.ports import SecretRecord
    from towline.services.standings import Question


FRESH_FOR = timedelta(minutes=1)


class AnswerRefused(PullRefused):
    """An image that cannot be pulled, with all that the registry answered."""

    def __init__(self, answer: Answer, finding: Finding) -> None:
        super().__init__(finding)
        self.answer = answer


UNREADABLE = Finding(
    FindingCode.SECRET_UNREADABLE, "the stored value does not open with any key that this server has"
)
NOTHING_NAMED = Finding(FindingCode.REGISTRY_ERROR, "the registry named no image")


def parsed(text: str) -> ImageReference:
    """Return the reference; raise PullRefused for a name that is not legal."""
    try:
        return ImageReference.parse(text)
    except InvalidInput as error:
        raise PullRefused(Finding(FindingCode.IMAGE_REFERENCE_INVALID, str(error))) from error


def known_refusal(
    record: SecretRecord | None, image: ImageReference, *, wished_at: datetime | None
) -> Finding | None:
    """Return why this version of the secret was refused at the image's registry, if that is known."""
    if record is None or not isinstance(record.secret, DockerSecret):
        return None
    standing = record.secret.standing
    finding = standing.finding
    if standing.verdict is not Verdict.FAILING or finding is None or not finding.cause.blames_credential:
        return None
    asked_since = wished_at and standing.checked_at and wished_at > standing.checked_at
    return None if asked_since or not record.secret.registry.covers(image) else finding


def is_fresh(record: SecretRecord | None, *, now: datetime, wished_at: datetime | None) -> bool:
    """Whether the registry was asked about this version lately, and since ``wished_at``."""
    if record is None or not isinstance(record.secret, DockerSecret):
        return True
    checked_at = record.secret.standing.checked_at
    return checked_at is not None and checked_at >= max(now - FRESH_FOR, wished_at or checked_at)


def missing(secret: str, record: SecretRecord | None) -> Finding:
    """Return the finding for a secret that is not there, or is not one for pulling."""
    if record is None:
        return Finding(FindingCode.SECRET_MISSING, f"there is no secret {secret!r} in this project")
    return Finding(
        FindingCode.SECRET_MISSING, f"secret {secret!r} is not a docker pull secret, but an opaque one"
    )


def about(answer: Answer, question: Question, *, at: datetime, secret: str | None = None) -> Answer:
    """Return the answer with image, executable, secret and time in its finding."""
    if answer.finding is None:
        return answer
    finding = replace(
        answer.finding,
        image=question.image,
        executable=question.executable,
        secret=secret or answer.finding.secret,
    )
    return dated(replace(answer, finding=finding), at=at)


def dated(answer: Answer, *, at: datetime) -> Answer:
    """Return the answer with a time in its finding."""
    if answer.finding is None or answer.finding.checked_at is not None:
        return answer
    return replace(answer, finding=answer.finding.about(at=at))
