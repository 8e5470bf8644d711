"""A real Docker Swarm for tests: a manager and a worker on loopback, each a daemon of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from parts.dockerd import Dockerd, own_dockerd
from parts.registry import free_port
from parts.require import require

_BRIDGE = "docker_gwbridge"
"""What a swarm's first node makes on its machine, and leaves there."""


@dataclass
class Swarm:
    """A swarm of two nodes. A test that changes a node's availability puts it back."""

    manager: Dockerd
    worker: Dockerd

    def services(self, installation: str) -> list[Any]:
        """Return what the swarm lists of an installation."""
        return list(self.manager.ask("GET", f"/services?filters={_labelled(installation)}"))

    def tasks(self, installation: str) -> list[Any]:
        """Return all tasks of an installation's services."""
        return list(self.manager.ask("GET", f"/tasks?filters={_labelled(installation)}"))

    def node_of(self, dockerd: Dockerd) -> str:
        """Return how the swarm calls an Engine."""
        return str(dockerd.ask("GET", "/info")["Swarm"]["NodeID"])

    def set_availability(self, dockerd: Dockerd, availability: str) -> None:
        """Let a node have tasks (``active``), no new ones (``pause``) or none at all (``drain``)."""
        found = self.manager.ask("GET", f"/nodes/{self.node_of(dockerd)}")
        spec = {**found["Spec"], "Availability": availability}
        self.manager.ask("POST", f"/nodes/{found['ID']}/update?version={found['Version']['Index']}", spec)

    def sweep(self, installation: str) -> None:
        """Delete an installation's services without their grace; nothing of them runs on."""
        for service in self.services(installation):
            self.manager.ask("DELETE", f"/services/{service['ID']}")
            label = f"com.docker.swarm.service.id={service['ID']}"
            for node in (self.manager, self.worker):
                for each in node.ask("GET", f"/containers/json?filters={_filters(label)}"):
                    with suppress(AssertionError):  # it has ended by itself meanwhile
                        node.ask("POST", f"/containers/{each['Id']}/kill")


@contextmanager
def running_swarm() -> Iterator[Swarm]:
    """Run a swarm of two nodes until the block ends."""
    require("ip")
    had_bridge = Path(f"/sys/class/net/{_BRIDGE}").exists()
    with (
        own_dockerd(bridge="none", debug=False) as manager,
        own_dockerd(bridge="none", debug=False) as worker,
    ):
        try:
            _joined(manager, worker)
            yield Swarm(manager, worker)
        finally:
            for each in (worker, manager):
                with suppress(AssertionError):
                    each.ask("POST", "/swarm/leave?force=1")
            if not had_bridge:
                subprocess.run(["ip", "link", "delete", _BRIDGE], check=False, capture_output=True)


def _joined(manager: Dockerd, worker: Dockerd) -> None:
    network = f"127.{os.getpid() % 200 + 20}.0"
    begun = f"{network}.1:{free_port()}"
    manager.ask("POST", "/swarm/init", {"ListenAddr": begun, "AdvertiseAddr": begun})
    token = manager.ask("GET", "/swarm")["JoinTokens"]["Worker"]
    address = f"{network}.2:{free_port()}"
    worker.ask(
        "POST",
        "/swarm/join",
        {"ListenAddr": address, "AdvertiseAddr": address, "RemoteAddrs": [begun], "JoinToken": token},
    )


def _labelled(installation: str) -> str:
    return _filters(f"io.towline.installation={installation}")


def _filters(label: str) -> str:
    return quote(json.dumps({"label": [label]}))
