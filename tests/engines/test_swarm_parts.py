"""What is known of a swarm's services and tasks, without one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from engines_given import executable

from towline.domain.causes import FindingCode
from towline.domain.credential import Password
from towline.domain.package import Limits, LivenessProbe, PullPolicy, RestartPolicy
from towline.domain.proof import Platform
from towline.domain.workload import Workload
from towline.engines.docker import places
from towline.engines.swarm import document, tasks

WORKLOAD = Workload("dep-1", "my app", "project-1", 3, (), replicas=2, restart=RestartPolicy.ON_FAILURE)


def service(workload: Workload = WORKLOAD, *, network: str = "host", **changes: Any) -> Any:
    """Return the service of a workload's one executable."""
    run = replace(executable(), **changes)
    return document.service(
        "inst",
        workload,
        run,
        network=network,
        pause=5,
        platform=Platform("linux", "arm64", "v8"),
        node="node-1",
    )


def test_a_service_says_what_it_stands_for():
    made = service(name="main")
    assert made["Name"] == "towline-inst_dep-1_3_main"
    kept = places.read(made["Labels"])
    assert kept == places.Kept(
        places.Place("dep-1", 3, executable="main", replica=0), RestartPolicy.ON_FAILURE
    )
    assert made["Labels"][document.REPLICAS] == "2"
    assert made["Mode"] == {"Replicated": {"Replicas": 2}}
    assert made["TaskTemplate"]["ContainerSpec"]["Hostname"] == "my-app-{{.Task.Slot}}"


@pytest.mark.parametrize("name", ["an executable", "x" * 60, "trailing-"])
def test_a_name_that_a_swarm_would_refuse_becomes_a_hash(name: str):
    made = service(name=name)["Name"]
    assert made.startswith("towline-inst_")
    assert len(made) <= 63
    assert made != service(name=f"{name}!")["Name"]


def test_braces_of_a_value_are_written_as_what_expands_to_them():
    made = service(environment={"WORDS": Password("{{.Node.ID}}")})
    assert made["TaskTemplate"]["ContainerSpec"]["Env"] == ['WORDS={{"{{"}}.Node.ID}}']


def test_limits_restarts_and_grace_are_the_swarms_own_words():
    made = service(replace(WORKLOAD, stop_seconds=7), limits=Limits(cpu=0.5, memory=64))["TaskTemplate"]
    assert made["Resources"]["Limits"] == {"Pids": 4096, "MemoryBytes": 64 << 20, "NanoCPUs": 500_000_000}
    assert made["RestartPolicy"] == {"Condition": "on-failure", "Delay": 5_000_000_000}
    assert made["ContainerSpec"]["StopGracePeriod"] == 7_000_000_000
    assert made["Placement"]["Platforms"] == [{"OS": "linux", "Architecture": "arm64"}]


@pytest.mark.parametrize(
    ("changes", "stays"),
    [
        ({}, False),
        ({"probe": LivenessProbe(command=("true",))}, False),
        ({"probe": LivenessProbe(port=80)}, True),
        ({"pull_policy": PullPolicy.NEVER}, True),
    ],
)
def test_what_is_asked_from_outside_or_never_pulled_stays_on_the_managers_node(
    changes: dict[str, Any], *, stays: bool
):
    constraints = service(**changes)["TaskTemplate"]["Placement"]["Constraints"]
    assert constraints == (["node.id==node-1"] if stays else [])


@pytest.mark.parametrize(
    ("network", "targets", "ports"),
    [("host", ["host"], 0), ("none", ["none"], 0), ("bridge", [], 1), ("mesh", ["mesh"], 1)],
)
def test_ports_are_published_on_the_tasks_own_node(network: str, targets: list[str], ports: int):
    made = service(replace(WORKLOAD, ports=(8080,)), network=network)
    assert [each["Target"] for each in made["TaskTemplate"]["Networks"]] == targets
    assert [each["PublishMode"] for each in made["EndpointSpec"]["Ports"]] == ["host"] * ports


def task(state: str, error: str = "", *, container: str = "c1", exit_code: int = 0) -> tasks.Task:
    """Return a task as an Engine would list it."""
    status: dict[str, Any] = {"State": state, "Err": error, "Timestamp": "2026-01-02T03:04:05.123456789Z"}
    if container:
        status["ContainerStatus"] = {"ContainerID": container, "PID": 0, "ExitCode": exit_code}
    return tasks.read(
        {"ID": "t1", "ServiceID": "s1", "Slot": 2, "NodeID": "n1", "CreatedAt": "2026", "Status": status}
    )


def test_a_task_that_was_refused_for_its_image_says_where_to_look():
    found = tasks.not_started(task("rejected", "No such image: registry.test/app@sha256:1", container=""))
    assert found.error_code == "DEP_E153"
    assert "node n1" in found.detail
    assert "towline secret verify" in found.fix_hint


def test_a_task_whose_command_is_missing_never_ran():
    said = (
        'starting container failed: OCI runtime create failed: exec: "/x": stat /x: no such file or directory'
    )
    found = task("failed", said, exit_code=127)
    assert found.never_ran
    assert tasks.not_started(found).code is FindingCode.COMMAND_NOT_FOUND


def test_a_task_that_ended_by_itself_ran():
    found = task("failed", "task: non-zero exit (3)", exit_code=3)
    assert (found.has_ended, found.never_ran, found.was_moved, found.exit_code) == (True, False, False, 3)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("no suitable node (scheduling constraints not satisfied on 2 nodes)", FindingCode.UNSCHEDULABLE),
        ("no suitable node (host-mode port already in use on 1 node)", FindingCode.PORT_TAKEN),
    ],
)
def test_a_task_without_a_node_says_why(said: str, code: FindingCode):
    found = tasks.unscheduled(task("pending", said))
    assert found is not None
    assert (found.code, found.detail) == (code, said)
    assert tasks.unscheduled(task("pending")) is None
