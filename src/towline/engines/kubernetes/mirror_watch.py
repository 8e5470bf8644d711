"""What a cluster shows of mirrors, by namespace: Towline's copies, service accounts, pods that wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from towline.engines.kubernetes import naming, texts
from towline.engines.kubernetes.mirror_seen import WAITING_PODS, SeenAccount, WaitingPod
from towline.engines.kubernetes.seen import Metadata, SeenNamespace, SeenSecret, version_of
from towline.engines.kubernetes.watching import Sink, Stream

if TYPE_CHECKING:
    from towline.engines.kubernetes.cluster import Cluster
    from towline.engines.kubernetes.naming import Names

Kept = SeenNamespace | SeenSecret | SeenAccount | WaitingPod


class MirrorWatch:
    """Four streams, and what they told. ``touched`` hears which namespace looks different now, ``troubled``
    that a stream does not come, or comes again.
    """

    def __init__(
        self,
        cluster: Cluster,
        names: Names,
        *,
        jitter: Callable[[], float],
        touched: Callable[[str], None],
        troubled: Callable[[], None],
    ) -> None:
        self._cluster = cluster
        self._names = names
        self._jitter = jitter
        self._touched = touched
        self._troubled = troubled
        self._troubles: dict[type, str] = {}
        self._kept: dict[type, dict[str, dict[str, Any]]] = {kind: {} for kind in self._kinds()}
        self._listed = {kind: asyncio.Event() for kind in self._kept}

    @property
    def is_complete(self) -> bool:
        """Whether everything was listed once."""
        return all(listed.is_set() for listed in self._listed.values())

    @property
    def trouble(self) -> str:
        """Why the cluster cannot be watched, empty where it can."""
        return next(iter(self._troubles.values()), "")

    def forget(self) -> None:
        """Forget what an earlier run saw: others may have changed it since."""
        self._troubles.clear()
        for kind, listed in self._listed.items():
            self._kept[kind] = {}
            listed.clear()

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Open the streams and return when everything was listed once."""
        sink = Sink(self._replace, self._note, self._forget, self._health)
        copies = f"{self._names.selector},{naming.MIRROR}"
        for kind in self._kept:
            stream = Stream(
                self._cluster,
                kind,
                sink,
                namespace=self._names.namespace or None,
                labels=copies if kind is SeenSecret else "",
                fields=WAITING_PODS if kind is WaitingPod else "",
                jitter=self._jitter,
            )
            group.create_task(stream.run())
        for listed in self._listed.values():
            await listed.wait()

    def namespace(self, name: str) -> SeenNamespace | None:
        """Return a namespace; where Towline has one for all projects, that one must be there."""
        if self._names.namespace:
            return SeenNamespace(Metadata(name=name)) if name == self._names.namespace else None
        return self._kept[SeenNamespace].get(name, {}).get(name)

    def namespaces(self) -> Iterable[SeenNamespace]:
        """Return every namespace that is known."""
        if self._names.namespace:
            return (SeenNamespace(Metadata(name=self._names.namespace)),)
        return [each for within in self._kept[SeenNamespace].values() for each in within.values()]

    def copies(self, namespace: str) -> Mapping[str, SeenSecret]:
        """Return the Secrets of a namespace that have the labels of copies, by name."""
        return self._kept[SeenSecret].get(namespace, {})

    def all_copies(self) -> Iterable[SeenSecret]:
        """Return the same for all namespaces."""
        return [each for within in self._kept[SeenSecret].values() for each in within.values()]

    def accounts(self, namespace: str) -> Mapping[str, SeenAccount]:
        """Return a namespace's service accounts by name."""
        return self._kept[SeenAccount].get(namespace, {})

    def marked(self, annotation: str) -> Iterable[SeenAccount]:
        """Return the service accounts, of all namespaces, that have an annotation."""
        every = (each for within in self._kept[SeenAccount].values() for each in within.values())
        return [each for each in every if each.metadata.annotation(annotation)]

    def pods(self, namespace: str) -> Iterable[WaitingPod]:
        """Return a namespace's pods that have not begun."""
        return tuple(self._kept[WaitingPod].get(namespace, {}).values())

    def learn(self, seen: SeenSecret | SeenAccount) -> None:
        """Take over what an answer told before the watch does."""
        self._kept[type(seen)].setdefault(_place(seen), {})[seen.metadata.name] = seen

    def _health(self, kind: Any, trouble: str) -> None:  # noqa: ANN401
        before = self.trouble
        self._troubles.pop(kind, None)
        if trouble:
            self._troubles[kind] = texts.shown(f"{kind.PLURAL} of the cluster cannot be watched: {trouble}")
        if self.trouble != before:
            self._troubled()

    def _kinds(self) -> tuple[type, ...]:
        rest = (SeenSecret, SeenAccount, WaitingPod)
        return rest if self._names.namespace else (SeenNamespace, *rest)

    def _replace(self, kind: type, items: Iterable[Any]) -> None:
        before, after = self._kept[kind], dict[str, dict[str, Any]]()
        for item in items:
            after.setdefault(_place(item), {})[item.metadata.name] = item
        self._kept[kind] = after
        self._listed[kind].set()
        for namespace in before.keys() | after.keys():
            if before.get(namespace) != after.get(namespace):
                self._touched(namespace)

    def _note(self, seen: Kept) -> None:
        within = self._kept[type(seen)].setdefault(_place(seen), {})
        known = within.get(seen.metadata.name)
        if known is None or version_of(known.metadata) <= version_of(seen.metadata):
            within[seen.metadata.name] = seen
            self._touched(_place(seen))

    def _forget(self, seen: Kept) -> None:
        within = self._kept[type(seen)].get(_place(seen), {})
        known = within.get(seen.metadata.name)
        if known is not None and known.metadata.uid == seen.metadata.uid:
            del within[seen.metadata.name]
        self._touched(_place(seen))


def _place(seen: Kept) -> str:
    """Return the namespace that an object is in, or is."""
    return seen.metadata.namespace or seen.metadata.name
