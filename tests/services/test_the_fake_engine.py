"""The engine in memory keeps the port's promises, so that tests on it mean something."""

import asyncio

import pytest

from parts.fakes import FakeEngine, ManualClock
from towline.domain.causes import FindingCode
from towline.domain.errors import EngineFailed, PullRefused
from towline.domain.findings import Finding
from towline.domain.image import ImageReference
from towline.domain.registry import RegistrySettings
from towline.domain.workload import PullAccess, ReplicaState, Workload, WorkloadExecutable

GUID = "dep-a"


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(clock=ManualClock())


def _workload(*, generation: int = 1, replicas: int = 1, exclusive: bool = False) -> Workload:
    access = PullAccess(RegistrySettings.default("registry.example.com"))
    run = WorkloadExecutable("app", ImageReference.parse("registry.example.com/app:1"), access)
    return Workload(GUID, "a", "project-a", generation, (run,), replicas=replicas, exclusive=exclusive)


async def test_applying_twice_starts_once(engine: FakeEngine) -> None:
    await engine.apply(_workload(replicas=2))
    await engine.apply(_workload(replicas=2))
    assert list(engine.started.values()) == [1, 1]
    assert {fact.state for fact in await engine.inventory()} == {ReplicaState.RUNNING}


async def test_facts_are_heard_from_the_call_of_observe_on(engine: FakeEngine) -> None:
    facts = engine.observe()
    await engine.apply(_workload())
    engine.ends(GUID, "app", exit_code=3)
    heard = [await anext(facts) for _ in range(3)]
    assert [fact.state for fact in heard] == [
        ReplicaState.PULLING,
        ReplicaState.RUNNING,
        ReplicaState.BACKING_OFF,
    ]
    assert heard[2].exit_code == 3


@pytest.mark.parametrize("failure", [PullRefused, EngineFailed])
async def test_a_scripted_failure_starts_nothing_and_harms_nothing(
    engine: FakeEngine, failure: type[PullRefused | EngineFailed]
) -> None:
    await engine.apply(_workload())
    engine.fails(failure(Finding(FindingCode.DISK_FULL)))
    with pytest.raises(failure):
        await engine.apply(_workload(generation=2))
    assert [key[1] for key in engine.running(GUID)] == [1]
    await engine.apply(_workload(generation=2))
    assert [key[1] for key in engine.running(GUID)] == [1, 2]


async def test_an_exclusive_workload_ends_the_others_after_the_pull(engine: FakeEngine) -> None:
    await engine.apply(_workload())
    engine.hold()
    applying = asyncio.create_task(engine.apply(_workload(generation=2, exclusive=True)))
    await asyncio.sleep(0)
    assert [key[1] for key in engine.running(GUID)] == [1]
    engine.release()
    await applying
    assert [key[1] for key in engine.running(GUID)] == [2]


async def test_an_apply_that_is_cancelled_can_be_repeated(engine: FakeEngine) -> None:
    engine.hold()
    applying = asyncio.create_task(engine.apply(_workload()))
    await asyncio.sleep(0)
    applying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await applying
    assert await engine.inventory() == ()
    engine.release()
    await engine.apply(_workload())
    assert len(engine.running(GUID)) == 1


async def test_remove_takes_all_or_only_older_generations(engine: FakeEngine) -> None:
    for generation in (1, 2, 3):
        await engine.apply(_workload(generation=generation))
    await engine.remove(GUID, below=3)
    assert [key[1] for key in engine.running(GUID)] == [3]
    await engine.remove(GUID)
    await engine.remove(GUID)
    assert await engine.inventory() == ()


async def test_a_followed_log_ends_with_its_container(engine: FakeEngine) -> None:
    await engine.apply(_workload())
    engine.says(GUID, "app", b"one\n")
    log = engine.logs(GUID, "app", follow=True)
    assert await anext(log) == b"one\n"
    engine.says(GUID, "app", b"two\n")
    assert await anext(log) == b"two\n"
    await engine.remove(GUID)
    assert [line async for line in log] == []


async def test_a_tail_is_the_end_of_the_log(engine: FakeEngine) -> None:
    await engine.apply(_workload())
    for line in (b"one\n", b"two\n", b"three\n"):
        engine.says(GUID, "app", line)
    assert [line async for line in engine.logs(GUID, "app", tail=2)] == [b"two\n", b"three\n"]
    assert [line async for line in engine.logs("dep-b", "app")] == []
