"""Docker Swarm: the contract of all engines on a real swarm, and what is its own."""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from docker_lab import digest_in, forms_of_password, fresh_layout
from engine_lab import GUID
from engine_suite import (
    DISK,
    FOREVER,
    PATIENCE,
    DiskSuite,
    EngineSuite,
    RollbackSuite,
    Watch,
    deleted,
    log_of,
)
from swarm_lab import SwarmLab, SwarmPlace, swarm_place

from parts.registry import PASSWORD, USER, RealRegistry, htpasswd_auth, push, running_registry
from towline.domain.causes import FindingCode
from towline.domain.credential import Credential, Password
from towline.domain.errors import EngineFailed, PullRefused
from towline.domain.image import ImageReference
from towline.domain.package import LivenessProbe, RestartPolicy
from towline.domain.registry import RegistrySettings
from towline.domain.workload import Mount, PullAccess, ReplicaState
from towline.engines.docker.address import EngineAddress
from towline.engines.docker.pulls import header
from towline.engines.swarm.disks import NODE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwarmPlace]:
    with swarm_place(tmp_path_factory.mktemp("swarm")) as place:
        yield place


@pytest.fixture
async def lab(at: SwarmPlace) -> AsyncIterator[SwarmLab]:
    lab = SwarmLab(at)
    await lab.engine.start()
    yield lab
    await lab.close()


@pytest.fixture
async def watch(lab: SwarmLab) -> AsyncIterator[Watch]:
    watch = Watch(lab.engine)
    yield watch
    await watch.close()


class TestSwarmEngine(EngineSuite, RollbackSuite, DiskSuite):
    """The contract."""


async def test_a_disk_binds_its_tasks_to_the_node_that_has_it(at: SwarmPlace, lab: SwarmLab) -> None:
    manager, ask = at.swarm.manager, at.swarm.manager.ask
    node = ask("GET", "/info")["Swarm"]["NodeID"]
    await lab.engine.apply(lab.workload(FOREVER, mounts=(Mount(DISK, "/data"),)))
    (service,) = ask("GET", "/services")
    assert service["Spec"]["TaskTemplate"]["Placement"]["Constraints"] == [f"node.id=={node}"]
    await lab.engine.remove(GUID)

    labels = {NODE: "another-node"}
    body = {"Name": f"towline-{lab.installation}.disk-far", "Labels": labels, "Data": "LQ=="}
    ident = ask("POST", "/configs/create", body)["ID"]
    far = (Mount("disk-far", "/data", uid=7),)
    with pytest.raises(EngineFailed, match="its disk is on the node another-node"):
        await lab.engine.apply(lab.workload(FOREVER, mounts=far))
    with pytest.raises(EngineFailed, match="are on different nodes of the swarm"):
        await lab.engine.apply(lab.workload(FOREVER, mounts=(*far, Mount(DISK, "/other"))))
    with pytest.raises(EngineFailed, match="the disk is on the node another-node"):
        await lab.engine.delete_disk("disk-far")
    ask("DELETE", f"/configs/{ident}")
    await deleted(lab)
    assert manager.volumes(installation=lab.installation) == []


async def test_a_wrong_password_is_the_finding_and_nothing_is_left(
    at: SwarmPlace, lab: SwarmLab, unpulled: str
) -> None:
    wrong = at.place.access(password="wrong")
    with pytest.raises(PullRefused) as caught:
        await lab.engine.apply(lab.workload(FOREVER, image=unpulled, access=wrong))
    assert caught.value.finding.code is FindingCode.WRONG_CREDENTIALS
    assert caught.value.finding.error_code == "DEP_E153"
    assert at.swarm.services(lab.installation) == []


async def test_no_login_where_one_is_needed_is_the_finding(
    at: SwarmPlace, lab: SwarmLab, unpulled: str
) -> None:
    anonymous = replace(at.place.access(), credential=None)
    with pytest.raises(PullRefused) as caught:
        await lab.engine.apply(lab.workload(FOREVER, image=unpulled, access=anonymous))
    assert caught.value.finding.code is FindingCode.SECRET_NEEDED


