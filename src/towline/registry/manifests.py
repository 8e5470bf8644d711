"""Reading manifests: which platforms an index offers, what an image weighs, whether it can be run.

Spec: opencontainers/image-spec ``manifest.md``, ``image-index.md``; Docker image manifest v2, schema 2.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import msgspec

from towline.domain.causes import FindingCode
from towline.domain.proof import Platform
from towline.registry.cleaning import cleaned
from towline.registry.refusal import Refused

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
ACCEPT = ", ".join((*INDEX_TYPES, *MANIFEST_TYPES))

_CONFIG_TYPES = frozenset(
    {
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
        "application/octet-stream",
        "application/json",
    }
)
"""The two that are meant, and two that old pushers wrote, which docker runs as well."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_MOST_OFFERS = 200
_MOST_SIZE = 1 << 47
"""128 TiB: more is no blob, and a manifest's sum stays a number that every database takes."""
_LONGEST_NAME = 40
_LONGEST_TYPE = 100
_VARIANTS = {
    "amd64": ("v1", ("v1", "v2", "v3", "v4")),
    "arm": ("v7", ("v5", "v6", "v7", "v8")),
    "arm64": ("v8", ("v8", "v9")),
}
"""By architecture: the variant that is meant where none is named, and all of them, oldest first."""


class _Platform(msgspec.Struct):
    os: str = ""
    architecture: str = ""
    variant: str = ""


class _Descriptor(msgspec.Struct):
    digest: str
    size: int = 0
    media_type: str = msgspec.field(name="mediaType", default="")
    platform: _Platform | None = None


class _Document(msgspec.Struct):
    media_type: str = msgspec.field(name="mediaType", default="")
    schema_version: int = msgspec.field(name="schemaVersion", default=0)
    manifests: list[_Descriptor] | None = None
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """One entry of an index."""

    digest: str
    platform: Platform


@dataclass(frozen=True, slots=True)
class Index:
    """What an index offers, attestations left out.

    ``lone`` is the digest of its only entry where that names no platform: its config does then.
    """

    offers: tuple[Offer, ...]
    lone: str = ""

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """Every platform on offer."""
        return tuple(offer.platform for offer in self.offers)

    def choose(self, wanted: Platform) -> Offer:
        """Return the offer for ``wanted``; raise Refused with platform-not-available."""
        if self.lone:
            return Offer(self.lone, wanted)
        same = [offer for offer in self.offers if _fits(offer.platform, wanted)]
        if not same:
            offered = ", ".join(str(platform) for platform in self.platforms) or "no platform"
            raise Refused(FindingCode.PLATFORM_NOT_AVAILABLE, f"wanted {wanted}, the image offers {offered}")
        return max(same, key=lambda offer: _rank(offer.platform))


@dataclass(frozen=True, slots=True)
class Image:
    """A platform's own manifest: its config's digest, the blobs' digests and the sum of sizes in bytes."""

    media_type: str
    config: str
    layers: tuple[tuple[str, int], ...]
    size: int


def digest_of(content: bytes, *, like: str = "sha256:") -> str:
    """Return the digest of ``content`` with the algorithm of ``like``."""
    algorithm = "sha512" if like.startswith("sha512:") else "sha256"
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def sound_digest(text: str) -> str:
    """Return ``text`` where it is a digest, else nothing."""
    return text if _DIGEST.fullmatch(text) else ""


def read(content: bytes, *, content_type: str) -> Index | Image:
    """Return what a manifest says; raise Refused with manifest-not-supported."""
    try:
        document = msgspec.json.decode(content, type=_Document)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _unsupported("the manifest is not sound JSON of its kind") from error
    kind = document.media_type or content_type
    if kind in INDEX_TYPES or (document.manifests is not None and document.config is None):
        return _index(document)
    if document.schema_version == 1:
        raise _unsupported("the manifest is of schema 1, which registries and engines have given up")
    if document.config is None or document.layers is None:
        raise _unsupported(f"the manifest ({kind or 'of no media type'}) names no config and layers")
    return _image(document, kind)


def config_platform(content: bytes) -> Platform | None:
    """Return the platform that an image's config names; None when it names none."""
    try:
        named = msgspec.json.decode(content, type=_Platform)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _unsupported("the image's config is not sound JSON") from error
    return _platform(named) if named.architecture else None


def check_platform(found: Platform | None, wanted: Platform) -> None:
    """Raise Refused with platform-not-available unless a single image fits ``wanted``."""
    if found is not None and not _fits(found, wanted):
        raise Refused(FindingCode.PLATFORM_NOT_AVAILABLE, f"wanted {wanted}, the image is for {found}")


def _fits(offered: Platform, wanted: Platform) -> bool:
    """Whether what was built for ``offered`` runs on ``wanted``: an older variant does on a newer one."""
    if (offered.os or "linux", offered.architecture) != (wanted.os, wanted.architecture):
        return False
    if wanted.architecture not in _VARIANTS:
        return not offered.variant or not wanted.variant or offered.variant == wanted.variant
    return 0 <= _rank(offered) <= _rank(wanted)


def _rank(platform: Platform) -> int:
    """Return how new a variant is among its architecture's; -1 where it is not known."""
    usual, known = _VARIANTS.get(platform.architecture, ("", ()))
    variant = platform.variant or usual
    return known.index(variant) if variant in known else -1


def _index(document: _Document) -> Index:
    offers = []
    for each in (document.manifests or [])[:_MOST_OFFERS]:
        platform = each.platform
        if platform is None or platform.architecture in ("", "unknown"):
            continue
        _check(each)
        offers.append(Offer(each.digest, _platform(platform)))
    listed = document.manifests or []
    if len(listed) == 1 and listed[0].platform is None:
        _check(listed[0])
        return Index((), lone=listed[0].digest)
    return Index(tuple(offers))


def _platform(named: _Platform) -> Platform:
    names = (cleaned(name, most=_LONGEST_NAME) for name in (named.os, named.architecture, named.variant))
    return Platform(*names)


def _image(document: _Document, kind: str) -> Image:
    config, layers = document.config, document.layers
    if config is None or layers is None:
        raise _unsupported("the manifest names no config and layers")
    if config.media_type and config.media_type not in _CONFIG_TYPES:
        raise _unsupported(f"it is an artifact ({config.media_type[:80]!a}), not a container image")
    for each in (config, *layers):
        _check(each)
    size = config.size + sum(each.size for each in layers)
    kind = cleaned(kind, most=_LONGEST_TYPE)
    return Image(kind, config.digest, tuple((each.digest, each.size) for each in layers), size)


def _check(descriptor: _Descriptor) -> None:
    if not _DIGEST.fullmatch(descriptor.digest) or not 0 <= descriptor.size <= _MOST_SIZE:
        raise _unsupported("a descriptor in the manifest holds no sound digest and size")


def _unsupported(detail: str) -> Refused:
    return Refused(FindingCode.MANIFEST_NOT_SUPPORTED, detail, accepted=True)
