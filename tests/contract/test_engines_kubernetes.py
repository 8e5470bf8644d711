"""The Kubernetes engine: the contract of all engines, on the tests' own cluster."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from engine_lab import GUID, workload
from engine_suite import DISK, FOREVER, EngineSuite, Watch, log_of, log_with, up

from parts.kube.lab import Kubernetes, kubernetes
from towline.domain.causes import FindingCode
from towline.domain.package import LivenessProbe, RestartPolicy
from towline.domain.workload import Mount, ReplicaState, Workload
from towline.engines.kubernetes.naming import GENERATION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from towline.engines.kubernetes.engine import KubernetesEngine


class KubernetesLab:
    """Makes workloads that the tests' node can run."""

    def __init__(self, cluster: Kubernetes) -> None:
        self.cluster = cluster
        self.engine: KubernetesEngine = cluster.engine()

    def workload(self, script: str, **changes: Any) -> Workload:
        """Return a workload that runs a shell script."""
        return workload(script, **changes)


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[KubernetesLab]:
    async with kubernetes(tmp_path) as cluster:
        cluster.node.stop_signal = signal.SIGINT
        cluster.node.missing.add("registry.test/no/such@sha256:" + "0" * 64)
        lab = KubernetesLab(cluster)
        await lab.engine.start()
        yield lab
        await lab.engine.remove(GUID)
        await lab.engine.close()


class TestKubernetesEngine(EngineSuite):
    """The contract, but for what only a container has (its own memory, files and users) and for probes of
    this machine's ports: those are tried where the containers are real, see ``make e2e-kubernetes``.
    """

    test_a_program_for_another_processor_is_a_finding = None
    test_too_much_memory_is_a_finding = None
    test_an_exclusive_generation_ends_the_older_one = None
    test_the_images_own_settings_hold = None
    test_the_packages_settings_stand_above_the_images = None
    test_a_given_command_keeps_the_images_entrypoint = None
    test_a_command_of_a_probe_runs_as_the_executable_does = None
    test_a_port_that_is_closed_fails_the_probe_and_an_open_one_does_not = None
    test_a_probe_by_http_asks_as_it_was_told = None
    test_an_answer_that_is_an_error_fails_the_probe = None

    async def test_an_update_that_ended_is_taken_away_from_beside_what_serves(
        self, lab: KubernetesLab, watch: Watch
    ) -> None:
        await lab.engine.apply(lab.workload(FOREVER, generation=1))
        update = lab.workload("sleep 0.3; exit 3", generation=2, exclusive=True)
        await lab.engine.apply(update)
        await watch.until(lambda fact: fact.generation == 2 and fact.exit_code == 3)
        pods = [kept.uid for kept in lab.cluster.api.objects.of("pods") if kept.labels[GENERATION] == "1"]
        assert await lab.engine.roll_back(GUID, generation=2) == 1
        assert [fact.generation for fact in await lab.engine.inventory()] == [1]
        assert [kept.uid for kept in lab.cluster.api.objects.of("pods")] == pods, "it was never touched"
        assert await lab.engine.roll_back(GUID, generation=2) == 1, "it may be repeated"
        await lab.engine.apply(replace(update, generation=3))
        assert {fact.generation for fact in await lab.engine.inventory()} == {1, 3}

    async def test_a_disk_is_a_claim_that_outlives_what_mounts_it(self, lab: KubernetesLab) -> None:
        disk = Mount(DISK, "/data", sub_path="db", capacity=8, gid=70)
        await lab.engine.apply(lab.workload(FOREVER, generation=1, mounts=(disk,)))
        (claim,) = lab.cluster.api.objects.of("persistentvolumeclaims")
        assert claim.shown()["spec"]["resources"]["requests"] == {"storage": "8Gi"}
        (pod,) = lab.cluster.api.objects.of("pods")
        spec = pod.shown()["spec"]
        assert spec["securityContext"]["fsGroup"] == 70
        (mounted,) = spec["containers"][0]["volumeMounts"]
        assert mounted == {"name": DISK, "mountPath": "/data", "subPath": "db"}

        await lab.engine.apply(lab.workload(FOREVER, generation=2, mounts=(disk,), exclusive=True))
        assert [fact.generation for fact in await lab.engine.inventory()] == [2], "two may not write there"
        await lab.engine.remove(GUID)
        assert [kept.uid for kept in lab.cluster.api.objects.of("persistentvolumeclaims")] == [claim.uid]
        await lab.engine.delete_disk("disk-unknown")
        await lab.engine.delete_disk(DISK)
        assert lab.cluster.api.objects.of("persistentvolumeclaims") == []

    async def test_the_log_of_the_run_before_is_kept_apart(self, lab: KubernetesLab, watch: Watch) -> None:
        marker = lab.cluster.folder / "was-here"
        first = f"touch {marker}; echo first; exit 3"
        script = f"if [ -e {marker} ]; then echo second; exec sleep 1000; fi; {first}"
        running = lab.workload(script, restart=RestartPolicy.ALWAYS)
        await lab.engine.apply(running)
        await watch.until(lambda fact: fact.restart_count == 1 and fact.state is ReplicaState.RUNNING)
        assert await log_with(lab.engine, running, "second") == "second\n"
        assert await log_of(lab.engine, running, previous=True) == "first\n"

    async def test_before_the_second_run_there_is_none_before(self, lab: KubernetesLab) -> None:
        running = lab.workload("echo only; exec sleep 1000")
        await lab.engine.apply(running)
        assert await log_of(lab.engine, running, previous=True) == ""

    async def test_without_an_older_generation_nothing_is_taken_back(self, lab: KubernetesLab) -> None:
        await lab.engine.apply(lab.workload(FOREVER, generation=2, exclusive=True))
        assert await lab.engine.roll_back(GUID, generation=2) == 0
        assert await lab.engine.roll_back("dep-unknown", generation=2) == 0
        assert await up(lab.engine) == [2]

    async def test_a_container_that_fails_its_probe_is_ended_with_the_finding(
        self, lab: KubernetesLab, watch: Watch
    ) -> None:
        probe = LivenessProbe(command=("false",), period=1, failures=2)
        await lab.engine.apply(lab.workload(FOREVER, probe=probe, restart=RestartPolicy.ON_FAILURE))
        ended = await watch.state(ReplicaState.BACKING_OFF)
        assert ended.finding is not None
        assert ended.finding.code is FindingCode.PROBE_FAILED
        assert ended.finding.detail.startswith("Liveness probe failed")
        again = await watch.until(lambda fact: fact.restart_count == 1 and fact.state is ReplicaState.RUNNING)
        assert again.finding is None

    async def test_a_question_without_an_answer_counts_as_a_failure(
        self, lab: KubernetesLab, watch: Watch
    ) -> None:
        probe = LivenessProbe(command=("sleep", "60"), period=1, timeout=1, failures=1)
        await lab.engine.apply(lab.workload(FOREVER, probe=probe, restart=RestartPolicy.NEVER))
        ended = await watch.state(ReplicaState.EXITED)
        assert ended.finding is not None
        assert ended.finding.code is FindingCode.PROBE_FAILED
        assert "timed out" in ended.finding.detail
