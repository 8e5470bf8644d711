"""As whom Towline runs and what it may do: the account, its roles and bindings, from the table of needs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from towline.engines.kubernetes.needs import MIRRORING, NEEDED, Right

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from towline.engines.kubernetes.installation.options import Options

REASONS = "towline/reasons"
"""Annotation of a role: what each of its rules is for."""
_RBAC = "rbac.authorization.k8s.io"


def documents(options: Options) -> tuple[dict[str, Any], ...]:
    """Return the account, then what it may do: everywhere, or in the chosen namespaces alone."""
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": options.name, "namespace": options.namespace, "labels": options.labels},
        "automountServiceAccountToken": False,
    }
    everything = (*NEEDED, *(MIRRORING if options.mirror_namespaces else ()))
    if not options.watch_namespaces:
        named = {"name": options.instance}
        return (account, *_granted(options, everything, kind="ClusterRole", metadata=named))
    rights = [right for right in everything if not right.is_clusterwide]
    granted = [
        document
        for namespace in options.watch_namespaces
        for document in _granted(
            options, rights, kind="Role", metadata={"name": options.instance, "namespace": namespace}
        )
    ]
    return (account, *granted)


def rules(rights: Iterable[Right]) -> list[dict[str, list[str]]]:
    """Return rights as the rules of a role."""
    return [
        {"apiGroups": [right.group], "resources": [right.resource], "verbs": list(right.verbs)}
        for right in rights
    ]


def reasons(rights: Iterable[Right]) -> str:
    """Return what each right is for, a line each."""
    return "".join(f"{right.resource}: {right.why}\n" for right in rights)


def remedy(
    missing: Mapping[Right, Sequence[str]], *, account: str, namespace: str
) -> Sequence[dict[str, Any]]:
    """Return a role of exactly what an account lacks and its binding; the role alone where nobody is known.

    ``namespace`` is where the rights are to hold; empty: everywhere.
    """
    kind = "Role" if namespace else "ClusterRole"
    metadata: dict[str, Any] = {"name": "towline-missing"} | ({"namespace": namespace} if namespace else {})
    lacking = [replace(right, verbs=tuple(verbs)) for right, verbs in missing.items()]
    role = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": kind,
        "metadata": metadata | {"annotations": {REASONS: reasons(lacking)}},
        "rules": rules(lacking),
    }
    if not account:
        return (role,)
    return (
        role,
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": f"{kind}Binding",
            "metadata": metadata,
            "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": "towline-missing"},
            "subjects": [_subject(account)],
        },
    )


def _subject(account: str) -> dict[str, str]:
    prefix = "system:serviceaccount:"
    if account.startswith(prefix):
        namespace, _, name = account.removeprefix(prefix).partition(":")
        return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return {"kind": "User", "apiGroup": _RBAC, "name": account}


def _granted(
    options: Options, rights: Sequence[Right], *, kind: str, metadata: dict[str, str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    role = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": kind,
        "metadata": metadata | {"labels": options.labels, "annotations": {REASONS: reasons(rights)}},
        "rules": rules(rights),
    }
    binding = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": f"{kind}Binding",
        "metadata": metadata | {"labels": options.labels},
        "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": options.instance},
        "subjects": [{"kind": "ServiceAccount", "name": options.name, "namespace": options.namespace}],
    }
    return role, binding
