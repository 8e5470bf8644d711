"""What the control plane tells a monitor, as one JSON document on its standard input.

``configuration`` is the runtime's ``config.json`` with the values of the environment in it: it is
written nowhere but to memory, see ``rootfs``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Configuration = Mapping[str, object]


class Instructions(NamedTuple):
    """How to run one container. Paths are absolute; ``layers`` come bottom first.

    ``lock`` is the handle of the folder's lock, which the monitor inherits and holds while it lives.
    ``events`` is the folder with the control plane's socket. ``user_namespace`` says that the layers
    belong to a normal user. ``restart`` is a restart policy's value.
    """

    container: str
    folder: str
    lock: int
    hostname: str
    command: str
    layers: list[str]
    configuration: Configuration
    runtime: str
    runtime_root: str
    events: str
    user_namespace: bool
    restart: str
    stop_signal: int
    stop_seconds: float
    log_bytes: int
    log_parts: int
    probe: Mapping[str, object] | None = None
    """Fields of ``liveness.Probe``."""
    volumes: Sequence[Sequence[Any]] | None = None
    """Fields of ``volumes.Volume`` each."""

    def __repr__(self) -> str:
        return f"Instructions({self.container!r})"


def encode(instructions: Instructions) -> bytes:
    """Return the document."""
    return json.dumps(instructions._asdict()).encode()


def decode(document: bytes) -> Instructions:
    """Return what a document says."""
    return Instructions(**json.loads(document))