async def test_a_changed_password_reaches_nodes_that_pull_later_and_restarts_nothing(
    at: SwarmPlace, tmp_path: Path
) -> None:
    lab = SwarmLab(at)
    await lab.engine.start()
    watch = Watch(lab.engine)
    auth = htpasswd_auth(tmp_path)
    try:
        with running_registry(tmp_path, auth=auth) as registry, worker_only_afterwards(at) as move:
            layouts = [fresh_layout(tmp_path / name) for name in ("renewed", "left")]
            images = [
                f"{push(registry, layout, f'team/{layout.parent.name}:1')}@{digest_in(layout)}"
                for layout in layouts
            ]
            old, new = (access(registry, password) for password in (PASSWORD, "another-password"))
            renewed, left = (
                replace(lab.workload(FOREVER, image=image, access=old), deployment_guid=f"dep-{name}")
                for image, name in zip(images, ("renewed", "left"), strict=True)
            )
            await lab.engine.apply(renewed)
            await lab.engine.apply(left)
            before = running(at, lab)

            htpasswd_auth(tmp_path, "another-password")
            await lab.engine.apply(
                replace(renewed, executables=tuple(replace(run, access=new) for run in renewed.executables))
            )
            assert running(at, lab) == before, "renewing a login must restart nothing"
            spec = next(
                each["Spec"]
                for each in at.swarm.services(lab.installation)
                if "renewed" in each["Spec"]["Name"]
            )
            assert spec["TaskTemplate"]["ForceUpdate"] == 0

            told = len(watch.facts)
            move()
            moved = await watch.until(
                lambda fact: (
                    fact in watch.facts[told:]
                    and fact.deployment_guid == "dep-renewed"
                    and fact.state is ReplicaState.RUNNING
                )
            )
            assert moved.restart_count == 1
            refused = await watch.until(
                lambda fact: fact.deployment_guid == "dep-left" and fact.finding is not None
            )
            assert refused.finding is not None
            assert refused.finding.error_code == "DEP_E153"
            assert "No such image" in refused.finding.detail
            assert nodes(at, lab, "dep-renewed") == {at.swarm.node_of(at.swarm.worker)}
    finally:
        await watch.close()
        await lab.close()


async def test_no_password_is_where_the_swarm_shows_anything(
    at: SwarmPlace, lab: SwarmLab, unpulled: str
) -> None:
    began = at.place.dockerd.now()
    workload = lab.workload(FOREVER, image=unpulled)
    await lab.engine.apply(workload)
    await lab.engine.apply(workload)  # an update carries it too
    manager = at.swarm.manager
    shown = json.dumps([at.swarm.services(lab.installation), at.swarm.tasks(lab.installation)])
    shown += json.dumps(manager.ask("GET", "/containers/json?all=1"))
    events = str(manager.ask("GET", f"/events?since={began}&until={manager.now()}"))
    assert "service" in events
    assert [form for form in forms_of_password() if form in shown + events] == []
    written = next(iter(header(ImageReference.parse(unpulled), at.place.access().credential).values()))
    logged = "".join(node.log.read_text() for node in (manager, at.swarm.worker))
    assert [form for form in (*forms_of_password(), written) if form in logged + shown + events] == []


async def test_a_manager_at_debug_level_is_handed_nothing_until_it_is_quiet(
    at: SwarmPlace, lab: SwarmLab, unpulled: str
) -> None:
    manager = at.swarm.manager
    public = lab.workload(FOREVER)
    [run] = public.executables
    public = replace(public, executables=(replace(run, access=replace(run.access, credential=None)),))
    with_words = replace(public, executables=(replace(run, environment={"KEY": Password("word")}),))
    manager.set_debug(debug=True)
    try:
        for workload in (lab.workload(FOREVER, image=unpulled), with_words):
            with pytest.raises(EngineFailed) as caught:
                await lab.engine.apply(workload)
            assert caught.value.finding.code is FindingCode.ENGINE_LOGS_SECRETS
        assert at.swarm.services(lab.installation) == []
        await lab.engine.apply(public)
    finally:
        manager.set_debug(debug=False)
    await lab.engine.apply(lab.workload(FOREVER, image=unpulled))
    assert [form for form in forms_of_password() if form in manager.log.read_text()] == []


async def test_what_obeys_after_its_probe_failed_is_left_to_us_where_a_swarm_would_let_it_rest(
    lab: SwarmLab, watch: Watch
) -> None:
    probe = LivenessProbe(command=("false",), period=1, failures=1)
    workload = lab.workload(FOREVER, probe=probe, restart=RestartPolicy.ON_FAILURE)
    await lab.engine.apply(workload)
    failed = await watch.state(ReplicaState.FAILED)
    assert failed.finding is not None
    assert failed.finding.code is FindingCode.PROBE_FAILED
    told = len(watch.facts)
    await lab.engine.apply(workload)
    await watch.until(lambda fact: fact in watch.facts[told:] and fact.state is ReplicaState.RUNNING)


async def test_braces_in_an_environment_are_no_template(lab: SwarmLab, watch: Watch) -> None:
    words = "{{.Node.ID}} {{ }} {{{x}}} {{"
    workload = lab.workload("echo $WORDS", environment={"WORDS": words}, restart=RestartPolicy.NEVER)
    await lab.engine.apply(workload)
    await watch.state(ReplicaState.EXITED)
    assert await log_of(lab.engine, workload) == f"{words}\n"


async def test_a_followed_log_goes_on_with_the_next_task(lab: SwarmLab) -> None:
    workload = lab.workload("echo again; exit 1", restart=RestartPolicy.ALWAYS)
    await lab.engine.apply(workload)
    reader = lab.engine.logs(GUID, "main", follow=True)
    async with asyncio.timeout(PATIENCE):
        said: list[bytes] = []
        async for chunk in reader:
            said.append(chunk)
            if b"".join(said).count(b"again\n") == 2:
                break


