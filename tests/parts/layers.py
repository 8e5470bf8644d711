"""A tiny image, unpacked: a static busybox, so that engines can be tested without a registry.

``LayerImages`` is a second implementation of the embedded engine's pull side, for one image only.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.errors import PullRefused
from towline.domain.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from towline.domain.deployment import LayerProgress
    from towline.domain.image import ImageReference
    from towline.domain.workload import PullAccess

BUSYBOX = Path("/bin/busybox")
DIGEST = "sha256:" + "b" * 64
IMAGE = f"registry.test/busybox@{DIGEST}"

_COMMANDS = (
    "cat",
    "dd",
    "echo",
    "env",
    "false",
    "grep",
    "hostname",
    "id",
    "kill",
    "ls",
    "mkdir",
    "mount",
    "sh",
    "sleep",
    "touch",
    "true",
    "wc",
    "yes",
)
_PASSWD = "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/srv/app:/bin/sh\n"
_GROUP = "root:x:0:\nextra:x:50:app\napp:x:1000:\n"


@dataclass(frozen=True, slots=True)
class Config:
    """What the image says about how it is to be run."""

    entrypoint: tuple[str, ...] = ("/bin/sh",)
    cmd: tuple[str, ...] = ("-c", "echo nothing to do")
    environment: Mapping[str, str] = field(default_factory=lambda: {"GREETING": "hello from the image"})
    user: str = "app"
    working_dir: str = "/srv/app"
    stop_signal: str = "SIGINT"


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The image."""

    digest: str
    config: Config
    layers: tuple[Path, ...]


class LayerImages:
    """Holds the one image; anything else is not to be had."""

    def __init__(self, root: Path, *, user: str = "app") -> None:
        self.image = Unpacked(DIGEST, Config(user=user), layers=make_layers(root))
        self.kept: frozenset[str] | None = None

    async def local(self, image: ImageReference) -> Unpacked | None:
        return self.image if image.digest == DIGEST else None

    async def pull(
        self,
        image: ImageReference,
        access: PullAccess,
        *,
        progress: Callable[[Sequence[LayerProgress]], None],
    ) -> Unpacked:
        progress(())
        raise PullRefused(Finding(FindingCode.TAG_NOT_FOUND, image=str(image), detail=access.settings.netloc))

    async def collect(self, keep: Collection[str]) -> None:
        self.kept = frozenset(keep)


def make_layers(root: Path) -> tuple[Path, ...]:
    """Make two layers, programs below and settings above."""
    programs, settings = root / "programs", root / "settings"
    (programs / "bin").mkdir(parents=True)
    shutil.copy(BUSYBOX, programs / "bin" / "busybox")
    for command in _COMMANDS:
        (programs / "bin" / command).symlink_to("busybox")
    (programs / "bin" / "foreign").write_bytes(b"\x7fELF of another processor")
    (programs / "bin" / "foreign").chmod(0o755)
    (settings / "etc").mkdir(parents=True)
    (settings / "etc" / "passwd").write_text(_PASSWD)
    (settings / "etc" / "group").write_text(_GROUP)
    return programs, settings
