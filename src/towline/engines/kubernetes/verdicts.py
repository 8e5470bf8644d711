"""What a cluster's objects say about a rollout: pure rules, each of them met in a recorded cluster.

A verdict is given as early as it is certain and not before: a 401 that the kubelet met before it had read the
pull secret is none, an exit code waits for the log's last words, a pod that was asked to leave never fails,
only pods of the newest revision count, and a status older than the spec says nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.findings import Finding
from towline.domain.workload import ReplicaState
from towline.engines.kubernetes import endings, texts
from towline.engines.kubernetes.cluster import NO_ACCOUNT_YET
from towline.engines.kubernetes.rollout import Rollout, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.engines.kubernetes.endings import Words
    from towline.engines.kubernetes.seen import (
        ContainerStatus,
        SeenDeployment,
        SeenPod,
        Waiting,
    )
    from towline.engines.kubernetes.signs import Signs

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"

EVENTS_ARE_LATE = timedelta(seconds=30)
"""So long after a pod's start its events must have come; they are kept for an hour only."""

NODE_SIDE = frozenset(
    {
        FindingCode.REGISTRY_DNS,
        FindingCode.REGISTRY_REFUSED,
        FindingCode.REGISTRY_UNREACHABLE,
        FindingCode.REGISTRY_TIMEOUT,
        FindingCode.REGISTRY_RESET,
        FindingCode.PROXY_ERROR,
        FindingCode.TLS_UNKNOWN_AUTHORITY,
        FindingCode.TLS_EXPIRED,
        FindingCode.TLS_HANDSHAKE,
        FindingCode.PLAIN_HTTP_REGISTRY,
    }
)
_NODE_FIXES = {
    FindingCode.TLS_UNKNOWN_AUTHORITY: "Give the node's container runtime the authority's certificate "
    "(containerd: hosts.toml of this registry, then new pulls use it at once).",
    FindingCode.PLAIN_HTTP_REGISTRY: "Declare the registry as plain HTTP in the node's container runtime "
    "(containerd: hosts.toml of this registry), or turn on TLS at the registry.",
}
_NODE_FIX = "Check the node's network, DNS and proxy: this server could reach the registry, the node cannot."


def current_pods(rollout: Rollout) -> Sequence[SeenPod] | None:
    """Return the pods that count, or None while the status speaks of an older spec.

    They belong to the revision that the Deployment itself names as its newest and are not leaving.
    """
    deployment = rollout.deployment
    staying = [pod for pod in rollout.pods if not pod.is_leaving]
    if deployment is None:
        return staying
    if deployment.status.observed_generation < deployment.metadata.generation:
        return None
    revision = deployment.metadata.annotation(REVISION)
    newest = next(
        (each for each in rollout.replica_sets if each.metadata.annotation(REVISION) == revision), None
    )
    if newest is None or not revision:
        return [] if _creation_failure(deployment) is not None else None
    return [pod for pod in staying if pod.metadata.label(HASH) == newest.metadata.label(HASH)]


def of_rollout(rollout: Rollout) -> Finding | None:
    """Return why the controllers make no pods, where that is so."""
    deployment = rollout.deployment
    failure = _creation_failure(deployment) if deployment is not None else None
    if failure is None:
        return None
    return Finding(texts.of_creation(failure), texts.shown(failure))


def of_container(
    pod: SeenPod,
    name: str,
    *,
    signs: Signs,
    words: Words,
    now: datetime,
    deadline_passed: bool = False,
    is_proved: bool = True,
) -> Verdict:
    """Return how the container ``name`` of ``pod`` is.

    ``deadline_passed`` says that the Deployment gave up hope of progress. ``is_proved`` says that
    Towline's own proof of this image was good, so that a node that cannot pull it contradicts that.
    """
    status = pod.status_of(name)
    if status is None:
        return _unplaced(pod)
    state = status.state
    if state.running is not None:
        return _running(status, signs=signs, deadline_passed=deadline_passed)
    if state.terminated is not None:
        return endings.of_end(pod, status, state.terminated, signs=signs, words=words)
    if state.waiting is None:
        return Verdict(ReplicaState.PULLING, restart_count=status.restart_count)
    verdict = _waiting(pod, status, state.waiting, signs=signs, words=words, now=now)
    if verdict.finding is None and verdict.state is ReplicaState.PULLING and deadline_passed:
        return _stuck(name, signs)
    return _with_node(verdict, pod) if is_proved else verdict


def deadline_passed(deployment: SeenDeployment | None) -> bool:
    """Whether the Deployment made no progress for its whole deadline. It is no final state."""
    progressing = deployment.condition("Progressing") if deployment is not None else None
    return (
        progressing is not None
        and progressing.status == "False"
        and progressing.reason == "ProgressDeadlineExceeded"
    )


def _creation_failure(deployment: SeenDeployment) -> str | None:
    failure = deployment.condition("ReplicaFailure")
    if failure is None or failure.status != "True" or NO_ACCOUNT_YET in (failure.message or ""):
        return None
    return failure.message or failure.reason or "pods cannot be created"


