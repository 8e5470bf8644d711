"""The Docker Engine with a tiny private image: a real daemon, a real registry with a password."""

from __future__ import annotations

import base64
import itertools
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine_lab import workload

from parts import layers
from parts.dockerd import Dockerd, running_dockerd
from parts.images import folders_layout
from parts.registry import PASSWORD, USER, RealRegistry, htpasswd_auth, push, running_registry
from towline.domain.credential import Credential, Password
from towline.domain.proof import Platform
from towline.domain.registry import RegistrySettings
from towline.domain.workload import PullAccess, Workload
from towline.engines.docker.address import EngineAddress
from towline.engines.docker.engine import DockerEngine
from towline.registry import Registry

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Place:
    """What all tests share: the Engine, the registry, and the image pushed there."""

    dockerd: Dockerd
    registry: RealRegistry
    image: str
    layout: Path
    folder: Path

    def access(self, *, user: str = USER, password: str = PASSWORD) -> PullAccess:
        """Return with what the registry is asked."""
        settings = RegistrySettings.default(self.registry.netloc)
        return PullAccess(settings, Credential(user, Password(password)), plain_http=True)


@contextmanager
def docker_place(
    folder: Path, engine: Callable[[], AbstractContextManager[Dockerd]] = running_dockerd
) -> Iterator[Place]:
    """Run daemon and registry, with the image of the suite in it."""
    config = layers.Config()
    layout = folders_layout(
        folder / "layout",
        layers.make_layers(folder / "rootfs"),
        config={
            "Entrypoint": config.entrypoint,
            "Cmd": config.cmd,
            "Env": ["PATH=/bin", *(f"{name}={value}" for name, value in config.environment.items())],
            "User": config.user,
            "WorkingDir": config.working_dir,
            "StopSignal": config.stop_signal,
        },
    )
    with engine() as dockerd, running_registry(folder, auth=htpasswd_auth(folder)) as registry:
        reference = push(registry, layout, "team/lab:1")
        yield Place(dockerd, registry, f"{reference}@{digest_in(layout)}", layout, folder)


def digest_in(layout: Path) -> str:
    """Return the digest of the one image in a layout."""
    index = json.loads((layout / "index.json").read_text())
    return str(index["manifests"][0]["digest"])


def fresh_layout(folder: Path) -> Path:
    """Return an image of two layers that nobody has seen before."""
    first, second = layers.make_layers(folder / "rootfs")
    for each in (first, second):
        (each / f"mark-{each.name}").write_text(secrets.token_hex(8))
    config = {"Entrypoint": ["/bin/sh"], "Env": ["PATH=/bin"], "User": "app"}
    return folders_layout(folder / "layout", (first, second), config=config)


def forms_of_password() -> tuple[str, ...]:
    """Return the ways in which the registry's password could stand somewhere."""
    pair = f"{USER}:{PASSWORD}".encode()
    return PASSWORD, json.dumps(PASSWORD)[1:-1], base64.b64encode(pair).decode(), quote(PASSWORD)


class DockerLab:
    """Makes engines of one installation on the place's Engine, and workloads for them."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.installation = f"t{secrets.token_hex(3)}{next(_NUMBERS)}"
        self.registry = Registry()
        self.engine = self.another()

    def another(self, **changes: Any) -> DockerEngine:
        """Return an engine of the same installation."""
        settings = {"tokens": self.registry.tokens, "network": "host", **changes}
        address = settings.pop("address", EngineAddress.parse(self.place.dockerd.host))
        return DockerEngine(
            address,
            installation=self.installation,
            platform=Platform("linux", "amd64"),
            clock=lambda: datetime.now(UTC),
            memory=self.place.folder / f"images-{self.installation}.json",
            **settings,
        )

    def workload(self, script: str, **changes: Any) -> Workload:
        """Return a workload that runs a shell script in the private image."""
        access = changes.pop("access", self.place.access())
        image = changes.pop("image", self.place.image)
        made = workload(script, image=image, **changes)
        return replace(made, executables=tuple(replace(run, access=access) for run in made.executables))

    def containers(self) -> list[Any]:
        """Return what the Engine itself lists of this installation."""
        return self.place.dockerd.containers(installation=self.installation)

    async def close(self) -> None:
        """Remove everything and let go."""
        await self.engine.close()
        await self.registry.close()
        self.place.dockerd.sweep(installation=self.installation)
