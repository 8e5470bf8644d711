"""Why a file has nothing for an image: the keys that come near and do not count."""

from __future__ import annotations

from collections.abc import Iterator

from towline.domain.image import HUB, ImageReference
from towline.domain.readers.config_file import ConfigFile
from towline.domain.readers.keys import HUB_HOSTS, PSEUDO_KEYS, host_of, server_key
from towline.domain.readers.rules import Rules

_MOST = 5


def why_none(file: ConfigFile, image: ImageReference, rules: Rules) -> tuple[str, ...]:
    """Return one line for each of the keys that look as if they were meant, else one that there is none."""
    near = tuple(_near(file, image, rules))[:_MOST]
    return near or (f"no key fits {image.registry}",)


def _near(file: ConfigFile, image: ImageReference, rules: Rules) -> Iterator[str]:
    wanted = server_key(image)
    for key in file.auths:
        host = host_of(key)
        if key in PSEUDO_KEYS:
            continue
        if image.registry == HUB:
            if host.lower() in HUB_HOSTS:
                yield f"{rules.title} does not take the key {key[:200]!r} for Docker Hub; write {wanted}"
        elif host == image.registry:
            yield f"the key {key[:200]!r} has the right host, but {rules.title} compares its path"
        elif host.lower() == image.registry.lower():
            yield f"the key {key[:200]!r} differs in letter case, which counts"
        elif host.partition(":")[0] == image.registry.partition(":")[0]:
            yield f"the key {key[:200]!r} is for another port, which belongs to the name"
        elif "*" in host:
            yield f"the key {key[:200]!r} is a pattern that does not fit, or that {rules.title} does not know"
