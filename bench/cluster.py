"""Ten thousand deployments over two hundred namespaces: what the Kubernetes engine needs to know them all.

As a program (``python -m bench.cluster serve``) it is the API server: prepared answers made of a recorded
cluster's objects, in a process of its own, so that only the engine's memory and time are counted.
"""

from __future__ import annotations

import asyncio
import copy
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from aiohttp import web

from bench.table import at_most, row

DEPLOYMENTS, NAMESPACES = 10_000, 200
RECORDED = Path(__file__).parents[1] / "tests/recordings/kubernetes/01-happy-path"
INSTANCE = "bench"
PAUSE = 5.0


def measure(folder: Path) -> None:
    """Print what it takes to start on a full cluster, to rest there, and to see one change."""
    if importlib.util.find_spec("lightkube") is None:
        row("10,000 deployments on a cluster", "not measured", "pip install -r requirements/kubernetes.txt")
        return
    server = subprocess.Popen([sys.executable, "-m", "bench.cluster", "serve"], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().decode().strip()
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(json.dumps(_kubeconfig(url)))
        command = [sys.executable, "-m", "bench.cluster", "engine", str(kubeconfig)]
        said = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    finally:
        server.kill()
        server.wait()
    _tell(said)


def _tell(said: dict[str, Any]) -> None:
    at_most("10,000 deployments on a cluster: start to all known", 15, said["seconds"], unit="s", digits=1)
    row("  CPU and requests for that", "-", f"{said['cpu']:.1f} s, {said['requests']} requests")
    at_most("  memory for them", 150, said["megabytes"], unit="MB")
    at_most("  CPU at rest", 1, said["idle"] * 100, unit="% of a core", digits=2)
    at_most("  a pod's change to its fact", 20, said["change_ms"], unit="ms", digits=1)
    at_most("  API requests for a rotated secret of one deployment", 3, said["per_change"], unit="")


async def _engine(kubeconfig: str) -> dict[str, Any]:
    import random  # noqa: PLC0415
    from datetime import UTC, datetime  # noqa: PLC0415

    from towline.domain.proof import Platform  # noqa: PLC0415
    from towline.engines.kubernetes import access  # noqa: PLC0415
    from towline.engines.kubernetes.cluster import Cluster  # noqa: PLC0415
    from towline.engines.kubernetes.engine import KubernetesEngine  # noqa: PLC0415
    from towline.engines.kubernetes.naming import Names  # noqa: PLC0415

    async def tell(_: object) -> None:
        return

    cluster = Cluster(access.configuration(kubeconfig))
    engine = KubernetesEngine(
        cluster,
        Names(INSTANCE),
        platform=Platform("linux", "amd64"),
        clock=lambda: datetime.now(UTC),
        jitter=random.random,
        tell=tell,
        first_lists=120.0,
    )
    memory, cpu, began = _resident(), time.process_time(), time.perf_counter()
    await engine.start()
    held = await engine.inventory()
    assert len(held) == DEPLOYMENTS, len(held)
    said: dict[str, Any] = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    said["requests"] = sum(cluster.tally.requests.values())
    said["megabytes"] = _resident() - memory
    await asyncio.sleep(1)
    cpu = time.process_time()
    await asyncio.sleep(PAUSE)
    said["idle"] = (time.process_time() - cpu) / PAUSE
    said["change_ms"] = await _one_change(engine, cluster)
    before = sum(cluster.tally.requests.values())
    await engine.apply(_workload(DEPLOYMENTS - 1))
    said["per_change"] = sum(cluster.tally.requests.values()) - before
    await engine.close()
    return said


async def _one_change(engine: Any, cluster: Any) -> float:
    facts = engine.observe()
    taken = []
    for number in range(20):
        began = time.perf_counter()
        await cluster.ask("POST", f"change/{number}")
        await anext(facts)
        taken.append(time.perf_counter() - began)
    return sorted(taken)[len(taken) // 2] * 1000


def _workload(number: int) -> Any:
    from towline.domain.credential import Credential, Password  # noqa: PLC0415
    from towline.domain.image import ImageReference  # noqa: PLC0415
    from towline.domain.registry import RegistrySettings  # noqa: PLC0415
    from towline.domain.workload import PullAccess, Workload, WorkloadExecutable  # noqa: PLC0415

    image = ImageReference.parse("registry.example.com/app:1").pinned("sha256:" + "1" * 64)
    login = Credential("robot", Password("rotated"))
    opened = PullAccess(RegistrySettings.default(image.registry), login)
    return Workload(
        _guid(number),
        "app",
        _project(number),
        generation=1,
        executables=(WorkloadExecutable("app", image, opened),),
    )


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def _guid(number: int) -> str:
    return f"dep-{number:024}"


def _project(number: int) -> str:
    return f"project-{number % NAMESPACES:024}"


def _kubeconfig(url: str) -> dict[str, Any]:
    return {
        "current-context": "bench",
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "clusters": [{"name": "bench", "cluster": {"server": url}}],
        "users": [{"name": "bench", "user": {"token": "bench"}}],
    }


class _Server:
    """Answers lists in pages, keeps streams open, echoes what is applied."""

    def __init__(self) -> None:
        self.version = 100_000
        self.items: dict[str, list[bytes]] = {}
        self.streams: dict[str, list[asyncio.Queue[bytes]]] = {}
        self.seen: Counter[str] = Counter()
        self.pod = _recorded("pods", 3)
        for plural, made in (("deployments", 3), ("replicasets", 3), ("pods", 3), ("secrets", 0)):
            template = _recorded(plural, made) if made else {"metadata": {}, "type": "Opaque"}
            self.items[plural] = [_dressed(template, plural, number) for number in range(DEPLOYMENTS)]
        self.items["events"] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        parts = request.path.strip("/").split("/")
        if parts[0] == "change":
            return self._change(int(parts[1]))
        if request.method == "PATCH":
            return await self._applied(request, parts)
        plural = parts[-1]
        if "watch" in request.query:
            return await self._stream(request, plural)
        start, limit = int(request.query.get("continue", "0")), int(request.query["limit"])
        metadata = {"resourceVersion": str(self.version)}
        if start + limit < len(self.items[plural]):
            metadata["continue"] = str(start + limit)
        items = b",".join(self.items[plural][start : start + limit])
        body = b'{"metadata":' + json.dumps(metadata).encode() + b',"items":[' + items + b"]}"
        return web.Response(body=body, content_type="application/json")

    async def _stream(self, request: web.Request, plural: str) -> web.StreamResponse:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.streams.setdefault(plural, []).append(queue)
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(await queue.get())

    def _change(self, number: int) -> web.Response:
        self.version += 1
        pod = json.loads(_dressed(self.pod, "pods", number))
        pod["metadata"]["resourceVersion"] = str(self.version)
        status = pod["status"]["containerStatuses"][0]
        status["restartCount"] = 1
        status["state"] = {"waiting": {"reason": "ErrImageNeverPull", "message": "not here"}}
        line = json.dumps({"type": "MODIFIED", "object": pod}).encode() + b"\n"
        for queue in self.streams["pods"]:
            queue.put_nowait(line)
        return web.json_response({})

    async def _applied(self, request: web.Request, parts: list[str]) -> web.Response:
        body = await request.json()
        if parts[-2] == "deployments":
            known = next(
                each
                for each in map(json.loads, self.items["deployments"])
                if each["metadata"]["name"] == parts[-1]
            )
            return web.json_response(known)
        body["metadata"] |= {"uid": f"uid-{parts[-2]}-{parts[-1]}", "resourceVersion": "1"}
        return web.json_response(body)


def _recorded(plural: str, line: int) -> dict[str, Any]:
    lines = (RECORDED / f"watch-{plural}.jsonl").read_text().splitlines()
    found: dict[str, Any] = json.loads(lines[line])["event"]["object"]
    return found


def _dressed(template: dict[str, Any], plural: str, number: int) -> bytes:
    """Return the recorded object as the one of that number's deployment, with the managers it would have."""
    made = copy.deepcopy(template)
    metadata = made["metadata"]
    metadata |= {
        "name": f"{_guid(number)}-1"
        + {"deployments": "", "secrets": "-pull"}.get(plural, "-5d4f8c7b9-x2x4z"),
        "namespace": f"towline-{_project(number)}",
        "uid": f"uid-{plural}-{number}",
        "resourceVersion": str(number + 1),
        "labels": {
            "app.kubernetes.io/managed-by": "towline",
            "app.kubernetes.io/instance": INSTANCE,
            "towline/project": _project(number),
            "towline/deployment": _guid(number),
            "towline/generation": "1",
            "pod-template-hash": "5d4f8c7b9",
        },
    }
    if plural == "deployments":
        metadata["annotations"] |= {"towline/executables": '{"app":"app"}'}
        made["status"]["observedGeneration"] = metadata["generation"]
    fields: dict[str, Any] = {
        "f:metadata": {},
        "f:spec": {"f:replicas": {}},
        "f:type": {},
        "f:data": {"f:x": {}},
    }
    fields |= {f"f:field-{n}": {} for n in range(30)}
    metadata["managedFields"] = [{"manager": "towline", "operation": "Apply", "fieldsV1": fields}]
    return json.dumps(made, separators=(",", ":")).encode()


async def _serve() -> None:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", _Server().answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]  # noqa: SLF001
    print(f"http://127.0.0.1:{port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    os.environ.setdefault("NO_PROXY", "127.0.0.1")
    if sys.argv[1] == "serve":
        asyncio.run(_serve())
    else:
        print(json.dumps(asyncio.run(_engine(sys.argv[2]))))
