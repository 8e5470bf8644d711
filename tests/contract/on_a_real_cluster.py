"""The engine contract on the cluster that KUBECONFIG leads to: ``make e2e-kubernetes``.

No test run collects this file by itself. It needs a registry that this machine may push to and the cluster's
nodes may pull from, with a login; the image of the suite is pushed there first:

- ``TOWLINE_E2E_REGISTRY`` (127.0.0.1:5099), ``TOWLINE_E2E_USERNAME`` (puller), ``TOWLINE_E2E_PASSWORD``
- ``TOWLINE_E2E_REPOSITORY`` (towline/lab), ``TOWLINE_E2E_NAMESPACE`` (a namespace is made where it is empty)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from engine_lab import GUID, workload
from engine_suite import FOREVER, EngineSuite, Watch, log_of

from parts import layers
from parts.images import folders_layout
from parts.registry import RealRegistry, push
from towline.domain.causes import FindingCode
from towline.domain.credential import Credential, Password
from towline.domain.errors import EngineFailed, NotAllowed, PullRefused
from towline.domain.mirror import HandedCopy, Mirror, MirrorOrder, MirrorPlace, PlaceState
from towline.domain.package import LivenessProbe, PullPolicy, RestartPolicy
from towline.domain.proof import Platform
from towline.domain.registry import RegistryAddress, RegistrySettings
from towline.domain.workload import Drift, PullAccess, ReplicaState, Workload
from towline.engines.kubernetes import access, rights
from towline.engines.kubernetes.cluster import Cluster
from towline.engines.kubernetes.engine import KubernetesEngine
from towline.engines.kubernetes.installation.carrying_out import CarryingOut, Outcome, Step
from towline.engines.kubernetes.installation.options import Options
from towline.engines.kubernetes.mirror_seen import SeenAccount
from towline.engines.kubernetes.mirroring import Mirroring
from towline.engines.kubernetes.naming import Names
from towline.engines.kubernetes.seen import SeenDeployment, SeenPod, SeenSecret, SeenService

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

REGISTRY = os.environ.get("TOWLINE_E2E_REGISTRY", "127.0.0.1:5099")
USERNAME = os.environ.get("TOWLINE_E2E_USERNAME", "puller")
PASSWORD = os.environ.get("TOWLINE_E2E_PASSWORD", "right-password")
REPOSITORY = os.environ.get("TOWLINE_E2E_REPOSITORY", "towline/lab")
NAMESPACE = os.environ.get("TOWLINE_E2E_NAMESPACE", "")
_PROBE = FindingCode.PROBE_FAILED
INSTANCE = f"e2e-{secrets.token_hex(3)}"


@pytest.fixture(scope="session")
def image(tmp_path_factory) -> str:
    """Push the image of the suite; return its reference by digest."""
    folder = tmp_path_factory.mktemp("image")
    config = layers.Config()
    layout = folders_layout(
        folder / "layout",
        layers.make_layers(folder / "rootfs"),
        config={
            "Entrypoint": config.entrypoint,
            "Cmd": config.cmd,
            "Env": ["PATH=/bin", *(f"{name}={value}" for name, value in config.environment.items())],
            "User": config.user,
            "WorkingDir": config.working_dir,
            "StopSignal": config.stop_signal,
        },
    )
    reference = push(RealRegistry(REGISTRY), layout, f"{REPOSITORY}:1", login=f"{USERNAME}:{PASSWORD}")
    index = json.loads((layout / "index.json").read_text())
    return f"{reference}@{index['manifests'][0]['digest']}"


class ClusterLab:
    """Makes workloads of the pushed image."""

    def __init__(self, image: str) -> None:
        self.image = image
        self.drifts: list[Drift] = []
        self.cluster = Cluster(access.configuration())
        self.names = Names(INSTANCE, prefix="towline-e2e-", namespace=NAMESPACE)
        self.engine = KubernetesEngine(
            self.cluster,
            self.names,
            platform=Platform("linux", "amd64"),
            clock=lambda: datetime.now(UTC),
            jitter=random.random,
            tell=self._note,
        )

    async def _note(self, drift: Drift) -> None:
        self.drifts.append(drift)

    def workload(self, script: str, **changes: Any) -> Workload:
        """Return a workload that runs a shell script in the image."""
        password = changes.pop("password", PASSWORD)
        made = workload(script, **{"image": self.image, **changes})
        login = Credential(USERNAME, Password(password))
        opened = PullAccess(RegistrySettings.default(REGISTRY), login)
        return replace(made, executables=tuple(replace(each, access=opened) for each in made.executables))


@pytest.fixture
async def lab(image: str) -> AsyncIterator[ClusterLab]:
    lab = ClusterLab(image)
    await lab.engine.start()
    yield lab
    await lab.engine.remove(GUID)
    await lab.engine.close()


@pytest.fixture
async def watch(lab: ClusterLab) -> AsyncIterator[Watch]:
    watch = Watch(lab.engine)
    yield watch
    await watch.close()


class TestOnARealCluster(EngineSuite):
    """The contract, but for probes of ports of the machine that the tests run on."""

    test_a_port_that_is_closed_fails_the_probe_and_an_open_one_does_not = None
    test_a_probe_by_http_asks_as_it_was_told = None
    test_an_answer_that_is_an_error_fails_the_probe = None
    test_an_exclusive_generation_ends_the_older_one = None

    async def test_a_program_for_another_processor_is_a_finding(self, lab: ClusterLab, watch: Watch) -> None:
        """The runtime starts it, and only then is it known: what was asked for may have come back by then."""
        with contextlib.suppress(EngineFailed):
            await lab.engine.apply(lab.workload("", entrypoint=("/bin/foreign",)))
        failed = await watch.until(lambda fact: fact.finding is not None)
        assert failed.finding is not None
        assert failed.finding.code is FindingCode.WRONG_ARCHITECTURE

    async def test_an_update_that_ended_is_taken_away_from_beside_what_serves(
        self, lab: ClusterLab, watch: Watch
    ) -> None:
        await lab.engine.apply(lab.workload(FOREVER, generation=1))
        await lab.engine.apply(lab.workload("sleep 3; exit 3", generation=2, exclusive=True))
        await watch.until(lambda fact: fact.generation == 2 and fact.exit_code == 3)
        assert await lab.engine.roll_back(GUID, generation=2) == 1
        assert [fact.generation for fact in await lab.engine.inventory()] == [1]

    async def test_the_log_of_the_run_before_is_kept_apart(self, lab: ClusterLab, watch: Watch) -> None:
        running = lab.workload("read up rest </proc/uptime; echo $up; sleep 4; exit 3")
        await lab.engine.apply(running)
        await watch.until(lambda fact: fact.restart_count >= 1 and fact.state is ReplicaState.RUNNING)
        now, before = await log_of(lab.engine, running), await log_of(lab.engine, running, previous=True)
        assert before
        assert now != before

    async def test_a_failing_process_is_started_again_after_a_pause(
        self, lab: ClusterLab, watch: Watch
    ) -> None:
        """The run is long enough for the kubelet to tell of it."""
        await lab.engine.apply(lab.workload("sleep 3; exit 9", restart=RestartPolicy.ON_FAILURE))
        resting = await watch.state(ReplicaState.BACKING_OFF)
        assert resting.exit_code == 9
        again = await watch.until(lambda fact: fact.restart_count >= 1 and fact.state is ReplicaState.RUNNING)
        assert again.started_at is not None
        assert resting.started_at is not None
        assert again.started_at > resting.started_at

    async def test_a_container_that_fails_its_probe_is_ended_with_the_finding(
        self, lab: ClusterLab, watch: Watch
    ) -> None:
        probe = LivenessProbe(command=("false",), period=1, failures=2)
        await lab.engine.apply(lab.workload(FOREVER, probe=probe, restart=RestartPolicy.ON_FAILURE))
        ended = await watch.until(lambda fact: fact.finding is not None)
        assert ended.finding is not None
        assert ended.finding.code is FindingCode.PROBE_FAILED

    async def test_a_question_without_an_answer_counts_as_a_failure(
        self, lab: ClusterLab, watch: Watch
    ) -> None:
        probe = LivenessProbe(command=("sleep", "60"), period=1, timeout=1, failures=1)
        await lab.engine.apply(lab.workload(FOREVER, probe=probe, restart=RestartPolicy.NEVER))
        # a pod that is not started again is ended as a whole, and why is told a moment after that
        await watch.until(lambda fact: fact.finding is not None and fact.finding.code is _PROBE)


async def test_a_wrong_password_becomes_its_finding_and_is_not_tried_on(lab: ClusterLab) -> None:
    # a node that has the image would else ask for no password
    wrong = lab.workload(FOREVER, password="not-the-password", pull_policy=PullPolicy.ALWAYS)
    with pytest.raises(PullRefused) as caught:
        await lab.engine.apply(wrong)
    assert caught.value.finding.code is FindingCode.WRONG_CREDENTIALS
    assert await lab.engine.inventory() == []


async def test_the_service_stays_with_what_serves_when_an_update_goes(lab: ClusterLab, watch: Watch) -> None:
    """The cluster's garbage collector takes along what has no other owner."""
    await lab.engine.apply(replace(lab.workload(FOREVER), ports=(8080,)))
    update = lab.workload("sleep 3; exit 3", generation=2, exclusive=True)
    await lab.engine.apply(replace(update, ports=(9090,)))
    await watch.until(lambda fact: fact.generation == 2 and fact.exit_code == 3)
    assert await lab.engine.roll_back(GUID, generation=2) == 1
    namespace = lab.names.namespace_of(update.project_guid)
    service = await lab.cluster.get(SeenService, "test", namespace=namespace)
    assert service is not None
    assert [owner.name for owner in service.metadata.owner_references or ()] == [f"{GUID}-1"]
    await lab.engine.remove(GUID)
    async with asyncio.timeout(60):
        while await lab.cluster.get(SeenService, "test", namespace=namespace) is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def test_what_can_never_be_changed_is_made_anew(lab: ClusterLab) -> None:
    """Somebody made our Secret with another type."""
    running = lab.workload(FOREVER)
    await lab.engine.apply(running)
    namespace = lab.names.namespace_of(running.project_guid)
    await lab.engine.remove(GUID)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"{GUID}-1-pull"}, "type": "Opaque"}
    path = f"api/v1/namespaces/{namespace}/secrets"
    await lab.cluster.ask("POST", path, document=secret, plural="secrets")
    await lab.engine.apply(running)
    assert {fact.state for fact in await lab.engine.inventory()} == {ReplicaState.RUNNING}