async def test_a_log_of_a_task_on_another_node_is_read_through_the_manager(
    at: SwarmPlace, lab: SwarmLab
) -> None:
    with worker_only_afterwards(at) as move:
        move()
        workload = lab.workload(f"echo from afar; {FOREVER}")
        await lab.engine.apply(workload)
        assert nodes(at, lab, GUID) == {at.swarm.node_of(at.swarm.worker)}
        reader = lab.engine.logs(GUID, "main", follow=True)
        async with asyncio.timeout(PATIENCE):
            assert await anext(reader) == b"from afar\n"
        await reader.aclose()  # type: ignore[attr-defined]


async def test_another_life_of_towline_adopts_what_runs(lab: SwarmLab) -> None:
    workload = lab.workload(FOREVER, replicas=2)
    await lab.engine.apply(workload)
    before = [(fact.started_at, fact.replica) for fact in await lab.engine.inventory()]
    await lab.engine.close()
    lab.engine = lab.another()
    await lab.engine.start()
    await lab.engine.apply(workload)
    assert [(fact.started_at, fact.replica) for fact in await lab.engine.inventory()] == before


async def test_a_service_that_is_deleted_from_outside_is_reported_and_made_again(
    at: SwarmPlace, lab: SwarmLab, watch: Watch
) -> None:
    workload = lab.workload(FOREVER)
    await lab.engine.apply(workload)
    (made,) = at.swarm.services(lab.installation)
    at.swarm.manager.ask("DELETE", f"/services/{made['ID']}")
    await watch.until(lambda fact: fact.finding is not None and "gone" in fact.finding.detail)
    await lab.engine.apply(workload)
    assert [fact.state for fact in await lab.engine.inventory()] == [ReplicaState.RUNNING]


async def test_a_swarm_without_a_node_is_the_finding_and_nothing_is_left(
    at: SwarmPlace, lab: SwarmLab
) -> None:
    at.swarm.set_availability(at.swarm.manager, "pause")
    try:
        with pytest.raises(EngineFailed) as caught:
            await lab.engine.apply(lab.workload(FOREVER))
    finally:
        at.swarm.set_availability(at.swarm.manager, "active")
    assert caught.value.finding.code is FindingCode.UNSCHEDULABLE
    assert at.swarm.services(lab.installation) == []


async def test_an_engine_that_is_no_manager_says_so(at: SwarmPlace, lab: SwarmLab) -> None:
    await lab.engine.close()
    lab.engine = lab.another(address=EngineAddress.parse(at.swarm.worker.host))
    with pytest.raises(EngineFailed, match="not a swarm manager"):
        await lab.engine.about()
    with pytest.raises(EngineFailed, match="not a swarm manager"):
        await lab.engine.apply(lab.workload(FOREVER))


async def test_two_installations_on_one_swarm_do_not_see_each_other(at: SwarmPlace, lab: SwarmLab) -> None:
    other = SwarmLab(at)
    await other.engine.start()
    try:
        await lab.engine.apply(lab.workload(FOREVER))
        assert await other.engine.inventory() == []
        await other.engine.remove(GUID)
        assert len(at.swarm.services(lab.installation)) == 1
    finally:
        await other.close()


@contextmanager
def worker_only_afterwards(at: SwarmPlace) -> Iterator[Callable[[], None]]:
    """Give what moves all tasks to the worker; the manager has them again when the block ends."""

    def move() -> None:
        at.swarm.set_availability(at.swarm.worker, "active")
        at.swarm.set_availability(at.swarm.manager, "drain")

    try:
        yield move
    finally:
        at.swarm.set_availability(at.swarm.manager, "active")
        at.swarm.set_availability(at.swarm.worker, "drain")


def access(registry: RealRegistry, password: str) -> PullAccess:
    settings = RegistrySettings.default(registry.netloc)
    return PullAccess(settings, Credential(USER, Password(password)), plain_http=True)


def running(at: SwarmPlace, lab: SwarmLab) -> set[tuple[str, int]]:
    """Return the tasks that run, and the processes that they are."""
    return {
        (task["ID"], task["Status"]["ContainerStatus"]["PID"])
        for task in at.swarm.tasks(lab.installation)
        if task["Status"]["State"] == "running"
    }


def nodes(at: SwarmPlace, lab: SwarmLab, deployment_guid: str) -> set[str]:
    """Return where a deployment's tasks run."""
    services = {
        each["ID"]
        for each in at.swarm.services(lab.installation)
        if each["Spec"]["Labels"]["io.towline.deployment"] == deployment_guid
    }
    return {
        task["NodeID"]
        for task in at.swarm.tasks(lab.installation)
        if task["ServiceID"] in services and task["Status"]["State"] == "running"
    }


@pytest.fixture
def unpulled(at: SwarmPlace, tmp_path: Path) -> str:
    """Return an image that no node has got yet."""
    layout = fresh_layout(tmp_path)
    reference = push(at.place.registry, layout, f"team/{secrets.token_hex(8)}:1")
    return f"{reference}@{digest_in(layout)}"
