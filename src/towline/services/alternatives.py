"""Another secret of the project that can pull what this one cannot.

Only secrets of the image's own registry are looked at, each only once it was verified, and one of them
is tried with what is left of the proof's budget: it is never sent anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.errors import InvalidInput, PullRefused
from towline.domain.image import ImageReference
from towline.domain.proof import Answer, Verdict
from towline.domain.registry import RegistryAddress
from towline.domain.secret import DockerSecret
from towline.services.pull_access import access_to_image

if TYPE_CHECKING:
    from towline.domain.findings import Exchange, Finding
    from towline.domain.proof import Glance
    from towline.ports import Keychain, RegistryProver, Store
    from towline.services.standings import Question, Standings

_ANOTHER_MAY_HELP = frozenset(
    {
        FindingCode.WRONG_CREDENTIALS,
        FindingCode.ACCESS_TOKEN_REQUIRED,
        FindingCode.CREDENTIAL_EXPIRED,
        FindingCode.ACCOUNT_DISABLED,
        FindingCode.TOKEN_SCOPE_MISSING,
        FindingCode.NO_PULL_PERMISSION,
        FindingCode.REPOSITORY_NOT_FOUND_OR_HIDDEN,
        FindingCode.SECRET_MISSING,
        FindingCode.SECRET_NEEDED,
        FindingCode.SECRET_REGISTRY_MISMATCH,
    }
)


@dataclass(frozen=True, slots=True)
class _Candidate:
    guid: str
    name: str


class Alternatives:
    """Looks for a secret that can do what another could not."""

    def __init__(
        self, *, store: Store, keychain: Keychain, prover: RegistryProver, standings: Standings
    ) -> None:
        self._store = store
        self._keychain = keychain
        self._prover = prover
        self._standings = standings

    async def beside(self, question: Question, answer: Answer, *, secret: str | None) -> Answer:
        """Return ``answer`` with another secret named in its finding's fix, where one would help."""
        finding = answer.finding
        if finding is None or finding.code not in _ANOTHER_MAY_HELP:
            return answer
        try:
            image = ImageReference.parse(question.image)
        except InvalidInput:
            return answer
        candidate = await self._candidate(question, image, secret)
        if candidate is None:
            return answer
        glance = await self._glance(question, image, candidate, spare=answer.spare)
        return _with(answer, finding, candidate, glance)

    async def _candidate(
        self, question: Question, image: ImageReference, secret: str | None
    ) -> _Candidate | None:
        """Return the project's best other secret for the image: verified, if possible on this very one."""
        host = RegistryAddress.of(image).host
        records = await self._store.read(lambda tx: tx.secrets.of_registry(question.project_guid, host))
        fit = [
            each.secret
            for each in records
            if isinstance(each.secret, DockerSecret)
            and secret not in (each.secret.metadata.name, each.secret.metadata.guid)
            and each.secret.standing.verdict is Verdict.VERIFIED
            and each.secret.registry.covers(image)
        ]
        fit.sort(key=lambda each: each.standing.image != question.image)
        return _Candidate(fit[0].metadata.guid, fit[0].metadata.name) if fit else None

    async def _glance(
        self, question: Question, image: ImageReference, candidate: _Candidate, *, spare: int
    ) -> Glance | None:
        """Ask the registry with the candidate, where the budget and the challenge at hand allow it."""
        if not spare:
            return None
        try:
            resolved = await self._keychain.resolve(
                question.project_guid, candidate.guid, image, door=question.door, actor=question.actor
            )
        except PullRefused:
            return None  # its row in the audit says why
        if resolved is None:
            return None
        access = await access_to_image(self._store, question.project_guid, image, resolved)
        glance = await self._prover.glance(image, access, spare=spare)
        if glance.finding is not None and glance.finding.cause.blames_credential:
            refused = Answer(Verdict.FAILING, glance.finding, evidence=glance.evidence)
            await self._standings.keep(question, resolved, refused)
        return glance


def _with(answer: Answer, finding: Finding, candidate: _Candidate, glance: Glance | None) -> Answer:
    asked = _whose(glance, candidate) if glance else ()
    if glance is not None and glance.allowed is False:
        evidence = (*finding.evidence, *asked)
        return replace(answer, finding=replace(finding, evidence=evidence), evidence=evidence)
    sure = glance is not None and bool(glance.allowed)
    words = "can pull this image" if sure else "is for this registry and was verified"
    fix = f"Secret {candidate.name!r} of this project {words}: name it in the package. Or: {finding.fix}"
    evidence = (*finding.evidence, *asked)
    named = finding.secret or candidate.name
    found = replace(finding, fix_hint=fix, evidence=evidence, secret=named)
    return replace(answer, finding=found, evidence=evidence)


def _whose(glance: Glance, candidate: _Candidate) -> tuple[Exchange, ...]:
    """Return the glance's evidence, with whose credential was sent."""
    return tuple(
        each if each.sent == "none" else replace(each, sent=f"{each.sent} of secret {candidate.name!r}")
        for each in glance.evidence
    )
