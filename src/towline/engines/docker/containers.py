"""The Engine's containers that belong to one Towline: listed, described, made, started, ended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from towline.engines.docker import logs, places
from towline.engines.docker.daemon import Refused
from towline.engines.docker.facts import Seen
from towline.engines.docker.kills import is_limited

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from towline.engines.docker.daemon import Daemon, Json
    from towline.engines.docker.document import Document

_LINES_OF_EVIDENCE = 3
_GONE = 404
_NAME_TAKEN = 409
_NO_SUCH_DOOR = 405
_ALREADY = 304
_GRACE_FOR_THE_ENGINE = 60.0


class Containers:
    """All requests about containers. ``name`` arguments take a name or an identifier."""

    def __init__(self, daemon: Daemon, installation: str) -> None:
        self._daemon = daemon
        self._installation = installation

    @property
    def are_checked(self) -> bool:
        """Whether the Engine asks commands inside by itself; podman leaves that to systemd, if any."""
        return not self._daemon.is_podman

    async def listed(self, deployment_guid: str = "") -> Sequence[Mapping[str, Json]]:
        """Return this Towline's containers, or those of one deployment, running or not."""
        wanted = [f"{places.INSTALLATION}={self._installation}"]
        if deployment_guid:
            wanted.append(f"{places.DEPLOYMENT}={deployment_guid}")
        query = {"all": "1", "filters": json.dumps({"label": wanted})}
        found: Sequence[Mapping[str, Json]] = await self._daemon.ask("GET", "/containers/json", query)
        return [each for each in found or () if places.read(each.get("Labels") or {}) is not None]

    async def seen(self, name: str, *, with_lines: bool = False) -> Seen | None:
        """Return what the Engine tells about a container; None when it has none, or one that is not ours.

        The end of the log comes with one that is down, or where ``with_lines`` asks for it.
        """
        try:
            found = await self._daemon.ask("GET", f"/containers/{name}/json")
        except Refused as refused:
            if refused.status == _GONE:
                return None
            raise
        kept = places.read(found["Config"].get("Labels") or {})
        if kept is None:
            return None
        ident, state = str(found["Id"]), found["State"]
        down = not state.get("Running") or state.get("Restarting")
        lines = (
            await logs.last_lines(self._daemon, f"containers/{ident}", _LINES_OF_EVIDENCE)
            if down or with_lines
            else ()
        )
        return Seen(
            kept, ident, state, restarts=_restarts(found), address=_address(found),
            lines=lines, is_limited=is_limited(found),
        )  # fmt: skip

    async def make(self, name: str, document: Document) -> str:
        """Make a container and return its identifier; what has the name already is replaced."""
        try:
            made = await self._daemon.ask("POST", "/containers/create", {"name": name}, body=document)
        except Refused as refused:
            if refused.status != _NAME_TAKEN and "already in use" not in refused.said:  # podman says 500
                raise
            await self.delete(name)
            made = await self._daemon.ask("POST", "/containers/create", {"name": name}, body=document)
        return str(made["Id"])

    async def start(self, ident: str) -> None:
        """Start a container; one that runs is left alone."""
        await self._daemon.ask("POST", f"/containers/{ident}/start")

    async def set_restart(self, ident: str, policy: str) -> None:
        """Let the Engine start a container again as ``policy`` says, from now on. It may be gone.

        podman before 5 cannot change it; it starts nothing again that was stopped, so nothing is lost.
        """
        try:
            await self._daemon.ask(
                "POST", f"/containers/{ident}/update", body={"RestartPolicy": {"Name": policy}}
            )
        except Refused as refused:
            if refused.status not in (_GONE, _NO_SUCH_DOOR):
                raise

    async def stop(self, ident: str, *, patience: float) -> None:
        """End a container by its stop signal and, after its grace, by force. It may be gone."""
        try:
            await self._daemon.ask(
                "POST", f"/containers/{ident}/stop", patience=patience + _GRACE_FOR_THE_ENGINE
            )
        except Refused as refused:
            if refused.status not in (_GONE, _ALREADY):
                raise

    async def delete(self, name: str) -> None:
        """Kill and delete a container with its volumes. It may be gone, or going."""
        try:
            await self._daemon.ask("DELETE", f"/containers/{name}", {"force": "1", "v": "1"})
        except Refused as refused:
            if refused.status == _NAME_TAKEN:
                await self._until_removed(name)
            elif refused.status != _GONE:
                raise

    async def is_still_the_runtime(self, ident: str) -> bool:
        """Whether the runtime has not yet executed the image's command: its own one is seen until then."""
        try:
            found = await self._daemon.ask("GET", f"/containers/{ident}/top", {"ps_args": "-o pid,args"})
        except Refused:  # it has ended, or the Engine's machine has no ``ps``: nothing more can be known
            return False
        rows = found.get("Processes") or () if isinstance(found, dict) else ()  # podman's may be empty
        commands = [" ".join(row[1:]) for row in rows]
        return any(text.endswith(("runc init", "/exe init")) for text in commands)

    async def execute(self, ident: str, command: Sequence[str]) -> int:
        """Run a command inside a container, as its user; return its exit code."""
        asked = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True}
        made = await self._daemon.ask("POST", f"/containers/{ident}/exec", body=asked)
        path = f"/exec/{made['Id']}"
        async with self._daemon.stream("POST", f"{path}/start", {}, body={"Detach": False}) as content:
            async for _ in content.iter_any():
                pass  # what it says is nobody's; its end is waited for
        return int((await self._daemon.ask("GET", f"{path}/json")).get("ExitCode") or 0)

    def log(
        self, ident: str, *, follow: bool, tail: int | None, goes_on: logs.GoesOn, timestamps: bool
    ) -> AsyncIterator[bytes]:
        """Yield a container's log."""
        source = f"containers/{ident}"
        return logs.read(
            self._daemon, source, follow=follow, tail=tail, goes_on=goes_on, timestamps=timestamps
        )

    async def _until_removed(self, name: str) -> None:
        try:
            await self._daemon.ask("POST", f"/containers/{name}/wait", {"condition": "removed"})
        except Refused as refused:
            if refused.status != _GONE:
                raise


def generation_of(listed: Mapping[str, Json]) -> int:
    """Return the generation that a listed container belongs to."""
    return int(listed["Labels"][f"{places.PREFIX}generation"])


def _restarts(found: Json) -> int:
    """Return how often the container was started again; the Engine counts the next time already."""
    return int(found.get("RestartCount") or 0) - bool(found["State"].get("Restarting"))


def _address(found: Json) -> str:
    """Return the container's own address on the first network that gave it one."""
    networks = (found.get("NetworkSettings") or {}).get("Networks") or {}
    return next((str(each["IPAddress"]) for each in networks.values() if each.get("IPAddress")), "")
