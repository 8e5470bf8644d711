"""What an API server's no means for a deployment."""

from __future__ import annotations

from towline.domain.causes import FindingCode
from towline.domain.causes_of_runs import RUNS
from towline.domain.errors import EngineFailed, PullRefused
from towline.domain.findings import Finding
from towline.engines.kubernetes import texts
from towline.engines.kubernetes.cluster import ClusterRefused, ClusterUnreachable

_REMEDY = "Give Towline's account this right; towline kubernetes doctor says which are missing."
_SIGN_IN = "Give Towline a kubeconfig or service account that the cluster accepts."


def engine_failed(trouble: ClusterRefused | ClusterUnreachable) -> EngineFailed:
    """Return the error for a request that the cluster did not carry out."""
    if isinstance(trouble, ClusterUnreachable):
        return EngineFailed(Finding(FindingCode.ENGINE_UNREACHABLE, texts.shown(str(trouble))))
    said = texts.shown(f"the cluster answered {trouble.status} {trouble.reason}: {trouble.message}")
    if trouble.status == 401:
        return EngineFailed(Finding(FindingCode.ENGINE_UNREACHABLE, said, fix_hint=_SIGN_IN))
    if trouble.status == 403:
        return EngineFailed(_forbidden(trouble, said))
    if trouble.status in (413, 422, 400):
        return EngineFailed(Finding(FindingCode.POLICY_REFUSED, said))
    code = FindingCode.ENGINE_UNREACHABLE if trouble.status >= 429 else FindingCode.ENGINE_ERROR
    return EngineFailed(Finding(code, said))


def of_finding(finding: Finding) -> PullRefused | EngineFailed:
    """Return the error for a container that did not start."""
    return EngineFailed(finding) if finding.code in RUNS else PullRefused(finding)


def _forbidden(refusal: ClusterRefused, said: str) -> Finding:
    """Tell a namespace on its way out and a policy from rights that are missing."""
    if "being terminated" in refusal.message:
        return Finding(FindingCode.ENGINE_ERROR, said)
    if "cannot " in refusal.message and "User " in refusal.message:
        return Finding(FindingCode.ENGINE_UNREACHABLE, said, fix_hint=_REMEDY)
    return Finding(texts.of_creation(refusal.message or "is forbidden"), said)
