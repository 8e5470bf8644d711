"""Which key of ``auths`` belongs to an image: three ways, each reader has one of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from towline.domain.image import HUB, ImageReference
from towline.domain.registry import HUB_KEY

HUB_HOSTS = ("docker.io", "index.docker.io", "registry-1.docker.io")
PSEUDO_KEYS = (f"{HUB_KEY}access-token", f"{HUB_KEY}refresh-token")
"""Docker Hub's browser login keeps its own two tokens here; they open no registry."""


@dataclass(frozen=True, slots=True)
class Match:
    """A key that a reader takes for an image, and by which rule."""

    key: str
    rule: str


KeysOf = Callable[[Iterable[str], ImageReference], tuple[Match, ...]]
"""Returns the keys that belong to an image, in the order in which they are tried."""


def server_key(image: ImageReference) -> str:
    """Return under which name docker looks an image's registry up."""
    return HUB_KEY if image.registry == HUB else image.registry


def exact_key(keys: Iterable[str], image: ImageReference) -> tuple[Match, ...]:
    """Match the registry's own name alone."""
    wanted = server_key(image)
    return (Match(wanted, _exactly(wanted)),) if wanted in set(keys) else ()


def by_host(keys: Iterable[str], image: ImageReference) -> tuple[Match, ...]:
    """Match as docker does: the registry's name, else any key whose host part equals it."""
    wanted, known = server_key(image), list(keys)
    if wanted in known:
        return (Match(wanted, _exactly(wanted)),)
    return tuple(
        Match(key, f"the host of the key {key!r} is the image's registry; paths and schemes play no role")
        for key in known
        if host_of(key) == wanted
    )


def by_path(keys: Iterable[str], image: ImageReference) -> tuple[Match, ...]:
    """Match as podman does: the longest path that ends at a slash, then any spelling of the host."""
    known = list(keys)
    name = image.name
    while name:
        if name in known:
            whole = "the whole repository" if name == image.name else "the longest part of the path"
            return (Match(name, f"the key is {whole if '/' in name else 'the registry'}"),)
        name = name.rpartition("/")[0]
    wanted = _one_hub(image.registry)
    return tuple(_spelt(key) for key in known if _one_hub(_without_scheme(key)) == wanted)


def by_spelling(keys: Iterable[str], image: ImageReference) -> tuple[Match, ...]:
    """Match as podman does in a ``.dockercfg``: the host alone, in any spelling."""
    known = list(keys)
    if image.registry in known:
        return (Match(image.registry, _exactly(image.registry)),)
    wanted = _one_hub(image.registry)
    return tuple(
        _spelt(key) for key in known if _one_hub(re.sub(r"^https?://", "", key).partition("/")[0]) == wanted
    )


def by_pattern(keys: Iterable[str], image: ImageReference) -> tuple[Match, ...]:
    """Match as the kubelet does: labels as globs, the path as a plain prefix, later names first."""
    cut = sorted(((_cut(key), key) for key in keys), key=lambda pair: pair[0], reverse=True)
    found = tuple(Match(key, _pattern_rule(short)) for short, key in cut if _pattern_fits(short, image))
    if found or image.registry != HUB:
        return found
    fallback = "no other key fits, and a key of host index.docker.io is the last resort for Docker Hub"
    return tuple(Match(key, fallback) for short, key in cut if short == "index.docker.io")


def host_of(key: str) -> str:
    """Return ``host[:port]`` of a key with or without scheme and path."""
    return re.split(r"[/?#]", key.partition("://")[2] if "://" in key else key, maxsplit=1)[0]


def _exactly(wanted: str) -> str:
    if wanted == HUB_KEY:
        return f"the image is on Docker Hub, whose key is exactly {HUB_KEY}"
    return "the key is exactly the image's registry"


def _spelt(key: str) -> Match:
    return Match(key, f"the key {key!r} is another spelling of the image's registry")


def _one_hub(host: str) -> str:
    return HUB if host in HUB_HOSTS else host


def _without_scheme(key: str) -> str:
    """Return a key's host where it has a scheme; without one its path stays and keeps it from matching."""
    bare = re.sub(r"^https?://", "", key)
    return bare if bare == key else bare.partition("/")[0]


def _cut(key: str) -> str:
    """Return a key as the kubelet keeps it: no scheme, no ``/v1/`` or ``/v2/``, no single slash."""
    bare = re.split(r"[?#]", re.sub(r"^https?://", "", key), maxsplit=1)[0]
    host, slash, path = bare.partition("/")
    path = re.sub(r"^/v[12]/", "/", slash + path)
    return host if path in ("", "/") else host + path


def _pattern_fits(short: str, image: ImageReference) -> bool:
    host, slash, path = short.partition("/")
    labels, port = _labels(host)
    wanted_labels, wanted_port = _labels(image.registry)
    return (
        port == wanted_port
        and len(labels) == len(wanted_labels)
        and f"/{image.repository}".startswith(slash + path)
        and all(_glob_fits(label, wanted) for label, wanted in zip(labels, wanted_labels, strict=True))
    )


def _labels(host: str) -> tuple[list[str], str]:
    name, colon, port = host.rpartition(":")
    if not colon or "]" in port:
        return host.split("."), ""
    return name.split("."), port


def _glob_fits(label: str, wanted: str) -> bool:
    """Whether a label with stars is ``wanted``; in time that grows with both lengths, not exponentially."""
    first, *rest = label.split("*")
    if not rest:
        return label == wanted
    *between, last = rest
    end = len(wanted) - len(last)
    if not wanted.startswith(first) or not wanted.endswith(last) or end < len(first):
        return False
    at = len(first)
    for part in between:
        place = wanted.find(part, at, end)
        if place < 0:
            return False
        at = place + len(part)
    return True


def _pattern_rule(short: str) -> str:
    if "*" in short:
        return f"the pattern {short!r} fits: each * stands for one part between dots"
    if "/" in short:
        return f"the image begins with {short!r}, compared as plain text"
    return "the key is the image's registry"
