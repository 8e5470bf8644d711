"""A shared engine outside of every server, as a Docker Engine is: a process that holds named containers.

It keeps count of what must never happen, and is slow enough to be caught in the middle. Servers reach it
through ``YardEngine``; a request is a line of JSON and so is its answer::

    {"ask": "start", "place": ["dep-1", 3, "app", 0]}   {"started": true}
    {"ask": "watch"}                                    a line for every container that starts or ends
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from towline.domain.proof import Platform
from towline.domain.workload import Fact, ReplicaState, Workload

SLOWNESS = 0.01


class Yard:
    """The containers: place -> when it was started."""

    def __init__(self) -> None:
        self.containers: dict[tuple[Any, ...], str] = {}
        self.started: Counter[tuple[Any, ...]] = Counter()
        self._watching: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client until it hangs up."""
        try:
            while line := await reader.readline():
                answer = await self._answer(json.loads(line), writer)
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            return
        finally:
            self._watching.discard(writer)
            writer.close()

    async def _answer(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> object:
        match request["ask"]:
            case "start":
                return await self._start(tuple(request["place"]))
            case "remove":
                return self._remove(request["guid"], request["below"])
            case "watch":
                self._watching.add(writer)
                return {}
            case "count":
                return {"doubled": [list(place) for place, times in self.started.items() if times > 1]}
            case _:
                return [[*place, at] for place, at in self.containers.items()]

    async def _start(self, place: tuple[Any, ...]) -> object:
        """Start a container unless one of its name is there, as an Engine does."""
        await asyncio.sleep(SLOWNESS)
        if place in self.containers:
            return {"started": False}
        self.containers[place] = datetime.now(UTC).isoformat()
        self.started[place] += 1
        self._tell(place, self.containers[place])
        return {"started": True}

    def _remove(self, guid: str, below: int | None) -> object:
        gone = [
            place for place in self.containers if place[0] == guid and (below is None or place[1] < below)
        ]
        for place in gone:
            del self.containers[place]
        return {"removed": len(gone)}

    def _tell(self, place: tuple[Any, ...], at: str) -> None:
        for writer in tuple(self._watching):
            writer.write(json.dumps([*place, at]).encode() + b"\n")


class YardEngine:
    """The port Engine over a yard's socket."""

    name = "yard"
    platform = Platform("linux", "amd64")
    keeps_credentials = False

    def __init__(self, path: Path, *, clock: Callable[[], datetime]) -> None:
        self._path = path
        self._clock = clock

    async def ask(self, **request: object) -> Any:
        """Return the answer to one request."""
        reader, writer = await asyncio.open_unix_connection(self._path)
        try:
            writer.write(json.dumps(request).encode() + b"\n")
            return json.loads(await reader.readline())
        finally:
            writer.close()

    async def apply(self, workload: Workload) -> None:
        for run in workload.executables:
            for replica in range(workload.replicas):
                place = [workload.deployment_guid, workload.generation, run.name, replica]
                await self.ask(ask="start", place=place)

    async def observe(self) -> AsyncIterator[Fact]:
        reader, writer = await asyncio.open_unix_connection(self._path, limit=1 << 20)
        try:
            writer.write(b'{"ask": "watch"}\n')
            await reader.readline()
            while line := await reader.readline():
                yield self._fact(json.loads(line))
        finally:
            writer.close()

    async def remove(self, deployment_guid: str, *, below: int | None = None) -> None:
        await self.ask(ask="remove", guid=deployment_guid, below=below)

    async def roll_back(self, deployment_guid: str, *, generation: int) -> int:
        del deployment_guid, generation
        return 0

    async def logs(self, deployment_guid: str, executable: str, **which: object) -> AsyncIterator[bytes]:
        del which
        yield f"{executable} of {deployment_guid} has nothing to say\n".encode()

    async def inventory(self) -> Sequence[Fact]:
        return tuple(self._fact(each) for each in await self.ask(ask="list"))

    def _fact(self, row: list[Any]) -> Fact:
        guid, generation, executable, replica, at = row
        started = datetime.fromisoformat(at)
        return Fact(
            guid, generation, executable, replica, ReplicaState.RUNNING, at=started, started_at=started
        )


async def _serve(path: Path) -> None:
    async with await asyncio.start_unix_server(Yard().serve, path) as server:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
