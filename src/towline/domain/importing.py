"""Logins found on somebody's machine, ready to become docker pull secrets: told apart, and given names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from towline.domain.errors import InvalidInput
from towline.domain.names import secret_name
from towline.domain.pasted import PastedEntry
from towline.domain.registry import RegistryAddress


@dataclass(frozen=True, slots=True)
class Candidate:
    """A login, where it was found, and what its secret would be called."""

    entry: PastedEntry
    source: str
    name: str
    also_in: tuple[str, ...] = ()

    @property
    def registry(self) -> str:
        """The registry's normalised key; as it was written where that is no address."""
        return address_text(self.entry.registry)

    def is_at(self, text: str) -> bool:
        """Whether ``text`` means this one: its name, its registry, or the key it was kept under."""
        written = (self.name, self.entry.registry, self.entry.place)
        return text in written or address_text(text) == self.registry

    def named(self, name: str) -> Candidate:
        """Return the same login under another name."""
        return replace(self, name=name)


def candidates(found: Iterable[tuple[str, PastedEntry]]) -> tuple[Candidate, ...]:
    """Return the logins, each once however many files hold it, under names that differ."""
    kept: list[Candidate] = []
    for source, entry in found:
        same = next((at for at, each in enumerate(kept) if _is_same(each.entry, entry)), None)
        if same is not None:
            if source not in (kept[same].source, *kept[same].also_in):
                kept[same] = replace(kept[same], also_in=(*kept[same].also_in, source))
            continue
        taken = {each.name for each in kept}
        kept.append(Candidate(entry, source, name=_free(_proposed(entry), entry.username, taken)))
    return tuple(kept)


def address_text(registry: str) -> str:
    """Return a registry's normalised key, or the text itself where it is no address."""
    try:
        return (RegistryAddress.parse(registry) if registry else RegistryAddress.hub()).key
    except InvalidInput:
        return registry


def _is_same(one: PastedEntry, other: PastedEntry) -> bool:
    """Whether both are the same login; two that cannot be used are when the same is wrong with them."""
    return (
        address_text(one.registry) == address_text(other.registry)
        and (one.username, one.problem) == (other.username, other.problem)
        and one.password == other.password
    )


def _proposed(entry: PastedEntry) -> str:
    try:
        return secret_name(entry.name)
    except InvalidInput:
        return "docker-hub" if entry.is_hub else _slug(entry.registry) or "registry"


def _free(name: str, username: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    longer = f"{name}-{_slug(username)}".strip("-")[:240]
    numbered = (f"{longer}-{number}" for number in range(2, len(taken) + 3))
    return next(each for each in (longer, *numbered) if each not in taken)


def _slug(text: str) -> str:
    bare = re.sub(r"^[a-z]+://", "", text.lower())
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"/v[12]/?$", "", bare)).strip("-")[:200].strip("-")
