"""What mirrors ask for in one namespace, and which pods were made too early: pure rules."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

from towline.domain.errors import InvalidInput
from towline.domain.image import ImageReference
from towline.domain.mirror import may_mirror_into
from towline.engines.kubernetes import naming

if TYPE_CHECKING:
    from towline.domain.mirror import MirrorOrder
    from towline.engines.kubernetes.mirror_seen import SeenAccount, WaitingPod
    from towline.engines.kubernetes.naming import Names
    from towline.engines.kubernetes.seen import SeenNamespace, SeenSecret

AT_ONCE = timedelta(seconds=5)
"""Clocks differ, and the API server's own view of a service account is a moment behind."""

_MADE_ANEW = frozenset({"ReplicaSet", "Job", "StatefulSet", "DaemonSet", "ReplicationController"})


def why_not(
    order: MirrorOrder, name: str, namespace: SeenNamespace | None, *, allowed: Sequence[str], names: Names
) -> str:
    """Return why a namespace may not have a secret, empty where it may."""
    if not may_mirror_into(allowed, name):
        return "this installation does not let projects choose it"
    owners = {project for project, mapped in names.mapped.items() if mapped == name}
    if namespace is not None and namespace.metadata.label(naming.MANAGED_BY) == naming.OWNER:
        owners.add(namespace.metadata.label(naming.PROJECT))
    if owners and order.mirror.project_guid not in owners:
        return "it is the namespace of another project of Towline"
    return ""


def is_ours(copy: SeenSecret, manager: str) -> bool:
    """Whether Towline made a Secret: labels alone are copied by people together with all else."""
    return any(entry.manager == manager for entry in copy.metadata.managed_fields or ())


def is_intact(copy: SeenSecret, manager: str) -> bool:
    """Whether what Towline wrote into a Secret is still Towline's: who writes a field becomes its holder."""
    held = b" ".join(
        bytes(entry.fields_v1) for entry in copy.metadata.managed_fields or () if entry.manager == manager
    )
    return b'"f:.dockerconfigjson"' in held and b'"f:type"' in held


def others_at(copy: SeenSecret, manager: str) -> str:
    """Return who else writes a Secret's content."""
    return ", ".join(
        dict.fromkeys(
            entry.manager
            for entry in copy.metadata.managed_fields or ()
            if entry.manager != manager and b'"f:data"' in bytes(entry.fields_v1)
        )
    )


def account_changes(
    account: SeenAccount, *, wanted: frozenset[str], annotation: str, now: datetime
) -> Mapping[str, Any] | None:
    """Return the merge patch that gives a service account the ``wanted`` pull secrets; None for no change.

    The list is one value to the API (it is "atomic"), so it is sent whole, with the version that it was read
    at, and what Towline added to it stands in an annotation. What others put there stays, also where it is of
    a name that Towline wants too; what Towline added and wants no more goes.
    """
    entries, ours = account.entries, account.added(annotation)
    missing = sorted(wanted - set(entries))
    dropped = ours.keys() - wanted
    after = {name: at for name, at in ours.items() if name in wanted} | dict.fromkeys(missing, now)
    if not missing and after == ours:
        return None
    kept = [name for name in entries if name not in dropped]
    return {
        "metadata": {
            "resourceVersion": account.metadata.resource_version,
            "annotations": {annotation: _written(after) if after else None},
        },
        "imagePullSecrets": [{"name": name} for name in (*kept, *missing)] or None,
    }


class Wait(Enum):
    """Why a pod waits for an image that a mirror's secret opens."""

    MADE_TOO_EARLY = "it was made before its service account had the secret"
    HAS_OWN_SECRETS = "it names pull secrets of its own, so it is not given those of its service account"
    BACKS_OFF = "it was refused before the secret was as it is now"


@dataclass(frozen=True, slots=True)
class Stuck:
    """A pod that waits; ``is_made_anew`` says whether something makes another one when it is deleted."""

    pod: WaitingPod
    why: Wait
    is_made_anew: bool

    @property
    def advice(self) -> str:
        """What to do, for people."""
        name = self.pod.metadata.name
        if self.why is Wait.HAS_OWN_SECRETS:
            return f"{name}: {self.why.value}; name the secret there too"
        owner = self.pod.owner
        if owner is not None and self.is_made_anew:
            return f"{name}: {self.why.value}; delete it, {owner.kind} {owner.name} makes it anew"
        return f"{name}: {self.why.value}; delete it and make it anew"


def stuck(
    pod: WaitingPod, order: MirrorOrder, *, given_at: Mapping[str, datetime], written_at: datetime | None
) -> Stuck | None:
    """Return how a pod waits for want of a mirror's secret; None where it does not, or for other reasons.

    ``given_at``: since when service accounts have it, where Towline gave it to them; ``written_at``: since
    when the secret is as it is.
    """
    name = order.mirror.object_name
    made_at = pod.metadata.creation_timestamp
    if pod.metadata.deletion_timestamp is not None or made_at is None or not _opens(pod, order):
        return None
    owner = pod.owner
    again = owner is not None and owner.kind in _MADE_ANEW
    if name in pod.secrets:
        late = written_at is not None and made_at <= written_at
        return Stuck(pod, Wait.BACKS_OFF, again) if late else None
    given = given_at.get(pod.account)
    if given is None:
        return None
    if made_at <= given + AT_ONCE:
        return Stuck(pod, Wait.MADE_TOO_EARLY, again)
    return Stuck(pod, Wait.HAS_OWN_SECRETS, again) if pod.secrets else None


def _opens(pod: WaitingPod, order: MirrorOrder) -> bool:
    """Whether the secret is for an image that the pod waits for."""
    for image in pod.images_waited_for:
        try:
            if order.address.covers(ImageReference.parse(image)):
                return True
        except InvalidInput:
            continue
    return False


def _written(added: Mapping[str, datetime]) -> str:
    return json.dumps({name: at.isoformat() for name, at in sorted(added.items())}, separators=(",", ":"))
