"""Requests about one Towline's services, their tasks, and the containers on the manager's own node.

The registry's login goes along with every creation and every renewal, in the same header as for a pull;
the swarm keeps it for its nodes and shows it to nobody.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.domain.errors import EngineFailed
from towline.engines.docker import logs, places, pulls
from towline.engines.docker.daemon import Refused
from towline.engines.swarm import tasks
from towline.engines.swarm.document import REPLICAS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towline.domain.credential import Credential
    from towline.domain.image import ImageReference
    from towline.engines.docker.daemon import Daemon, Json
    from towline.engines.docker.document import Document
    from towline.engines.docker.places import Kept
    from towline.engines.swarm.tasks import Task

_GONE = 404
_NAME_TAKEN = 409
_MOST_TURNS = 5
_LINES_OF_EVIDENCE = 3
_OUT_OF_SEQUENCE = "update out of sequence"
_NOBODY = {pulls.HEADER: "e30="}
"""An empty login, ``{}``: without a header an update keeps the login that was."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service of ours: the place in ``kept`` is that of its first replica, ``replicas`` what it has when
    it does not rest. One that ``rests`` has no tasks: it was ended and kept.
    """

    ident: str
    name: str
    kept: Kept
    replicas: int
    grace: float
    rests: bool = False


class Services:
    """All requests to a swarm."""

    def __init__(self, daemon: Daemon, installation: str) -> None:
        self._daemon = daemon
        self._installation = installation

    async def node(self) -> str:
        """Return the identifier of the node that is talked to; raise Refused if it is no manager."""
        found = (await self._daemon.ask("GET", "/info")).get("Swarm") or {}
        if not found.get("ControlAvailable"):
            await self._daemon.ask("GET", "/services")  # the Engine says itself what it is instead
        return str(found.get("NodeID") or "")

    async def logs_tasks(self) -> bool:
        """Whether the manager's daemon is at debug level: it then logs every task, with its login."""
        return bool((await self._daemon.ask("GET", "/info")).get("Debug"))

    async def listed(self, deployment_guid: str = "") -> Sequence[Service]:
        """Return this Towline's services, or those of one deployment."""
        found: Sequence[Json] = await self._daemon.ask("GET", "/services", self._ours(deployment_guid))
        services = []
        for each in found or ():
            spec = each["Spec"]
            if (kept := places.read(spec.get("Labels") or {})) is not None:
                services.append(
                    Service(
                        str(each["ID"]),
                        str(spec["Name"]),
                        kept,
                        replicas=int(spec["Labels"].get(REPLICAS) or 1),
                        grace=int(spec["TaskTemplate"]["ContainerSpec"].get("StopGracePeriod") or 0) / 1e9,
                        rests=(spec["Mode"].get("Replicated") or {}).get("Replicas") == 0,
                    )
                )
        return services

    async def tasks(self, deployment_guid: str = "") -> Sequence[Task]:
        """Return the tasks of those services, the oldest first; also of services that are being deleted."""
        found: Sequence[Json] = await self._daemon.ask("GET", "/tasks", self._ours(deployment_guid))
        return sorted(map(tasks.read, found or ()), key=lambda task: task.created)

    async def create(self, document: Document, image: ImageReference, login: Credential | None) -> bool:
        """Make a service; return False where it is there already."""
        try:
            await self._daemon.ask(
                "POST", "/services/create", body=document, headers=pulls.header(image, login)
            )
        except Refused as refused:
            if refused.status != _NAME_TAKEN:
                raise
            return False
        return True

    async def renew(self, name: str, image: ImageReference, login: Credential | None) -> None:
        """Hand the swarm a login for every later pull of a service; its tasks run on."""
        await self._update(name, {}, headers=pulls.header(image, login) or _NOBODY)

    async def scale(self, name: str, replicas: int) -> None:
        """Let a service have so many replicas; its login stays. It may be gone."""
        try:
            await self._update(name, {"Mode": {"Replicated": {"Replicas": replicas}}}, headers={})
        except Refused as refused:
            if refused.status != _GONE:
                raise

    async def delete(self, ident: str) -> None:
        """Delete a service; the swarm ends its tasks by and by. It may be gone."""
        try:
            await self._daemon.ask("DELETE", f"/services/{ident}")
        except Refused as refused:
            if refused.status != _GONE:
                raise

    async def refusal(self, image: ImageReference, login: Credential | None) -> str:
        """Return what the Engine's own machine says of the image at its registry, "" when all is well."""
        try:
            await self._daemon.ask(
                "GET", f"/distribution/{pulls.called(image)}/json", headers=pulls.header(image, login)
            )
        except Refused as refused:
            return refused.said
        return ""

    async def container(self, ident: str) -> Mapping[str, Json] | None:
        """Return all about a container on the node that is talked to; None where it has no such."""
        try:
            found: Mapping[str, Json] = await self._daemon.ask("GET", f"/containers/{ident}/json")
        except Refused as refused:
            if refused.status != _GONE:
                raise
            return None
        return found

    async def last_lines(self, source: str) -> Sequence[bytes]:
        """Return the end of the log of ``containers/ID`` or ``tasks/ID``; none where it cannot be had."""
        try:
            return await logs.last_lines(self._daemon, source, _LINES_OF_EVIDENCE)
        except EngineFailed:
            return ()

    async def _update(self, name: str, changes: Document, *, headers: Mapping[str, str]) -> None:
        """Change a service as it is now; again where somebody else changed it meanwhile."""
        for turn in range(1, _MOST_TURNS + 1):
            found = await self._daemon.ask("GET", f"/services/{name}")
            version = {"version": str(found["Version"]["Index"]), "registryAuthFrom": "spec"}
            path, spec = f"/services/{found['ID']}/update", {**found["Spec"], **changes}
            try:
                await self._daemon.ask("POST", path, version, body=spec, headers=headers)
            except Refused as refused:
                if _OUT_OF_SEQUENCE not in refused.said or turn == _MOST_TURNS:
                    raise
            else:
                return

    def _ours(self, deployment_guid: str) -> Mapping[str, str]:
        wanted = [f"{places.INSTALLATION}={self._installation}"]
        if deployment_guid:
            wanted.append(f"{places.DEPLOYMENT}={deployment_guid}")
        return {"filters": json.dumps({"label": wanted})}
