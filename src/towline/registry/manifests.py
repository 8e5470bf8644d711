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
from towline.registry.conversation import Refused

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
    {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_USUAL_VARIANTS = {"arm64": "v8", "arm": "v7"}


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
    """What an index offers, entries without a platform (attestations) left out."""

    offers: tuple[Offer, ...]

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """Every platform on offer."""
        return tuple(offer.platform for offer in self.offers)

    def choose(self, wanted: Platform) -> Offer:
        """Return the offer for ``wanted``; raise Refused with platform-not-available."""
        same = [offer for offer in self.offers if _fits(offer.platform, wanted)]
        if not same:
            offered = ", ".join(str(platform) for platform in self.platforms) or "no platform"
            raise Refused(FindingCode.PLATFORM_NOT_AVAILABLE, f"wanted {wanted}, the image offers {offered}")
        return next((offer for offer in same if offer.platform.variant == wanted.variant), same[0])


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
    return Platform(named.os, named.architecture, named.variant) if named.architecture else None


def check_platform(found: Platform | None, wanted: Platform) -> None:
    """Raise Refused with platform-not-available unless a single image fits ``wanted``."""
    if found is not None and not _fits(found, wanted):
        raise Refused(FindingCode.PLATFORM_NOT_AVAILABLE, f"wanted {wanted}, the image is for {found}")


def _fits(offered: Platform, wanted: Platform) -> bool:
    if (offered.os or "linux", offered.architecture) != (wanted.os, wanted.architecture):
        return False
    usual = _USUAL_VARIANTS.get(wanted.architecture, "")
    return not offered.variant or offered.variant in (wanted.variant, usual) or not (wanted.variant or usual)


def _index(document: _Document) -> Index:
    offers = []
    for each in document.manifests or []:
        platform = each.platform
        if platform is None or platform.architecture in ("", "unknown"):
            continue
        _check(each)
        offers.append(Offer(each.digest, Platform(platform.os, platform.architecture, platform.variant)))
    return Index(tuple(offers))


def _image(document: _Document, kind: str) -> Image:
    config, layers = document.config, document.layers
    if config is None or layers is None:
        raise _unsupported("the manifest names no config and layers")
    if config.media_type and config.media_type not in _CONFIG_TYPES:
        raise _unsupported(f"it is an artifact ({config.media_type[:80]!a}), not a container image")
    for each in (config, *layers):
        _check(each)
    size = config.size + sum(each.size for each in layers)
    return Image(kind, config.digest, tuple((each.digest, each.size) for each in layers), size)


def _check(descriptor: _Descriptor) -> None:
    if not _DIGEST.fullmatch(descriptor.digest) or descriptor.size < 0:
        raise _unsupported("a descriptor in the manifest holds no sound digest and size")


def _unsupported(detail: str) -> Refused:
    return Refused(FindingCode.MANIFEST_NOT_SUPPORTED, detail, accepted=True)
