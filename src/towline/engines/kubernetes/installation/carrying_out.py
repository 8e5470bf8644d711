"""Applying an installation to a cluster: server-side, under a field manager of its own, one step at a time.

What is there already and was not made by an install is left alone and said. The keyring is created once and
never written again; a volume keeps its class and never shrinks; what an earlier install made and this one
does not name any more is removed, unless it holds data.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from towline.domain.errors import Conflict, InvalidInput, NotAllowed
from towline.engines.kubernetes.cluster import ClusterRefused
from towline.engines.kubernetes.installation import keyring, kinds, manifests, workload
from towline.engines.kubernetes.installation.options import MANAGED_BY, MANAGER
from towline.engines.kubernetes.quantities import amount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from towline.domain.credential import Password
    from towline.engines.kubernetes.cluster import Cluster
    from towline.engines.kubernetes.installation.kinds import Held, Kind
    from towline.engines.kubernetes.installation.options import Options

_PRUNED = ("Ingress", "RoleBinding", "Role", "ClusterRoleBinding", "ClusterRole")


class Outcome(StrEnum):
    """What became of one object."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    KEPT = "kept"
    REMOVED = "removed"
    ACCEPTED = "accepted"
    UNCHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Step:
    """One object and what became of it; ``why`` where that is not plain."""

    subject: str
    outcome: Outcome
    why: str = ""