def _unplaced(pod: SeenPod) -> Verdict:
    """Return how a pod is that no node speaks of yet."""
    scheduled = pod.condition("PodScheduled")
    if scheduled is not None and scheduled.status == "False" and scheduled.reason == "Unschedulable":
        said = scheduled.message or "no node fits"
        code = FindingCode.DISK_NOT_READY if texts.is_about_volumes(said) else FindingCode.UNSCHEDULABLE
        finding = Finding(code, texts.shown(said))
        return Verdict(ReplicaState.FAILED, finding=finding)
    if pod.status.phase == "Failed":
        said = texts.shown(f"{pod.status.reason} {pod.status.message}") or "the node gave the pod up"
        return Verdict(ReplicaState.FAILED, finding=Finding(FindingCode.ENGINE_ERROR, said))
    return Verdict(ReplicaState.PULLING)


def _running(status: ContainerStatus, *, signs: Signs, deadline_passed: bool) -> Verdict:
    """Return how a started container is: up, but one that is never ready by the deadline fails its probe."""
    running = status.state.running
    started_at = running.started_at if running is not None else None
    if status.ready or not deadline_passed:
        return Verdict(ReplicaState.RUNNING, started_at, restart_count=status.restart_count)
    said = signs.said_of_probe(status.name) or "the container never became ready"
    return Verdict(
        ReplicaState.FAILED,
        started_at,
        restart_count=status.restart_count,
        finding=Finding(FindingCode.PROBE_FAILED, said),
    )


def _waiting(  # noqa: PLR0911  (one line a reason)
    pod: SeenPod, status: ContainerStatus, waiting: Waiting, *, signs: Signs, words: Words, now: datetime
) -> Verdict:
    ended = status.last_state.terminated
    match waiting.reason:
        case "ErrImagePull" | "ImagePullBackOff" | "RegistryUnavailable":
            return _not_pulled(pod, status, waiting, signs=signs, now=now)
        case "InvalidImageName":
            return _failed(FindingCode.IMAGE_REFERENCE_INVALID, waiting.message)
        case "ErrImageNeverPull":
            return _failed(FindingCode.IMAGE_NOT_PRESENT, waiting.message)
        case "ImageInspectError" | "SignatureValidationFailed":
            return _failed(FindingCode.IMAGE_REFUSED, waiting.message)
        case "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError":
            return _failed(texts.of_start(waiting.message), waiting.message, status=status)
        case "CrashLoopBackOff" if ended is not None:
            return endings.of_end(pod, status, ended, signs=signs, words=words)
        case _:
            return Verdict(ReplicaState.PULLING, restart_count=status.restart_count)


def _failed(code: FindingCode, text: str, *, status: ContainerStatus | None = None) -> Verdict:
    restarts = status.restart_count if status is not None else 0
    return Verdict(ReplicaState.FAILED, restart_count=restarts, finding=Finding(code, texts.shown(text)))


def _not_pulled(
    pod: SeenPod, status: ContainerStatus, waiting: Waiting, *, signs: Signs, now: datetime
) -> Verdict:
    """Return why an image was not pulled; both waiting reasons are one state, flipping all the time."""
    told = signs.pull_text.get(status.name, "")
    text = told or waiting.message
    code = texts.of_pull(text)
    if code is FindingCode.WRONG_CREDENTIALS:
        certain = _unauthorized(pod, status.name, signs=signs, now=now)
        if certain is None:
            return Verdict(ReplicaState.PULLING, restart_count=status.restart_count)
        code = certain
    return Verdict(
        ReplicaState.FAILED,
        restart_count=status.restart_count,
        finding=Finding(code, texts.bare_pull(text)),
    )


def _unauthorized(pod: SeenPod, container: str, *, signs: Signs, now: datetime) -> FindingCode | None:
    """Tell a refused credential from a secret that is missing or that the kubelet had not read yet.

    The kubelet says before the pull when it goes without the secret: twice, and it is missing; once, and
    the second attempt must be awaited. A pull that failed and was not preceded by that used the secret.
    """
    without = signs.times_secretless()
    if without >= 2:
        return FindingCode.SECRET_MISSING
    failed = signs.failed_pulls(container)
    if failed > without:
        return FindingCode.WRONG_CREDENTIALS
    started = pod.status.start_time
    events_are_gone = failed == 0 and started is not None and now - started > EVENTS_ARE_LATE
    return FindingCode.WRONG_CREDENTIALS if events_are_gone and without == 0 else None


def _stuck(name: str, signs: Signs) -> Verdict:
    """Return why a container is still being created although the deadline has passed."""
    if signs.trouble:
        return _failed(FindingCode.ENGINE_ERROR, signs.trouble)
    if name in signs.pulling:
        said = "the node has been pulling all the time; the registry neither answers nor refuses"
        return _failed(FindingCode.REGISTRY_TIMEOUT, said)
    return _failed(FindingCode.ENGINE_ERROR, "the container was not created before the progress deadline")


def _with_node(verdict: Verdict, pod: SeenPod) -> Verdict:
    """Say that the node cannot do what the server could: the proof was good just before."""
    finding = verdict.finding
    if finding is None or finding.code not in NODE_SIDE:
        return verdict
    node = pod.spec.node_name or "the node"
    told = Finding(
        finding.code,
        f"{node} cannot pull what this server could: {finding.detail}",
        fix_hint=_NODE_FIXES.get(finding.code, _NODE_FIX),
    )
    return Verdict(verdict.state, restart_count=verdict.restart_count, finding=told)
