"""From a workload to the documents of a cluster, pure: Namespace, Secrets, Deployment or Pods, Service.

A generation that is to be kept up is one Deployment of its own, with the executables as containers of one
pod: generations run side by side until the older is removed, as the port of all engines says. A workload that
may end (restart ``never`` or ``onfailure``), which no Deployment can have, is one bare pod for each replica.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lightkube.models import core_v1 as core
from lightkube.models.apps_v1 import DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta, OwnerReference
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Namespace, PersistentVolumeClaim, Pod, Secret, Service

from towline.domain.package import RestartPolicy
from towline.engines.kubernetes import claims, naming, secret_documents, service_documents
from towline.engines.kubernetes.naming import Names, Place

if TYPE_CHECKING:
    from towline.domain.package import Limits, LivenessProbe
    from towline.domain.workload import Workload, WorkloadExecutable

STABLE_SECONDS = 2
"""So long a container must stay up before the Deployment calls it available."""
PROGRESS_DEADLINE = 600
_RESTARTS = {
    RestartPolicy.ALWAYS: "Always",
    RestartPolicy.ON_FAILURE: "OnFailure",
    RestartPolicy.NEVER: "Never",
}


@dataclass(frozen=True, slots=True)
class Documents:
    """Everything of one generation, in the order in which it is applied."""

    place: Place
    namespace: Namespace | None
    pull: Secret | None
    environment: Secret | None
    owners: Sequence[Deployment] | Sequence[Pod]
    service: Service | None
    claims: Sequence[PersistentVolumeClaim] = ()
    containers: Mapping[str, str] = field(default_factory=dict)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The Secrets there are."""
        return tuple(each for each in (self.pull, self.environment) if each is not None)


def documents(
    workload: Workload, names: Names, *, nudged_at: str = "", restricted: bool = False
) -> Documents:
    """Return a workload's documents; ``nudged_at`` is the template annotation that made its present pods.

    ``restricted``: its namespace takes no pod but of Pod Security's level of that name.
    """
    place = Place(workload.deployment_guid, workload.generation)
    namespace = names.namespace_of(workload.project_guid)
    labels = names.labels(place, workload.project_guid)
    about = {"namespace": namespace, "labels": labels}
    pull = secret_documents.pull_secret(workload, name=f"{place.name}-pull", **about)  # type: ignore[arg-type]
    environment = secret_documents.environment_secret(workload, name=f"{place.name}-env", **about)  # type: ignore[arg-type]
    spec = _pod_spec(workload, place, pulls=pull is not None, restricted=restricted)
    owners: Sequence[Any]
    if workload.restart is RestartPolicy.ALWAYS:
        made = _deployment(workload, place, spec=spec, nudged_at=nudged_at, **about)  # type: ignore[arg-type]
        if restricted:
            made.metadata.annotations |= {naming.SECURED: naming.RESTRICTED}  # type: ignore[union-attr,operator]
        owners = [made]
    else:
        owners = _pods(workload, place, spec=spec, **about)  # type: ignore[arg-type]
    return Documents(
        place,
        _namespace(workload, names, namespace),
        pull,
        environment,
        owners,
        service_documents.service(
            service_documents.ports_of(workload),
            name=naming.service_name(workload.deployment_name, workload.deployment_guid),
            **about,  # type: ignore[arg-type]
        ),
        claims.claims(workload, names),
        naming.containers(workload),
    )


def is_for_restricted(text: str) -> bool:
    """Whether pods were refused for what only restricted ones lack; be it by the cluster's own rule."""
    return 'violates PodSecurity "restricted' in text


def owned(document: Any, owners: Sequence[OwnerReference]) -> Any:  # noqa: ANN401
    """Let a document end with the last of its owners."""
    document.metadata.ownerReferences = list(owners)
    return document


def owner_reference(kind: str, *, name: str, uid: str) -> OwnerReference:
    """Return the reference to an owner."""
    version = "apps/v1" if kind == "Deployment" else "v1"
    return OwnerReference(apiVersion=version, kind=kind, name=name, uid=uid)


def _namespace(workload: Workload, names: Names, name: str) -> Namespace | None:
    """Return a project's namespace; one that is set for all is somebody else's and must be there."""
    if not names.makes_namespace_of(workload.project_guid):
        return None
    labels = {
        naming.MANAGED_BY: naming.OWNER,
        naming.INSTANCE: names.instance,
        naming.PROJECT: workload.project_guid,
    }
    return Namespace(apiVersion="v1", kind="Namespace", metadata=ObjectMeta(name=name, labels=labels))


def _annotations(workload: Workload) -> dict[str, str]:
    told = {
        naming.EXECUTABLES: naming.written(naming.containers(workload)),
        naming.NAMED: workload.deployment_name,
        naming.WANTED: str(workload.replicas),
    }
    ports = service_documents.ports_of(workload)
    return told | {naming.SERVED: service_documents.written(ports)} if ports else told


