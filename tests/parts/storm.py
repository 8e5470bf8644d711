"""A storm: deployments are made, changed and deleted without pause while Towline is killed again and again.

The storm remembers every wish that was acknowledged. Where the answer was lost with the server it asks what
has become of the wish: both is right, but only one of the two.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from parts.server import Server

_GONE = ""


@dataclass
class Storm:
    """Asks ``server`` for changes to ``names`` until it is told to stop; ``wished`` is the package's version
    that each name is to have, empty for a deleted one.
    """

    server: Server
    names: tuple[str, ...]
    versions: tuple[str, ...]
    chance: random.Random
    wished: dict[str, str] = field(default_factory=dict)
    changes: int = 0
    unanswered: int = 0

    def __post_init__(self) -> None:
        self._calm = threading.Event()
        self._thread = threading.Thread(target=self._blow, name="storm")

    def begin(self) -> None:
        """Begin to blow."""
        self._thread.start()

    def end(self) -> None:
        """Let the change under way come to its end, and blow no more."""
        self._calm.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _blow(self) -> None:
        while not self._calm.is_set():
            name = self.chance.choice(self.names)
            before = self.wished.get(name, _GONE)
            after = _GONE if before and self.chance.random() < 0.4 else self.chance.choice(self.versions)
            status = self._ask(name, before, after)
            if status in (200, 201, 204):
                self.wished[name] = after
                self.changes += 1
            else:
                self.unanswered += 1
                self.wished[name] = self._found_out(name)

    def _ask(self, name: str, before: str, after: str) -> int:
        path = f"/v2/deployments/{name}/"
        if not after:
            return self._tried("DELETE", path, None)
        depends = {"kind": "package", "nameOrGUID": "app", "version": after}
        body = {"kind": "Deployment", "metadata": {"name": name, "depends": depends},
                "spec": {"runtime": "cloud"}}  # fmt: skip
        if before:
            return self._tried("PATCH", path, body)
        return self._tried("POST", "/v2/deployments/", body)

    def _tried(self, method: str, path: str, body: Mapping[str, object] | None) -> int:
        try:
            return self.server.ask(method, path, body)[0]
        except (OSError, http.client.HTTPException):
            return 0

    def _found_out(self, name: str) -> str:
        """Return what has become of a wish whose answer was lost."""
        while True:
            try:
                status, content = self.server.ask("GET", f"/v2/deployments/{name}/")
            except (OSError, http.client.HTTPException):
                status = 0
            if status == 404:
                return _GONE
            if status == 200:
                return str(json.loads(content)["metadata"]["depends"]["version"])
            time.sleep(0.02)
