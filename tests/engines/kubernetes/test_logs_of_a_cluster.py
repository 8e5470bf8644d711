"""Following a log over what happens to it on the way, and over the runs of a container."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from parts.kube.workloads import GUID, executable, workload
from towline.engines.kubernetes.told import Told

if TYPE_CHECKING:
    from parts.kube.lab import Kubernetes
    from towline.engines.kubernetes.engine import KubernetesEngine

PATIENCE = 30


@pytest.mark.parametrize("timestamps", [False, True])
async def test_a_log_goes_on_behind_the_last_line_when_its_stream_breaks(
    cluster: Kubernetes, engine: KubernetesEngine, *, timestamps: bool
) -> None:
    script = "n=0; while test $n -lt 60; do n=$((n + 1)); echo $n; sleep 0.05; done; exec sleep 1000"
    await engine.apply(workload(executable(entrypoint=("/bin/sh", "-c", script))))
    seen: list[str] = []
    async with asyncio.timeout(PATIENCE):
        async for chunk in engine.logs(GUID, "main", follow=True, timestamps=timestamps):
            seen += [line.split()[-1] for line in chunk.decode().splitlines()]
            if seen[-1:] in (["5"], ["20"]):
                cluster.api.cut_logs()
            if seen[-1:] == ["60"]:
                break
    assert seen == [str(number) for number in range(1, 61)]


async def test_every_run_of_a_container_that_crashes_is_told_once(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    """While it waits for its next start, the API gives the log of the run before again and again."""
    run = cluster.folder / "runs"
    script = f"echo x >>{run}; wc -l <{run}; sleep 0.3; exit 1"
    await engine.apply(workload(executable(entrypoint=("/bin/sh", "-c", script))))
    seen: list[str] = []
    async with asyncio.timeout(PATIENCE):
        async for chunk in engine.logs(GUID, "main", follow=True):
            seen += chunk.decode().split()
            if len(seen) == 3:
                break
    assert seen == ["1", "2", "3"]


def test_a_stream_that_begins_anew_repeats_nothing_that_was_told() -> None:
    told = Told(0, is_stamped=False)
    assert told.resumed() == {}
    first = (b"2026-11-28T10:00:00.9Z a\n", b"2026-11-28T10:00:00.91Z \n", b"2026-11-28T10:00:00.91Z b\n")
    assert [told.shown(line) for line in first] == [b"a\n", b"\n", b"b\n"]
    assert told.resumed() == {"sinceTime": "2026-11-28T10:00:00Z"}
    again = (*first, b"2026-11-28T10:00:00.91Z c\n", b"2026-11-28T12:00:01.000000001+02:00 d" + b"d" * 9)
    assert [told.shown(line) for line in again] == [b"", b"", b"", b"c\n", b"d" * 10]
    assert told.shown(b"2026-11-28T10:00:01Z is text here\n") == b"2026-11-28T10:00:01Z is text here\n", (
        "a piece"
    )
    assert told.resumed() == {"sinceTime": "2026-11-28T10:00:01Z"}
    last = (b"2026-11-28T12:00:01.000000001+02:00 dd", b"dd\n", b"2026-11-28T12:00:01.000000002+02:00 e\n")
    assert [told.shown(line) for line in last] == [b"", b"", b"e\n"]
    said = (
        b'rpc error: code = NotFound desc = an error occurred when try to find container "9612": not found\n'
    )
    assert told.shown(said) == b"", "a kubelet's last words about a container that was removed meanwhile"
