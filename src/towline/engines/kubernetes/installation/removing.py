"""Taking an installation away: only what an install made, and what holds data only if that is insisted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.engines.kubernetes.cluster import ClusterRefused
from towline.engines.kubernetes.installation import kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from towline.engines.kubernetes.cluster import Cluster
    from towline.engines.kubernetes.installation.kinds import Held, Kind
    from towline.engines.kubernetes.installation.options import Options


@dataclass(frozen=True, slots=True)
class Target:
    """One object that an install made."""

    kind: Kind
    namespace: str
    name: str
    uid: str

    @property
    def subject(self) -> str:
        """What it is called to people."""
        return kinds.subject(self.kind.name, namespace=self.namespace, name=self.name)


@dataclass(frozen=True, slots=True)
class Removal:
    """What goes and what stays, and why some of it could not be looked for."""

    doomed: Sequence[Target]
    kept: Sequence[Target]
    notes: Sequence[str] = ()


async def planned(cluster: Cluster, options: Options, *, with_data: bool) -> Removal:
    """Return what an uninstall would delete, in that order; nothing is changed.

    The namespace always stays: others may have put something there.
    """
    found: list[Target] = []
    notes: list[str] = []
    for kind in kinds.KINDS.values():
        where = "" if kind.name in kinds.ANYWHERE else options.namespace
        try:
            held = await kinds.installed(cluster, kind, options, namespace=where)
        except ClusterRefused as refusal:
            if refusal.status not in (403, 404):
                raise
            notes.append(f"{kind.plural} could not be looked for: {refusal.message}")
            continue
        found += [_target(kind, each) for each in held]
    doomed = [each for each in found if _goes(each.kind, with_data=with_data)]
    return Removal(doomed, [each for each in found if each not in doomed], notes)


async def remove(cluster: Cluster, targets: Sequence[Target], *, tell: Callable[[str], None]) -> None:
    """Delete these very objects: one that was made anew under the same name meanwhile stays."""
    for target in targets:
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Foreground",
            "preconditions": {"uid": target.uid},
        }
        try:
            await cluster.ask("DELETE", target.kind.path(target.namespace, target.name), document=options)
        except ClusterRefused as refusal:
            if refusal.status != 404:
                raise
        tell(f"deleted {target.subject}")


def _target(kind: Kind, held: Held) -> Target:
    return Target(kind, held.metadata.namespace, held.metadata.name, held.metadata.uid)


def _goes(kind: Kind, *, with_data: bool) -> bool:
    return kind.name != "Namespace" and (with_data or not kind.holds_data)
