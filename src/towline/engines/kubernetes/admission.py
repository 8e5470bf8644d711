"""What may refuse or change objects on their way into a cluster, and whether that is about Towline's.

Facts: https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import msgspec

from towline.engines.kubernetes.cluster import ClusterRefused
from towline.engines.kubernetes.seen import Metadata

if TYPE_CHECKING:
    from towline.engines.kubernetes.cluster import Cluster

PATH = "apis/admissionregistration.k8s.io/v1"
_WRITTEN = frozenset({"*", "namespaces", "secrets", "deployments", "replicasets", "pods", "services"})
_GROUPS = frozenset({"*", "", "apps"})
_ACTS = frozenset({"*", "CREATE", "UPDATE"})


class Rule(msgspec.Struct, frozen=True, rename="camel"):
    """Of which requests something is asked. What is not said is everything."""

    resources: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ("*",)
    operations: tuple[str, ...] = ("*",)


class _Requirement(msgspec.Struct, frozen=True):
    key: str
    operator: str
    values: tuple[str, ...] | None = None

    def holds(self, labels: Mapping[str, str]) -> bool:
        value, values = labels.get(self.key), self.values or ()
        match self.operator:
            case "In":
                return value in values
            case "NotIn":
                return value not in values
            case "Exists":
                return value is not None
            case _:
                return value is None


class Selector(msgspec.Struct, frozen=True, rename="camel"):
    """Which namespaces are meant, by their labels; an empty one means all."""

    match_labels: Mapping[str, str] | None = None
    match_expressions: tuple[_Requirement, ...] | None = None

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a namespace with these labels is meant."""
        exactly = (self.match_labels or {}).items() <= labels.items()
        return exactly and all(each.holds(labels) for each in self.match_expressions or ())


class _Match(msgspec.Struct, frozen=True, rename="camel"):
    resource_rules: tuple[Rule, ...] | None = None
    namespace_selector: Selector | None = None

    def is_about(self, namespaces: Sequence[Mapping[str, str]]) -> bool:
        selector = self.namespace_selector or Selector()
        return not namespaces or any(map(selector.selects, namespaces))


class _PolicySpec(msgspec.Struct, frozen=True, rename="camel"):
    match_constraints: _Match = _Match()
    failure_policy: str = "Fail"


class _Policy(msgspec.Struct, frozen=True):
    PATH: ClassVar[str] = PATH
    PLURAL: ClassVar[str] = "validatingadmissionpolicies"

    metadata: Metadata
    spec: _PolicySpec = _PolicySpec()


class _BindingSpec(msgspec.Struct, frozen=True, rename="camel"):
    policy_name: str = ""
    match_resources: _Match | None = None
    validation_actions: tuple[str, ...] = ("Deny",)


class _Binding(msgspec.Struct, frozen=True):
    PATH: ClassVar[str] = PATH
    PLURAL: ClassVar[str] = "validatingadmissionpolicybindings"

    metadata: Metadata
    spec: _BindingSpec = _BindingSpec()


def written_by(rules: Iterable[Rule] | None) -> Sequence[str]:
    """Return which of the kinds that Towline writes some rules are about."""
    found = {
        resource.partition("/")[0]
        for rule in rules or ()
        if _GROUPS & {*rule.api_groups} and _ACTS & {*rule.operations}
        for resource in rule.resources
    }
    return sorted(found & _WRITTEN)


def _both(some: Sequence[str], others: Sequence[str]) -> Sequence[str]:
    if "*" in some or "*" in others:
        return others if "*" in some else some
    return sorted({*some} & {*others})


async def policies(cluster: Cluster, namespaces: Sequence[Mapping[str, str]]) -> Sequence[str]:
    """Return what is to be said of the policies that may refuse objects in namespaces with these labels.

    A server before 1.30 has none. Raises ClusterRefused where the account may not see them.
    """
    try:
        known = {each.metadata.name: each for each in (await cluster.list(_Policy)).items}
    except ClusterRefused as refusal:
        if refusal.status == 404:
            return ()
        raise
    told = []
    for binding in (await cluster.list(_Binding)).items:
        policy = known.get(binding.spec.policy_name)
        if policy is None or "Deny" not in binding.spec.validation_actions:
            continue
        constraints, narrowed = policy.spec.match_constraints, binding.spec.match_resources or _Match()
        asked = written_by(constraints.resource_rules)
        if narrowed.resource_rules:
            asked = _both(asked, written_by(narrowed.resource_rules))
        if asked and constraints.is_about(namespaces) and narrowed.is_about(namespaces):
            named = f"{policy.metadata.name} (bound by {binding.metadata.name})"
            told.append(f"the admission policy {named} may refuse what Towline applies of {', '.join(asked)}")
    return told
