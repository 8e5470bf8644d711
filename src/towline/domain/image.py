"""Image references: parsing and normalising as docker does.

Grammar and rules: distribution/reference ``reference.go``, ``normalize.go``, ``regexp.go``. A
reference has no scheme; ``docker.io`` and one-part names are completed; tag and digest may stand
together, then the digest decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Self

from towline.domain.errors import InvalidInput

HUB = "docker.io"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_IMAGE_ID = re.compile(r"[0-9a-f]{64}")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_LABEL = r"(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[A-Fa-f0-9:]+\])(?::(?P<port>[0-9]{{1,5}}))?")

_EXAMPLE = (
    "write it as [HOST[:PORT]/]PATH[:TAG][@sha256:DIGEST], for example registry.example.com/team/app:1.0"
)


@dataclass(frozen=True, slots=True)
class ImageReference:
    """A normalised image reference: ``registry`` is ``host[:port]``, Docker Hub is ``docker.io``.

    At least one of ``tag`` and ``digest`` is set: no tag and no digest means ``latest``.
    """

    registry: str
    repository: str
    tag: str | None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str, *, field: str = "image") -> Self:
        """Return the normalised reference, or raise InvalidInput that says what is wrong with it."""
        _refuse_obvious_mistakes(text, field)
        name, digest = _cut_digest(text, field)
        registry, rest = _cut_registry(name)
        path, tag = _cut_tag(rest, field)
        if not _PATH.fullmatch(path):
            raise InvalidInput(field, problem=_path_problem(path), rule=_EXAMPLE)
        _check_host(registry, field)
        if registry == HUB and "/" not in path:
            path = f"library/{path}"
        if len(path) > 255:
            raise InvalidInput(
                field, problem=f"the repository path is {len(path)} characters long", rule="use at most 255"
            )
        return cls(registry, path, tag=tag or (None if digest else "latest"), digest=digest)

    @property
    def reference(self) -> str:
        """What stands in a manifest URL: the digest where there is one, else the tag."""
        return self.digest or self.tag or "latest"

    @property
    def name(self) -> str:
        """``registry/repository`` without tag and digest."""
        return f"{self.registry}/{self.repository}"

    def pinned(self, digest: str) -> Self:
        """Return the same image fixed to ``digest``."""
        return replace(self, digest=digest)

    def familiar(self) -> str:
        """Return the short form that people write: ``nginx:1.27`` for ``docker.io/library/nginx:1.27``."""
        name = self.name
        if self.registry == HUB:
            name = self.repository.removeprefix("library/")
        return f"{name}{self._suffix()}"

    def __str__(self) -> str:
        return f"{self.name}{self._suffix()}"

    def _suffix(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{tag}@{self.digest}" if self.digest else tag


def _refuse_obvious_mistakes(text: str, field: str) -> None:
    if not text:
        raise InvalidInput(field, problem="is empty", rule=_EXAMPLE)
    if scheme := _SCHEME.match(text):
        raise InvalidInput(
            field,
            problem=f"an image reference has no scheme ('{scheme[1]}://')",
            rule="leave the scheme out; whether a registry speaks plain HTTP is said in its secret",
        )
    if text != text.strip() or any(letter.isspace() for letter in text):
        raise InvalidInput(field, problem="holds blanks or line ends", rule=_EXAMPLE)
    if _IMAGE_ID.fullmatch(text):
        raise InvalidInput(
            field, problem="is an image id, which no registry can look up", rule="give repository and tag"
        )
    if not text.isascii() or not text.isprintable():
        raise InvalidInput(field, problem=f"{text[:60]!a} holds characters no image name has", rule=_EXAMPLE)
    if len(text) > 1024:
        raise InvalidInput(field, problem=f"is {len(text)} characters long", rule=_EXAMPLE)


def _cut_digest(text: str, field: str) -> tuple[str, str | None]:
    name, at, digest = text.partition("@")
    if not at:
        return name, None
    if not _DIGEST.fullmatch(digest):
        raise InvalidInput(
            field,
            problem=f"{digest[:80]!a} is not a digest",
            rule="a digest is 'sha256:' and 64 hexadecimal digits in lower case",
        )
    return name, digest


def _cut_registry(name: str) -> tuple[str, str]:
    """Cut at the first slash if the part before it can only be a registry."""
    first, slash, rest = name.partition("/")
    looks_like_host = "." in first or ":" in first or first == "localhost" or first != first.lower()
    if not slash or not looks_like_host:
        return HUB, name
    return (HUB if first in ("index.docker.io", "docker.io") else first), rest


def _cut_tag(rest: str, field: str) -> tuple[str, str | None]:
    path, colon, tag = rest.partition(":")
    if not colon:
        return path, None
    if not _TAG.fullmatch(tag):
        raise InvalidInput(
            field,
            problem=f"{tag[:140]!a} is not a tag",
            rule="use at most 128 letters, digits, '_', '.' and '-', not beginning with '.' or '-'",
        )
    return path, tag


def _check_host(registry: str, field: str) -> None:
    match = _HOST.fullmatch(registry)
    if not match:
        raise InvalidInput(field, problem=f"{registry[:80]!a} is not a registry host", rule=_EXAMPLE)
    port = match["port"]
    if port and not 1 <= int(port) <= 65535:
        raise InvalidInput(field, problem=f"port {port} does not exist", rule="use a port from 1 to 65535")


def _path_problem(path: str) -> str:
    if not path:
        return "names no repository"
    if path != path.lower():
        return f"the repository {path[:80]!a} has capital letters, which registries refuse"
    return f"{path[:80]!a} is not a repository path"