class CarryingOut:
    """One install. A trial asks the API server to check everything and to keep nothing (``dryRun=All``)."""

    def __init__(
        self,
        cluster: Cluster,
        options: Options,
        *,
        tell: Callable[[Step], None],
        force: bool = False,
        is_trial: bool = False,
    ) -> None:
        self._cluster = cluster
        self._options = options
        self._tell = tell
        self._force = force
        self._params = {"fieldManager": MANAGER} | ({"dryRun": "All"} if is_trial else {})
        self._is_trial = is_trial

    async def apply(self, *, fresh: Callable[[], Password], may_replace: bool = False) -> None:
        """Apply everything; ``fresh`` makes a keyring, where none is there.

        Raises Conflict, NotAllowed or InvalidInput that name the object.
        """
        documents = manifests.documents(self._options)
        held = {kinds.place_of(each): await self._held(each) for each in documents}
        for document in documents:
            _refuse_strangers(document, held[kinds.place_of(document)])
        for document in documents:
            before = held[kinds.place_of(document)]
            await self._apply(document, before)
            if document["kind"] == "Namespace":
                if before is None and self._is_trial:
                    self._skip(documents)
                    return
                await self._keep_keyring(fresh, may_replace=may_replace)
        await self._prune({kinds.place_of(each) for each in documents})

    async def _held(self, document: Mapping[str, Any]) -> Held | None:
        with _about(document):
            return await kinds.held(self._cluster, kinds.place_of(document))

    async def _apply(self, document: dict[str, Any], before: Held | None) -> None:
        subject = kinds.subject_of(document)
        if document["kind"] == "Namespace" and before is not None and not before.is_ours:
            self._tell(Step(subject, Outcome.KEPT, "it was there; its labels are left as they are"))
            return
        if document["kind"] == "PersistentVolumeClaim" and before is not None:
            _fit_to_volume(document, before)
        params = self._params | ({"force": "true"} if self._force else {})
        with _about(document):
            answer = await self._cluster.ask(
                "PATCH", kinds.place_of(document), document=document, params=params
            )
        after = msgspec.json.decode(answer, type=kinds.Held).metadata
        self._tell(Step(subject, self._outcome(before, after.resource_version)))

    def _outcome(self, before: Held | None, version: str) -> Outcome:
        if self._is_trial:
            return Outcome.ACCEPTED
        if before is None:
            return Outcome.CREATED
        return Outcome.UNCHANGED if version == before.metadata.resource_version else Outcome.CHANGED

    def _skip(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """Say of everything that belongs in a namespace that is not there that it cannot be tried."""
        for document in documents[1:]:
            self._tell(Step(kinds.subject_of(document), Outcome.UNCHECKED, "its namespace is not there yet"))

    async def _keep_keyring(self, fresh: Callable[[], Password], *, may_replace: bool) -> None:
        """Make the keyring where there is none; one that is there is never written to.

        Raises Conflict when it is gone and the database that needs it is not.
        """
        options = self._options
        path = kinds.KINDS["Secret"].path(options.namespace, options.keyring_secret)
        subject = kinds.subject("Secret", namespace=options.namespace, name=options.keyring_secret)
        there = await kinds.held(self._cluster, path)
        if there is not None:
            if workload.KEYRING_FILE not in (there.data or {}):
                raise Conflict(f"{subject} holds no {workload.KEYRING_FILE}; put the keyring there")
            self._tell(Step(subject, Outcome.KEPT, "a keyring that is there is never written again"))
            return
        claim = kinds.KINDS["PersistentVolumeClaim"].path(options.namespace, workload.claim_name(options))
        if not may_replace and await kinds.held(self._cluster, claim) is not None:
            raise Conflict(
                f"{subject} is gone, and without it nothing that the database keeps can be opened; "
                "restore it from a backup, or give up what was kept: --new-keyring"
            )
        document = keyring.document(options, fresh())
        with _about(document):
            await self._create(document)
        self._tell(Step(subject, Outcome.ACCEPTED if self._is_trial else Outcome.CREATED, "back it up"))

    async def _create(self, document: Mapping[str, Any]) -> None:
        """Create the keyring: of two installs at once one loses, and overwrites nothing."""
        path = kinds.kind_of(document).path(document["metadata"]["namespace"])
        await self._cluster.ask("POST", path, document=document, params=self._params)

    async def _prune(self, wanted: set[str]) -> None:
        """Remove what an install of this name made before and is not wanted any more."""
        for name in _PRUNED:
            kind = kinds.KINDS[name]
            where = "" if name in kinds.ANYWHERE else self._options.namespace
            try:
                found = await kinds.installed(self._cluster, kind, self._options, namespace=where)
            except ClusterRefused as refusal:
                if refusal.status != 403:
                    raise
                why = f"whether an earlier install left any cannot be seen: {refusal.message}"
                self._tell(Step(kind.plural, Outcome.UNCHECKED, why))
                continue
            for each in found:
                await self._prune_one(kind, each, wanted)

    async def _prune_one(self, kind: Kind, held: Held, wanted: set[str]) -> None:
        metadata = held.metadata
        path = kind.path(metadata.namespace, metadata.name)
        if path in wanted:
            return
        params = {"dryRun": "All"} if self._is_trial else None
        await self._cluster.ask("DELETE", path, params=params)
        subject = kinds.subject(kind.name, namespace=metadata.namespace, name=metadata.name)
        self._tell(Step(subject, Outcome.REMOVED, "the options do not ask for it any more"))


def _refuse_strangers(document: Mapping[str, Any], held: Held | None) -> None:
    """Raise Conflict where an object of that name is somebody else's, or on its way out."""
    if held is None:
        return
    subject = kinds.subject_of(document)
    if held.metadata.deletion_timestamp is not None:
        raise Conflict(f"{subject} is being deleted; try again when it is gone")
    if document["kind"] != "Namespace" and not held.is_ours:
        owner = held.metadata.label(MANAGED_BY) or "somebody else"
        raise Conflict(f"{subject} is there and belongs to {owner}; choose another --name or --namespace")


def _fit_to_volume(document: dict[str, Any], held: Held) -> None:
    """Let a volume that is there keep what cannot change; raise Conflict where that was asked for."""
    spec, kept = document["spec"], held.spec.get("storageClassName")
    if spec.get("storageClassName", kept) != kept:
        raise Conflict(
            f"{kinds.subject_of(document)} has the storage class {kept}, which cannot change; "
            f"say --storage-class {kept}"
        )
    if kept is not None:
        spec["storageClassName"] = kept
    size = held.spec.get("resources", {}).get("requests", {}).get("storage", "0")
    if amount(size) > amount(spec["resources"]["requests"]["storage"]):
        spec["resources"] = {"requests": {"storage": size}}


@contextlib.contextmanager
def _about(document: Mapping[str, Any]) -> Iterator[None]:
    """Say of a refusal which object it is about, and what would be right."""
    subject = kinds.subject_of(document)
    try:
        yield
    except ClusterRefused as refusal:
        said = f"{subject}: {refusal.message or refusal.reason}"
        if refusal.status == 409:
            hint = "--force-conflicts takes these fields over" if "conflict" in said else "try again"
            raise Conflict(f"{said}; {hint}") from refusal
        if refusal.status == 403:
            hint = "install as somebody who has the rights that Towline is given, such as a cluster admin"
            raise NotAllowed(f"{said}; {hint}") from refusal
        if refusal.status in (400, 404, 422):
            raise InvalidInput(subject, problem=refusal.message or refusal.reason) from refusal
        raise