async def test_removal_leaves_nothing_of_ours(lab: ClusterLab) -> None:
    await lab.engine.apply(lab.workload(FOREVER, replicas=2, environment={"WORD": "swordfish"}))
    await lab.engine.remove(GUID)
    for kind in (SeenDeployment, SeenPod, SeenSecret):
        assert (await lab.cluster.list(kind, labels=lab.names.selector)).items == ()


async def test_the_password_is_in_no_log_and_no_fact(lab: ClusterLab, watch: Watch) -> None:
    await lab.engine.apply(lab.workload("env; exec sleep 1000"))
    log = await log_of(lab.engine, lab.workload(""))
    assert PASSWORD not in log
    assert PASSWORD not in repr(watch.facts)


async def test_a_secret_is_mirrored_to_a_service_account_and_taken_away_again(lab: ClusterLab) -> None:
    """Beside the account's other pull secrets, in a namespace that is there; needs the rights of mirrors."""
    examined = await rights.examine(lab.cluster, namespace=NAMESPACE, mirrors=not NAMESPACE)
    assert not examined.missing, f"the account lacks rights: {sorted(r.resource for r in examined.missing)}"
    await lab.engine.apply(lab.workload(FOREVER))
    names, namespace = lab.names, lab.names.namespace_of(lab.workload("").project_guid)
    mirroring = Mirroring(
        lab.cluster, names, allowed=("*",), clock=lambda: datetime.now(UTC), jitter=random.random
    )
    mirror = Mirror(
        f"mirror-{INSTANCE}",
        lab.workload("").project_guid,
        "secret-e2e",
        f"mirrored-{INSTANCE}",
        created_at=datetime.now(UTC),
        namespaces=(namespace,),
        accounts=("default",),
    )
    login = Credential(USERNAME, Password(PASSWORD))
    told: dict[str, MirrorPlace] = {}

    async def hand_out(order: MirrorOrder, _: str) -> HandedCopy:
        return HandedCopy(login, order.address, order.version)

    async def tell(_: str, places: Sequence[MirrorPlace]) -> None:
        told.clear()
        told.update({place.namespace: place for place in places})

    async def until(seen: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not seen():  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def pulls() -> tuple[str, ...]:
        account = await lab.cluster.get(SeenAccount, "default", namespace=namespace)
        assert account is not None
        return account.entries

    before = await pulls()
    running = asyncio.create_task(mirroring.run(hand_out=hand_out, tell=tell))
    try:
        mirroring.order([MirrorOrder(mirror, 1, RegistryAddress.parse(REGISTRY))])
        await until(lambda: told.get(namespace) and told[namespace].state is PlaceState.IN_PLACE)
        assert await pulls() == (*before, mirror.object_name)
        mirroring.order([MirrorOrder(mirror, 2, RegistryAddress.parse(REGISTRY))])
        await until(lambda: told[namespace].version == 2)
        mirroring.order([])
        await until(lambda: not told)
        assert await pulls() == before
        assert await lab.cluster.get(SeenSecret, mirror.object_name, namespace=namespace) is None
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    "choice",
    [
        {},
        {"database_secret": "towline-database", "replicas": 3, "tls_secret": "towline-tls"},
        {"host": "towline.example.com", "ingress_tls_secret": "cert", "mirror_namespaces": ("shop-*",)},
    ],
    ids=str,
)
async def test_the_api_server_takes_everything_that_an_installation_holds(choice: Mapping[str, Any]) -> None:
    """A trial (``dryRun=All``) keeps nothing; it needs the rights of a cluster admin."""
    steps: list[Step] = []
    options = Options(image="registry.example.com/towline:1", name=INSTANCE, namespace="default", **choice)
    cluster = Cluster(access.configuration())
    try:
        await CarryingOut(cluster, options, tell=steps.append, is_trial=True).apply(
            fresh=lambda: Password("{}")
        )
    except NotAllowed as refused:
        pytest.skip(f"this account may not install: {refused}")
    finally:
        await cluster.close()
    assert {step.outcome for step in steps} == {Outcome.KEPT, Outcome.ACCEPTED}, steps
