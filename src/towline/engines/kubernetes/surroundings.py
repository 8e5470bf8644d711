"""What of a cluster stands in the way of pods that Towline makes, rights aside: read, and nothing tried out.

Quotas, limits, Pod Security and admission webhooks. What the account may not see is told as not known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import msgspec

from towline.engines.kubernetes import admission
from towline.engines.kubernetes.admission import Rule, Selector
from towline.engines.kubernetes.cluster import Cluster, ClusterRefused
from towline.engines.kubernetes.naming import MANAGED_BY, OWNER, POD_SECURITY, RESTRICTED
from towline.engines.kubernetes.quantities import amount
from towline.engines.kubernetes.seen import Metadata

T = TypeVar("T")

MOST_NAMESPACES = 50
_COMPUTE = frozenset({"cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"})


@dataclass(frozen=True, slots=True)
class Note:
    """Something about the cluster. ``fix`` is a command or what to do; empty where nothing is wrong."""

    text: str
    fix: str = ""

    @property
    def is_problem(self) -> bool:
        """Whether pods of packages will be refused because of it."""
        return bool(self.fix)


@dataclass(slots=True)
class Surroundings:
    """What was seen, and what could not be."""

    notes: list[Note] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    async def seen(self, wanted: Awaitable[T], *, what: str) -> T | None:
        """Return what the cluster tells; None, and say so, where the account may not see it."""
        try:
            return await wanted
        except ClusterRefused as refusal:
            if refusal.status not in (403, 404):
                raise
            self.unknown.append(f"{what}: {refusal.message or refusal.reason}")
            return None


class _QuotaStatus(msgspec.Struct, frozen=True):
    hard: Mapping[str, str] | None = None
    used: Mapping[str, str] | None = None


class _Quota(msgspec.Struct, frozen=True):
    PATH: ClassVar[str] = "api/v1"
    PLURAL: ClassVar[str] = "resourcequotas"

    metadata: Metadata
    status: _QuotaStatus = _QuotaStatus()


class _Limit(msgspec.Struct, frozen=True):
    type: str = ""
    max: Mapping[str, str] | None = None
    default: Mapping[str, str] | None = None


class _RangeSpec(msgspec.Struct, frozen=True):
    limits: tuple[_Limit, ...] = ()


class _Range(msgspec.Struct, frozen=True):
    PATH: ClassVar[str] = "api/v1"
    PLURAL: ClassVar[str] = "limitranges"

    metadata: Metadata
    spec: _RangeSpec = _RangeSpec()


class _Namespace(msgspec.Struct, frozen=True):
    PATH: ClassVar[str] = "api/v1"
    PLURAL: ClassVar[str] = "namespaces"

    metadata: Metadata


class _Webhook(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    failure_policy: str = "Fail"
    rules: tuple[Rule, ...] | None = None
    namespace_selector: Selector | None = None


class _Webhooks(msgspec.Struct, frozen=True):
    metadata: Metadata
    webhooks: tuple[_Webhook, ...] | None = None


class _ValidatingWebhooks(_Webhooks, frozen=True):
    PATH: ClassVar[str] = admission.PATH
    PLURAL: ClassVar[str] = "validatingwebhookconfigurations"


class _MutatingWebhooks(_Webhooks, frozen=True):
    PATH: ClassVar[str] = admission.PATH
    PLURAL: ClassVar[str] = "mutatingwebhookconfigurations"


async def looked_at(cluster: Cluster, *, namespace: str = "") -> Surroundings:
    """Return what stands in the way in a namespace, else in all that Towline has made."""
    found = Surroundings()
    if namespace:
        one = await found.seen(cluster.get(_Namespace, namespace), what=f"Pod Security of {namespace}")
        if one is None and not found.unknown:
            create = f"kubectl create namespace {namespace}"
            found.notes.append(Note(f"namespace {namespace} does not exist", create))
            return found
        namespaces = [one if one is not None else _Namespace(Metadata(name=namespace))]
    else:
        listed = cluster.list(_Namespace, labels=f"{MANAGED_BY}={OWNER}")
        page = await found.seen(listed, what="the namespaces that Towline has made")
        namespaces = list(page.items) if page is not None else []
    for each in namespaces[:MOST_NAMESPACES]:
        await _of_namespace(cluster, each, found)
    if len(namespaces) > MOST_NAMESPACES:
        found.unknown.append(f"{len(namespaces) - MOST_NAMESPACES} further namespaces were not looked at")
    await _of_webhooks(cluster, found, namespaces)
    labels = [each.metadata.labels or {} for each in namespaces]
    policies = await found.seen(admission.policies(cluster, labels), what="admission policies")
    found.notes += [Note(text) for text in policies or ()]
    return found


async def _of_namespace(cluster: Cluster, namespace: _Namespace, found: Surroundings) -> None:
    name = namespace.metadata.name
    if namespace.metadata.deletion_timestamp is not None:
        wait = f"wait until it is gone; kubectl get namespace {name} -o yaml says what holds it"
        found.notes.append(Note(f"namespace {name} is being deleted", wait))
    if namespace.metadata.label(POD_SECURITY) == RESTRICTED:
        text = f"namespace {name} enforces Pod Security `restricted`: packages run without any capability"
        found.notes.append(Note(f"{text} there, and images that run as root do not start"))
    quotas, ranges = await asyncio.gather(
        found.seen(cluster.list(_Quota, namespace=name), what=f"quotas of {name}"),
        found.seen(cluster.list(_Range, namespace=name), what=f"limit ranges of {name}"),
    )
    limits = [limit for each in (ranges.items if ranges else ()) for limit in each.spec.limits]
    containers = [limit for limit in limits if limit.type == "Container"]
    found.notes += _about_quotas(name, quotas.items if quotas else (), containers)
    found.notes += _about_limits(name, limits)


def _about_quotas(namespace: str, quotas: Sequence[_Quota], limits: Sequence[_Limit]) -> Iterator[Note]:
    look = f"kubectl -n {namespace} describe resourcequota"
    defaults = {resource for limit in limits for resource in limit.default or {}}
    for quota in quotas:
        hard = quota.status.hard or {}
        for resource, used in (quota.status.used or {}).items():
            if resource in hard and amount(used) >= amount(hard[resource]):
                text = f"quota {quota.metadata.name} of {namespace} is used up: {resource} {used} of"
                yield Note(f"{text} {hard[resource]}", f"raise it, or delete something: {look}")
        wanted = {resource.rpartition(".")[2] for resource in hard.keys() & _COMPUTE}
        if missing := sorted(wanted - defaults):
            text = f"quota {quota.metadata.name} of {namespace} refuses pods that state no limit of"
            fix = "state them in every executable, or give the namespace a LimitRange with defaults"
            yield Note(f"{text} {' and '.join(missing)}", fix)


def _about_limits(namespace: str, limits: Sequence[_Limit]) -> Iterator[Note]:
    for limit in limits:
        kind = limit.type.lower()
        for resource, most in (limit.max or {}).items():
            yield Note(f"a {kind} in {namespace} may have at most {resource} {most}")
        for resource, usual in (limit.default or {}).items():
            yield Note(f"a {kind} in {namespace} that states no limit gets {resource} {usual}")


async def _of_webhooks(cluster: Cluster, found: Surroundings, namespaces: Sequence[_Namespace]) -> None:
    for kind in (_ValidatingWebhooks, _MutatingWebhooks):
        page: Any = await found.seen(cluster.list(kind), what=f"admission webhooks ({kind.PLURAL})")
        for configuration in page.items if page is not None else ():
            found.notes += _about_webhooks(configuration, namespaces)


def _about_webhooks(configuration: _Webhooks, namespaces: Sequence[_Namespace]) -> Iterator[Note]:
    for webhook in configuration.webhooks or ():
        selector = webhook.namespace_selector or Selector()
        if namespaces and not any(selector.selects(each.metadata.labels or {}) for each in namespaces):
            continue
        if asked := admission.written_by(webhook.rules):
            named = f"{webhook.name} ({configuration.metadata.name})"
            text = f"the webhook {named} may refuse or change what Towline applies of {', '.join(asked)}"
            fails = webhook.failure_policy == "Fail"
            yield Note(f"{text}; while it does not answer they are refused" if fails else text)