def _deployment(
    workload: Workload,
    place: Place,
    *,
    spec: core.PodSpec,
    nudged_at: str,
    namespace: str,
    labels: Mapping[str, str],
) -> Deployment:
    selected = {naming.DEPLOYMENT: place.deployment_guid, naming.GENERATION: str(place.generation)}
    annotations = {naming.NUDGED: nudged_at} if nudged_at else None
    return Deployment(
        apiVersion="apps/v1",
        kind="Deployment",
        metadata=ObjectMeta(
            name=place.name, namespace=namespace, labels=dict(labels), annotations=_annotations(workload)
        ),
        spec=DeploymentSpec(
            replicas=workload.replicas,
            minReadySeconds=STABLE_SECONDS,
            progressDeadlineSeconds=PROGRESS_DEADLINE,
            revisionHistoryLimit=2,
            strategy=_strategy(workload),
            selector=LabelSelector(matchLabels=selected),
            template=core.PodTemplateSpec(
                metadata=ObjectMeta(labels=dict(labels), annotations=annotations),
                spec=spec,
            ),
        ),
    )


def _strategy(workload: Workload) -> DeploymentStrategy:
    """Return how pods replace each other: what has a disk ends before the next one may write there."""
    if workload.disks:
        return DeploymentStrategy(type="Recreate")
    return DeploymentStrategy(
        type="RollingUpdate", rollingUpdate=RollingUpdateDeployment(maxSurge=1, maxUnavailable=0)
    )


def _pods(
    workload: Workload, place: Place, *, spec: core.PodSpec, namespace: str, labels: Mapping[str, str]
) -> list[Pod]:
    return [
        Pod(
            apiVersion="v1",
            kind="Pod",
            metadata=ObjectMeta(
                name=f"{place.name}-{replica}",
                namespace=namespace,
                labels={**labels, naming.REPLICA: str(replica)},
                annotations=_annotations(workload),
            ),
            spec=spec,
        )
        for replica in range(workload.replicas)
    ]


def _pod_spec(workload: Workload, place: Place, *, pulls: bool, restricted: bool) -> core.PodSpec:
    names = list(naming.containers(workload))
    return core.PodSpec(
        restartPolicy=_RESTARTS[workload.restart],
        terminationGracePeriodSeconds=max(workload.stop_seconds, 1),  # with 0 a pod is gone before it ended
        automountServiceAccountToken=False,
        enableServiceLinks=False,
        securityContext=claims.security(workload),
        volumes=claims.volumes(workload),
        imagePullSecrets=[core.LocalObjectReference(name=f"{place.name}-pull")] if pulls else None,
        containers=[
            _container(
                executable, name=name, number=number, secret=f"{place.name}-env", restricted=restricted
            )
            for number, (name, executable) in enumerate(zip(names, workload.executables, strict=True))
        ],
    )


def _container(
    executable: WorkloadExecutable, *, name: str, number: int, secret: str, restricted: bool
) -> core.Container:
    image = executable.image
    return core.Container(
        name=name,
        image=f"{image.name}@{image.digest}" if image.digest else str(image),
        imagePullPolicy=executable.pull_policy.value,
        command=_literal(executable.entrypoint) or None,
        args=_literal(executable.command) or None,
        env=[
            core.EnvVar(
                name=variable,
                valueFrom=core.EnvVarSource(
                    secretKeyRef=core.SecretKeySelector(
                        name=secret, key=secret_documents.environment_key(number, variable)
                    )
                ),
            )
            for variable in executable.environment
        ]
        or None,
        volumeMounts=claims.mounts(executable),
        resources=_resources(executable.limits),
        livenessProbe=_probe(executable.probe) if executable.probe is not None else None,
        securityContext=_security(executable, restricted=restricted),
    )


def _security(executable: WorkloadExecutable, *, restricted: bool) -> core.SecurityContext:
    """Return what a process may do; images that begin as root need some of what is not ``restricted``."""
    return core.SecurityContext(
        allowPrivilegeEscalation=False,
        capabilities=core.Capabilities(drop=["ALL"]) if restricted else None,
        runAsNonRoot=True if restricted else None,
        runAsUser=executable.uid,
        runAsGroup=executable.gid,
        seccompProfile=core.SeccompProfile(type="RuntimeDefault"),
    )


def _literal(words: Sequence[str]) -> list[str]:
    """Return words so that they come through: kubelets take ``$(NAME)`` for a variable, ``$$`` for ``$``."""
    return [word.replace("$", "$$") if "$$" in word or "$(" in word else word for word in words]


def _resources(limits: Limits) -> core.ResourceRequirements | None:
    """Return the limits. What is limited is also asked for, as Kubernetes does when nothing else is said."""
    wanted = {}
    if limits.cpu is not None:
        wanted["cpu"] = f"{max(round(limits.cpu * 1000), 1)}m"
    if limits.memory is not None:
        wanted["memory"] = f"{limits.memory}Mi"
    return core.ResourceRequirements(limits=wanted) if wanted else None


def _probe(probe: LivenessProbe) -> core.Probe:
    asked: dict[str, Any]
    if probe.command:
        asked = {"exec": core.ExecAction(command=_literal(probe.command))}
    elif probe.path:
        headers = [core.HTTPHeader(name=name, value=value) for name, value in probe.headers]
        asked = {
            "httpGet": core.HTTPGetAction(
                port=probe.port,
                path=probe.path,
                host=probe.host or None,
                scheme="HTTPS" if probe.https else "HTTP",
                httpHeaders=headers or None,
            )
        }
    else:
        asked = {"tcpSocket": core.TCPSocketAction(port=probe.port, host=probe.host or None)}
    return core.Probe(  # the API takes no other number of successes than one
        initialDelaySeconds=probe.initial_delay,
        periodSeconds=probe.period,
        timeoutSeconds=probe.timeout,
        failureThreshold=probe.failures,
        **asked,
    )
