"""A node: pulls images of a registry that wants a login, and runs containers as processes of this machine."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from parts.kube.objects import Kept, Objects

if TYPE_CHECKING:
    from aiohttp import web

PULL_BACK_OFF = 0.3
CRASH_BACK_OFF = 0.2


@dataclass
class Container:
    """One container's life."""

    name: str
    status: dict[str, Any]
    log: bytes = b""
    earlier: bytes = b""
    process: asyncio.subprocess.Process | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)
    has_run: bool = False
    came: list[tuple[int, datetime]] = field(default_factory=list)

    def plain(self, begin: int) -> bytes:
        """Return the log from there on."""
        return self.log[begin:]

    def stamped(self, begin: int) -> bytes:
        """Return the same, each line that begins in it behind its time."""
        told, at = b"", begin
        for line in self.log[begin:].splitlines(keepends=True):
            if at == 0 or self.log[at - 1 : at] == b"\n":
                came = [time for place, time in self.came if place <= at][-1]
                told += came.isoformat().replace("+00:00", "Z").encode() + b" "
            told += line
            at += len(line)
        return told


@dataclass
class Node:
    """Runs every pod that is made. ``logins`` are the passwords by registry; a registry that is not in it
    is open. ``unreachable`` gives the runtime's words for registries that do not answer.
    """

    objects: Objects
    logins: dict[str, tuple[str, str]] = field(default_factory=dict)
    unreachable: dict[str, str] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    stop_signal: int = signal.SIGTERM
    is_idle: bool = False
    pulls: list[tuple[str, str]] = field(default_factory=list)
    defects: list[Exception] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    _pods: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _containers: dict[str, dict[str, Container]] = field(default_factory=dict)
    _events: Any = field(default_factory=itertools.count)

    def start(self) -> None:
        """Look out for pods."""
        self.objects.listeners.add(self._changed)

    async def stop(self) -> None:
        """End every process."""
        self.objects.listeners.discard(self._changed)
        for task in self._pods.values():
            task.cancel()
        await asyncio.gather(*self._pods.values(), return_exceptions=True)
        if self.defects:
            raise ExceptionGroup("the node itself failed", self.defects)

    def _changed(self, change: str, plural: str, kept: Kept) -> None:
        if plural == "pods" and change != "DELETED" and kept.uid not in self._pods and not self.is_idle:
            self._pods[kept.uid] = asyncio.get_running_loop().create_task(self._live(kept))

    async def _live(self, pod: Kept) -> None:
        body = pod.shown()
        containers = {
            each["name"]: Container(each["name"], _creating(each["name"]))
            for each in body["spec"]["containers"]
        }
        self._containers[pod.uid] = containers
        self._tell(pod)
        work = [
            asyncio.create_task(self._run(pod, each, containers[each["name"]], body))
            for each in body["spec"]["containers"]
        ]
        try:
            while not pod.deleted and not any(  # noqa: ASYNC110
                task.done() and task.exception() for task in work
            ):
                await asyncio.sleep(0.02)
            await self._end(pod, body["spec"].get("terminationGracePeriodSeconds", 30))
            while pod.uid in self.held:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        finally:
            for container in containers.values():
                _kill(container, signal.SIGKILL)
            for task in work:
                task.cancel()
            ended = await asyncio.gather(*work, return_exceptions=True)
            self.defects += [each for each in ended if isinstance(each, Exception)]
        self.objects.delete(pod)

    async def _end(self, pod: Kept, grace: float) -> None:
        containers = self._containers[pod.uid].values()
        for container in containers:
            _kill(container, self.stop_signal)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(grace, 0.2)):
                while any(each.process is not None for each in containers):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)

    async def _run(
        self, pod: Kept, spec: Mapping[str, Any], container: Container, body: Mapping[str, Any]
    ) -> None:
        await self._pull(pod, spec, container, body)
        policy = body["spec"].get("restartPolicy", "Always")
        while not pod.deleted:
            code = await self._once(pod, spec, container)
            if pod.deleted or code is None or policy == "Never" or (policy == "OnFailure" and code == 0):
                return
            await asyncio.sleep(CRASH_BACK_OFF)
            ended = container.status["state"]
            back_off = {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}
            self._set(pod, container, {"waiting": back_off}, last=ended)
            await asyncio.sleep(CRASH_BACK_OFF)
            container.status["restartCount"] += 1

    async def _pull(
        self, pod: Kept, spec: Mapping[str, Any], container: Container, body: Mapping[str, Any]
    ) -> None:
        image = spec["image"]
        while not pod.deleted:
            problem = self._pull_problem(pod, image, body)
            self._event(pod, "Pulling", f'Pulling image "{image}"', container)
            if not problem:
                self._event(pod, "Pulled", f'Successfully pulled image "{image}"', container)
                return
            if spec.get("imagePullPolicy") == "Never":
                never = f'Container image "{image}" is not present with pull policy of Never'
                self._set(pod, container, {"waiting": {"reason": "ErrImageNeverPull", "message": never}})
            else:
                self._event(pod, "Failed", f'Failed to pull image "{image}": {problem}', container)
                self._set(pod, container, {"waiting": {"reason": "ErrImagePull", "message": problem}})
            await asyncio.sleep(PULL_BACK_OFF * 10)

    def _pull_problem(self, pod: Kept, image: str, body: Mapping[str, Any]) -> str:
        registry = image.partition("/")[0]
        if text := self.unreachable.get(registry):
            return f'failed to pull and unpack image "{image}": {text}'
        if image in self.missing:
            return f"rpc error: code = NotFound desc = {image}: not found"
        wanted = self.logins.get(registry)
        if wanted is None:
            return ""
        given: dict[str, Any] = {}
        for named in body["spec"].get("imagePullSecrets", []):
            secret = self.objects.get("secrets", pod.key[1], named["name"])
            if secret is None:
                self._event(pod, "FailedToRetrieveImagePullSecret", f"Unable to retrieve ({named['name']})")
                continue
            content = base64.b64decode(secret.shown()["data"][".dockerconfigjson"])
            given |= json.loads(content)["auths"]
        entry = given.get(registry, {})
        self.pulls.append((image, entry.get("username", "")))
        if (entry.get("username"), entry.get("password")) == wanted:
            return ""
        return f"pulling from host {registry} failed with status code [manifests 1]: 401 Unauthorized"

    async def _once(self, pod: Kept, spec: Mapping[str, Any], container: Container) -> int | None:
        environment = self._environment(pod, spec)
        words = (*spec.get("command", []), *spec.get("args", []))
        command = [expanded(word, environment) for word in words]
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                stdin=asyncio.subprocess.DEVNULL,
                env={"PATH": os.environ["PATH"], **environment},
            )
        except OSError as error:
            said = f'exec: "{command[0]}": stat {command[0]}: {str(error.strerror).lower()}: unknown'
            ended = {"exitCode": 128, "reason": "StartError", "message": said, "finishedAt": _now()}
            waiting = {"reason": "RunContainerError", "message": said}
            self._set(pod, container, {"waiting": waiting}, last={"terminated": ended})
            return None
        began = _now()
        container.process, container.earlier, container.log = process, container.log, b""
        container.came = []
        container.has_run = True
        self._set(pod, container, {"running": {"startedAt": began}})
        probing = asyncio.create_task(self._probe(pod, spec.get("livenessProbe"), container))
        try:
            code = await self._listen(container, process)
        finally:
            probing.cancel()
            await asyncio.gather(probing, return_exceptions=True)
            await _ended(process)
        container.process = None
        code = 128 - code if code < 0 else code
        reason = "Completed" if code == 0 else "Error"
        ended = {"exitCode": code, "reason": reason, "startedAt": began, "finishedAt": _now()}
        self._set(pod, container, {"terminated": ended})
        return code

    async def _listen(self, container: Container, process: asyncio.subprocess.Process) -> int:
        assert process.stdout is not None
        while chunk := await process.stdout.read(65536):
            container.came.append((len(container.log), datetime.now(UTC)))
            container.log += chunk
            container.news.set()
            container.news = asyncio.Event()
        return await process.wait()

    async def _probe(self, pod: Kept, probe: Mapping[str, Any] | None, container: Container) -> None:
        if probe is None:
            return
        await asyncio.sleep(probe.get("initialDelaySeconds", 0))
        failures = 0
        while True:
            said = await _asked(probe)
            failures = failures + 1 if said else 0
            if said:
                self._event(pod, "Unhealthy", f"Liveness probe failed: {said}", container)
            if failures >= probe.get("failureThreshold", 3):
                told = f"Container {container.name} failed liveness probe, will be restarted"
                self._event(pod, "Killing", told, container)
                _kill(container, signal.SIGKILL)
            await asyncio.sleep(probe.get("periodSeconds", 10))

    def _environment(self, pod: Kept, spec: Mapping[str, Any]) -> Mapping[str, str]:
        values = {}
        for variable in spec.get("env", []):
            if "value" in variable:
                values[variable["name"]] = variable["value"]
                continue
            ref = variable["valueFrom"]["secretKeyRef"]
            secret = self.objects.get("secrets", pod.key[1], ref["name"])
            assert secret is not None
            values[variable["name"]] = base64.b64decode(secret.shown()["data"][ref["key"]]).decode()
        return values

    def _set(
        self, pod: Kept, container: Container, state: Mapping[str, Any], last: Mapping[str, Any] | None = None
    ) -> None:
        if last is None and "running" in state and "terminated" in container.status["state"]:
            last = container.status["state"]
        container.status["state"] = dict(state)
        if last is not None:
            container.status["lastState"] = dict(last)
        container.status["ready"] = "running" in state
        container.news.set()
        container.news = asyncio.Event()
        self._tell(pod)

    def _tell(self, pod: Kept) -> None:
        statuses = [container.status for container in self._containers[pod.uid].values()]
        conditions = [{"type": "PodScheduled", "status": "True"}]
        begun = all(container.has_run for container in self._containers[pod.uid].values())
        status = {
            "phase": "Running" if begun else "Pending",
            "conditions": conditions,
            "containerStatuses": statuses,
            "startTime": pod.created,
        }
        self.objects.set_system(pod, {"status": json.loads(json.dumps(status))})

    def _event(self, pod: Kept, reason: str, message: str, container: Container | None = None) -> None:
        name = f"{pod.key[2]}.{reason}.{abs(hash(message)) % 10**8}"
        known = self.objects.get("events", pod.key[1], name)
        count = known.system["count"] + 1 if known else 1
        involved = {"kind": "Pod", "name": pod.key[2], "namespace": pod.key[1], "uid": pod.uid}
        if container is not None:
            involved["fieldPath"] = f"spec.containers{{{container.name}}}"
        parts = {"involvedObject": involved, "reason": reason, "message": message, "count": count}
        kept = known or self.objects.create(("events", pod.key[1], name), {"metadata": {}}, manager="kubelet")
        self.objects.set_system(kept, parts | {"type": "Normal", "lastTimestamp": _now()})

    async def log(
        self, pod: Kept, query: Mapping[str, str], response: web.StreamResponse | None
    ) -> str | None:
        """Answer for the API server: a problem's text when asked without a response, else write the log."""
        containers = self._containers.get(pod.uid, {})
        container = containers.get(query.get("container", ""))
        if container is None:
            return "a container name must be specified"
        previous = query.get("previous") == "true"
        if not container.has_run:
            return (
                f'container "{container.name}" in pod "{pod.key[2]}" is waiting to start: ContainerCreating'
            )
        if previous and not container.earlier and container.status["restartCount"] == 0:
            return f'previous terminated container "{container.name}" in pod "{pod.key[2]}" not found'
        if response is None:
            return None
        if previous:
            ended = container.log if container.process is None else container.earlier
            newest = ended.splitlines(keepends=True)[-int(query.get("tailLines", "99")) :]
            await response.write(b"".join(newest))
            return None
        told = container.stamped if query.get("timestamps") == "true" else container.plain
        at = len(container.log)
        lines = container.log.splitlines(keepends=True)
        most = min(int(query.get("tailLines", len(lines))), len(lines))
        await response.write(told(at - sum(map(len, lines[len(lines) - most :]))))
        process = container.process
        while query.get("follow") == "true" and process is not None and container.process is process:
            news = container.news
            if len(container.log) > at:
                await response.write(told(at))
                at = len(container.log)
                continue
            await news.wait()
        if query.get("follow") == "true":
            await response.write(told(at))
        return None


def _creating(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "state": {"waiting": {"reason": "ContainerCreating"}},
        "lastState": {},
        "ready": False,
        "restartCount": 0,
    }


async def _asked(probe: Mapping[str, Any]) -> str:
    if "exec" not in probe:
        return ""
    words = [expanded(word, {}) for word in probe["exec"]["command"]]
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(probe.get("timeoutSeconds", 1)):
            return "" if await process.wait() == 0 else "the command failed"
    except TimeoutError:
        process.kill()
        await process.wait()
        return "command timed out"


def expanded(word: str, variables: Mapping[str, str]) -> str:
    """Return a word of a command as a kubelet hands it on: with variables, and ``$$`` as ``$``."""
    return re.sub(
        r"\$(?:\$|\(([^)]*)\))",
        lambda found: "$" if found[0] == "$$" else variables.get(found[1], found[0]),
        word,
    )


def _kill(container: Container, number: int) -> None:
    if container.process is not None and container.process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            container.process.send_signal(number)


async def _ended(process: asyncio.subprocess.Process) -> None:
    """End a process whatever it is at, and close its pipe though a child of its may hold it."""
    if process.returncode is None:
        process.kill()
    await process.wait()
    process._transport.close()  # type: ignore[attr-defined]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
