"""Who killed a process: the kernel, because it wanted too much memory, or somebody through the Engine.

An Engine marks a container ``OOMKilled`` only if the kernel's word came before the end of its process, and
they race: of two such ends one may be marked. Its event ``oom`` may come after ``die``, or never, where the
control group was gone before the word was read. What is always told, and before the process ends, is a kill
that came through the Engine. So an end by SIGKILL under a memory limit that nobody asked for is the kernel's.
podman names no signal; of a stop it tells no kill, but the stop, and before the end. Docker tells that after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from towline.engines.docker.daemon import Json

_SIGKILL = "9"
_EXITED_BY_SIGKILL = 128 + 9


class Kills:
    """What the Engine's events told of kills, by the container's identifier, until it is asked for."""

    def __init__(self) -> None:
        self._out_of_memory: set[str] = set()
        self._asked_for: set[str] = set()

    def heard(self, ident: str, action: str, attributes: Json) -> None:
        """Take in an event of a container."""
        if action == "oom":
            self._out_of_memory.add(ident)
        elif action == "stop" or (action == "kill" and attributes.get("signal", _SIGKILL) == _SIGKILL):
            self._asked_for.add(ident)
        elif action in ("start", "destroy", "remove"):
            self.forget(ident)

    def was_out_of_memory(self, ident: str, exit_code: int, *, state: Json, limited: bool) -> bool:
        """Say whether a process ended for want of memory.

        ``state`` is the container's own, ``limited`` says whether it had a memory limit.
        """
        if ident in self._out_of_memory or bool(state.get("OOMKilled")):
            return True
        return limited and exit_code == _EXITED_BY_SIGKILL and ident not in self._asked_for

    def forget(self, ident: str) -> None:
        """Let go of what was told of a container."""
        self._out_of_memory.discard(ident)
        self._asked_for.discard(ident)


def is_limited(found: Json) -> bool:
    """Say whether a container has a memory limit, as the Engine describes it."""
    return bool((found.get("HostConfig") or {}).get("Memory"))
