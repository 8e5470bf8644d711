"""What every engine must do, whatever runs the containers. An engine's own tests inherit EngineSuite.

The lab is the engine's own: it makes workloads of an image with a POSIX shell in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, cast

import pytest

from towline.domain.causes import FindingCode
from towline.domain.errors import EngineFailed, PullRefused
from towline.domain.package import Limits, LivenessProbe, PullPolicy, RestartPolicy
from towline.domain.workload import Fact, Mount, ReplicaState, Workload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from towline.ports import Engine, EngineHost

PATIENCE = 30
FOREVER = "trap 'exit 0' INT TERM; while :; do sleep 0.05; done"
"""Runs until it is asked to end: the image's stop signal is INT."""


class Lab(Protocol):
    """Makes workloads that its engine can run."""

    engine: Engine

    def workload(self, script: str, **changes: Any) -> Workload:
        """Return a workload that runs a shell script; changes are those of the workload or its executable."""


class Watch:
    """Remembers an engine's facts and waits for the ones that a test is about."""

    def __init__(self, engine: Engine) -> None:
        self.facts: list[Fact] = []
        self._news = asyncio.Condition()
        self._task = asyncio.create_task(self._follow(engine.observe()))

    async def until(self, matches: Callable[[Fact], bool]) -> Fact:
        """Return the first fact that matches, of all that were seen and will be."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: any(map(matches, self.facts)))
        return next(fact for fact in self.facts if matches(fact))

    async def state(self, state: ReplicaState) -> Fact:
        """Return the first fact with that state."""
        return await self.until(lambda fact: fact.state is state)

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _follow(self, facts: AsyncIterator[Fact]) -> None:
        async for fact in facts:
            async with self._news:
                self.facts.append(fact)
                self._news.notify_all()


async def log_of(engine: Engine, workload: Workload, **options: Any) -> str:
    """Return a container's whole log."""
    async with asyncio.timeout(PATIENCE):
        chunks = [chunk async for chunk in engine.logs(workload.deployment_guid, "main", **options)]
    return b"".join(chunks).decode()


async def log_with(engine: Engine, workload: Workload, words: str) -> str:
    """Return a container's log as soon as it has these words: what runs need not have written yet."""
    async with asyncio.timeout(PATIENCE):
        while words not in (log := await log_of(engine, workload)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return log


class EngineSuite:
    """The contract. Inheritors give the fixture ``lab``."""

    @pytest.fixture
    async def watch(self, lab: Lab) -> AsyncIterator[Watch]:
        watch = Watch(lab.engine)
        yield watch
        await watch.close()

    async def run_to_its_end(self, lab: Lab, watch: Watch, script: str, **changes: Any) -> tuple[Fact, str]:
        """Run a script once; return the fact of its end and its log."""
        workload = lab.workload(script, restart=RestartPolicy.NEVER, **changes)
        await lab.engine.apply(workload)
        ended = await watch.state(ReplicaState.EXITED)
        return ended, await log_of(lab.engine, workload)

    async def test_a_started_container_is_reported_and_held(self, lab: Lab, watch: Watch) -> None:
        await lab.engine.apply(lab.workload(FOREVER))
        fact = await watch.state(ReplicaState.RUNNING)
        assert fact.started_at is not None
        assert fact.finding is None
        assert [held.state for held in await lab.engine.inventory()] == [ReplicaState.RUNNING]

    async def test_applying_twice_starts_once(self, lab: Lab) -> None:
        workload = lab.workload(FOREVER)
        await lab.engine.apply(workload)
        first = await lab.engine.inventory()
        await lab.engine.apply(workload)
        assert await lab.engine.inventory() == first

    async def test_every_replica_is_started(self, lab: Lab) -> None:
        await lab.engine.apply(lab.workload(FOREVER, replicas=3))
        held = await lab.engine.inventory()
        assert sorted(fact.replica for fact in held) == [0, 1, 2]
        assert {fact.state for fact in held} == {ReplicaState.RUNNING}

    async def test_an_exit_code_comes_with_the_last_words(self, lab: Lab, watch: Watch) -> None:
        ended, log = await self.run_to_its_end(lab, watch, "echo all is lost >&2; exit 3")
        assert ended.exit_code == 3
        assert ended.finding is not None
        assert ended.finding.code is FindingCode.EXITED
        assert "exit code 3" in ended.finding.detail
        assert "all is lost" in ended.finding.detail
        assert log == "all is lost\n"

    async def test_a_container_that_may_rest_is_not_started_again(self, lab: Lab, watch: Watch) -> None:
        workload = lab.workload("echo once", restart=RestartPolicy.ON_FAILURE)
        await lab.engine.apply(workload)
        await watch.state(ReplicaState.EXITED)
        await lab.engine.apply(workload)
        assert [held.state for held in await lab.engine.inventory()] == [ReplicaState.EXITED]
        assert await log_of(lab.engine, workload) == "once\n"

    async def test_a_failing_process_is_started_again_after_a_pause(self, lab: Lab, watch: Watch) -> None:
        await lab.engine.apply(lab.workload("exit 9", restart=RestartPolicy.ON_FAILURE))
        resting = await watch.state(ReplicaState.BACKING_OFF)
        assert resting.exit_code == 9
        assert resting.started_at is not None
        # It may have ended again before an engine could tell that it ran.
        again = await watch.until(lambda fact: fact.restart_count > resting.restart_count)
        assert again.started_at is not None
        assert again.started_at > resting.started_at

    async def test_a_container_that_fails_its_probe_is_ended_with_the_finding(
        self, lab: Lab, watch: Watch
    ) -> None:
        probe = LivenessProbe(command=("false",), period=1, failures=2)
        await lab.engine.apply(lab.workload(FOREVER, probe=probe))
        ended = await watch.state(ReplicaState.BACKING_OFF)
        assert ended.finding is not None
        assert ended.finding.code is FindingCode.PROBE_FAILED
        assert ended.finding.detail == "2 times in a row: the command ended with 1"
        again = await watch.until(lambda fact: fact.restart_count == 1 and fact.state is ReplicaState.RUNNING)
        assert again.finding is None

    async def test_a_command_of_a_probe_runs_as_the_executable_does(self, lab: Lab, watch: Watch) -> None:
        asks = 'test "$WORD" = swordfish && id -u > /dev/shm/asked-as'
        await lab.engine.apply(
            lab.workload(
                "until test -s /dev/shm/asked-as; do sleep 0.05; done; cat /dev/shm/asked-as; id -u",
                environment={"WORD": "swordfish"},
                probe=LivenessProbe(command=("/bin/sh", "-c", asks), period=1, failures=1),
                restart=RestartPolicy.NEVER,
            )
        )
        ended = await watch.state(ReplicaState.EXITED)
        assert ended.exit_code == 0
        asked_as, own = (await log_of(lab.engine, lab.workload(""))).split()
        assert asked_as == own

    async def test_a_question_without_an_answer_counts_as_a_failure(self, lab: Lab, watch: Watch) -> None:
        probe = LivenessProbe(command=("sleep", "60"), period=1, timeout=1, failures=1)
        await lab.engine.apply(lab.workload(FOREVER, probe=probe, restart=RestartPolicy.NEVER))
        ended = await watch.state(ReplicaState.EXITED)
        assert ended.finding is not None
        assert ended.finding.detail == "1 times in a row: no answer within 1 s"

    async def test_a_port_that_is_closed_fails_the_probe_and_an_open_one_does_not(
        self, lab: Lab, watch: Watch
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            probe = LivenessProbe(port=port, period=1, failures=1)
            await lab.engine.apply(lab.workload(FOREVER, probe=probe, restart=RestartPolicy.NEVER))
            (await asyncio.to_thread(server.accept))[0].close()
            (await asyncio.to_thread(server.accept))[0].close()
        ended = await watch.state(ReplicaState.EXITED)
        assert ended.finding is not None
        assert ended.finding.detail == "1 times in a row: Connection refused"

    @pytest.mark.parametrize(("status", "path"), [(200, "/healthz?deep=1"), (302, "/")])
    async def test_a_probe_by_http_asks_as_it_was_told(self, lab: Lab, status: int, path: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            headers = (("X-Probe", "yes"), ("Host", "app.example.com"))
            probe = LivenessProbe(
                port=server.getsockname()[1], path=path, headers=headers, period=1, failures=1
            )
            await lab.engine.apply(lab.workload(FOREVER, probe=probe))
            first = await asyncio.to_thread(_answered, server, status)
            await asyncio.to_thread(_answered, server, status)  # it lived on
        lines = first.split("\r\n")
        assert lines[0] == f"GET {path} HTTP/1.1"
        assert {"X-Probe: yes", "Host: app.example.com"} < set(lines)

    async def test_an_answer_that_is_an_error_fails_the_probe(self, lab: Lab, watch: Watch) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            probe = LivenessProbe(port=server.getsockname()[1], path="/healthz", period=1, failures=1)
            await lab.engine.apply(lab.workload(FOREVER, probe=probe, restart=RestartPolicy.NEVER))
            await asyncio.to_thread(_answered, server, 503)
        ended = await watch.state(ReplicaState.EXITED)
        assert ended.finding is not None
        assert ended.finding.detail == "1 times in a row: /healthz was answered with 503"

    async def test_a_missing_command_is_a_finding_and_nothing_is_left(self, lab: Lab) -> None:
        with pytest.raises(EngineFailed) as caught:
            await lab.engine.apply(lab.workload("", entrypoint=("/no/such/program",)))
        assert caught.value.finding.code is FindingCode.COMMAND_NOT_FOUND
        assert "/no/such/program" in caught.value.finding.detail
        assert await lab.engine.inventory() == []

    async def test_a_program_for_another_processor_is_a_finding(self, lab: Lab) -> None:
        with pytest.raises(EngineFailed) as caught:
            await lab.engine.apply(lab.workload("", entrypoint=("/bin/foreign",)))
        assert caught.value.finding.code is FindingCode.WRONG_ARCHITECTURE

    async def test_an_image_that_must_be_here_and_is_not_is_a_finding(self, lab: Lab) -> None:
        absent = "registry.test/no/such@sha256:" + "0" * 64
        with pytest.raises(PullRefused) as caught:
            await lab.engine.apply(lab.workload(FOREVER, image=absent, pull_policy=PullPolicy.NEVER))
        assert caught.value.finding.code is FindingCode.IMAGE_NOT_PRESENT

    async def test_too_much_memory_is_a_finding(self, lab: Lab, watch: Watch) -> None:
        ended, _ = await self.run_to_its_end(
            lab, watch, "exec dd if=/dev/zero of=/dev/null bs=200M count=1", limits=Limits(memory=20)
        )
        assert ended.finding is not None
        assert ended.finding.code is FindingCode.OUT_OF_MEMORY
        assert ended.exit_code == 137

    async def test_the_images_own_settings_hold(self, lab: Lab, watch: Watch) -> None:
        _, log = await self.run_to_its_end(lab, watch, "id -u; id -g; id -G; pwd; echo $GREETING")
        assert log.splitlines() == ["1000", "1000", "1000 50", "/srv/app", "hello from the image"]

    async def test_the_packages_settings_stand_above_the_images(self, lab: Lab, watch: Watch) -> None:
        _, log = await self.run_to_its_end(
            lab, watch, "id -u; id -g; echo $GREETING", uid=7, gid=8, environment={"GREETING": "hello"}
        )
        assert log.splitlines() == ["7", "8", "hello"]

    async def test_a_given_command_keeps_the_images_entrypoint(self, lab: Lab, watch: Watch) -> None:
        _, log = await self.run_to_its_end(lab, watch, "", entrypoint=(), command=("-c", "echo $0 kept"))
        assert log == "/bin/sh kept\n"

    async def test_a_commands_dollars_reach_the_program_as_they_are(self, lab: Lab, watch: Watch) -> None:
        script = "echo '$$ $(WORD)' $((1 + 1)) $(echo $WORD)"
        _, log = await self.run_to_its_end(lab, watch, script, environment={"WORD": "swordfish"})
        assert log == "$$ $(WORD) 2 swordfish\n"

    async def test_the_images_stop_signal_is_sent_first(self, lab: Lab) -> None:
        workload = lab.workload("trap 'echo got INT; exit 0' INT; echo ready; while :; do sleep 0.05; done")
        await lab.engine.apply(workload)
        reader = lab.engine.logs(workload.deployment_guid, "main", follow=True)
        async with asyncio.timeout(PATIENCE):
            assert await anext(reader) == b"ready\n"
            await lab.engine.remove(workload.deployment_guid)
            rest = b"".join([chunk async for chunk in reader])
        assert rest == b"got INT\n"

    async def test_what_ignores_the_signal_is_killed(self, lab: Lab) -> None:
        await lab.engine.apply(lab.workload("trap '' INT TERM; while :; do sleep 0.05; done", stop_seconds=0))
        await lab.engine.remove("dep-test")
        assert await lab.engine.inventory() == []

    async def test_a_log_can_be_cut_to_its_tail(self, lab: Lab, watch: Watch) -> None:
        workload = lab.workload("for n in 1 2 3 4 5; do echo line $n; done", restart=RestartPolicy.NEVER)
        await lab.engine.apply(workload)
        await watch.state(ReplicaState.EXITED)
        assert await log_of(lab.engine, workload, tail=2) == "line 4\nline 5\n"
        assert await log_of(lab.engine, workload, tail=0) == ""

    async def test_a_log_tells_on_request_when_each_line_came(self, lab: Lab, watch: Watch) -> None:
        script = "echo one; sleep 1.1; echo; printf two; sleep 0.1; echo ' words'"
        began = datetime.now(UTC)
        workload = lab.workload(script, restart=RestartPolicy.NEVER)
        await lab.engine.apply(workload)
        await watch.state(ReplicaState.EXITED)
        for options in ({}, {"follow": True}):
            told = await log_of(lab.engine, workload, timestamps=True, **options)
            stamps, texts = zip(*(line.split(" ", 1) for line in told.splitlines()), strict=True)
            assert texts == ("one", "", "two words")
            times = [datetime.fromisoformat(stamp) for stamp in stamps]
            # podman tells whole seconds; a container's sleep is not the host's clock, so with some grace
            assert (times[1] - times[0]).total_seconds() > 0.2
            assert began - timedelta(seconds=1) < times[0] <= times[1] <= times[2]
            assert times[2] < datetime.now(UTC) + timedelta(seconds=1)
        cut = await log_of(lab.engine, workload, timestamps=True, tail=1)
        assert cut == told.splitlines(keepends=True)[-1]
        assert await log_of(lab.engine, workload) == "one\n\ntwo words\n"

    async def test_a_followed_log_ends_with_its_container(self, lab: Lab) -> None:
        workload = lab.workload("echo first; sleep 0.3; echo -n last", restart=RestartPolicy.NEVER)
        await lab.engine.apply(workload)
        assert await log_of(lab.engine, workload, follow=True) == "first\nlast\n"

    async def test_generations_run_side_by_side_until_the_older_is_removed(self, lab: Lab) -> None:
        await lab.engine.apply(lab.workload(FOREVER, generation=1))
        await lab.engine.apply(lab.workload(FOREVER, generation=2))
        assert sorted(fact.generation for fact in await lab.engine.inventory()) == [1, 2]
        await lab.engine.remove("dep-test", below=2)
        assert [fact.generation for fact in await lab.engine.inventory()] == [2]

    async def test_an_exclusive_generation_ends_the_older_one(self, lab: Lab) -> None:
        await lab.engine.apply(lab.workload(FOREVER, generation=1))
        await lab.engine.apply(lab.workload(FOREVER, generation=2, exclusive=True))
        assert await up(lab.engine) == [2]
        await lab.engine.remove("dep-test", below=2)
        assert [fact.generation for fact in await lab.engine.inventory()] == [2]

    async def test_removing_what_is_not_there_is_no_error(self, lab: Lab) -> None:
        await lab.engine.remove("dep-unknown")

    async def test_the_log_of_an_unknown_container_is_empty(self, lab: Lab) -> None:
        assert await log_of(lab.engine, lab.workload(FOREVER), follow=True) == ""


class RollbackSuite:
    """What an engine does besides that keeps, ended, what an exclusive update replaces."""

    async def test_what_an_update_that_ended_had_replaced_runs_again(self, lab: Lab, watch: Watch) -> None:
        await lab.engine.apply(lab.workload(FOREVER, generation=1))
        await lab.engine.apply(lab.workload("sleep 0.3; exit 3", generation=2, exclusive=True))
        await watch.until(lambda fact: fact.generation == 2 and fact.exit_code == 3)
        assert await lab.engine.roll_back("dep-test", generation=2) == 1
        await until_up(lab.engine, [1])
        assert await lab.engine.roll_back("dep-test", generation=2) == 1, "it may be repeated"
        assert await up(lab.engine) == [1]
        await lab.engine.apply(lab.workload(FOREVER, generation=2, exclusive=True))
        assert await up(lab.engine) == [2], "the same update may be tried again"
        await lab.engine.remove("dep-test", below=2)
        assert [fact.generation for fact in await lab.engine.inventory()] == [2]

    async def test_without_an_older_generation_nothing_is_taken_back(self, lab: Lab) -> None:
        await lab.engine.apply(lab.workload(FOREVER, generation=2, exclusive=True))
        assert await lab.engine.roll_back("dep-test", generation=2) == 0
        assert await lab.engine.roll_back("dep-unknown", generation=2) == 0
        assert await up(lab.engine) == [2]

    async def test_an_update_of_which_a_part_cannot_start_is_ended_whole(self, lab: Lab) -> None:
        await lab.engine.apply(lab.workload(FOREVER, generation=1))
        update = lab.workload(FOREVER, generation=2, exclusive=True)
        (main,) = update.executables
        other = replace(main, name="other", entrypoint=("/no/such/program",), command=())
        with pytest.raises(EngineFailed):
            await lab.engine.apply(replace(update, executables=(main, other)))
        await until_up(lab.engine, [1])


DISK = "disk-suite"


class DiskSuite:
    """What an engine does with disks. Inheritors give the fixtures ``lab``, whose disk is deleted after each
    test, and ``watch``.
    """

    async def says(self, lab: Lab, script: str, mount: Mount, **changes: Any) -> str:
        """Run a script once with a disk, remove it, and return its log."""
        workload = lab.workload(script, mounts=(mount,), restart=RestartPolicy.NEVER, **changes)
        await lab.engine.apply(workload)
        log = await log_of(lab.engine, workload, follow=True)
        await lab.engine.remove(workload.deployment_guid)
        return log

    async def test_what_is_on_a_disk_outlives_containers_and_ends_with_the_disk(self, lab: Lab) -> None:
        disk = Mount(DISK, "/data", capacity=4)
        assert await self.says(lab, "echo kept > /data/word && ls /data", disk) == "word\n"
        elsewhere = Mount(DISK, "/srv/app/deep", capacity=4)
        assert await self.says(lab, "cat /srv/app/deep/word", elsewhere, generation=2) == "kept\n"
        used = await host_of(lab).disk_used(DISK)
        assert used is None or used > 0
        await deleted(lab)
        assert await self.says(lab, "ls /data; echo empty", disk, generation=3) == "empty\n"

    async def test_a_new_disk_belongs_to_whom_the_container_runs_as(self, lab: Lab) -> None:
        disk = Mount(DISK, "/data", capacity=4)
        assert (
            await self.says(lab, "id -u; id -g; touch /data/mine && echo done", disk) == "1000\n1000\ndone\n"
        )

    async def test_a_disk_belongs_to_whom_the_volume_says(self, lab: Lab) -> None:
        script = "touch /data/mine && echo done"
        for number in (7, 8):
            disk = Mount(DISK, "/data", capacity=4, uid=number, gid=number)
            asked = {"uid": number, "gid": number, "generation": number}
            assert await self.says(lab, f"rm -f /data/mine; {script}", disk, **asked) == "done\n"

    async def test_a_disk_that_is_not_there_is_deleted(self, lab: Lab) -> None:
        await host_of(lab).delete_disk("disk-unknown")
        assert await host_of(lab).disk_used("disk-unknown") is None


class FolderSuite(DiskSuite):
    """The same where an engine mounts folders of disks."""

    async def test_a_folder_of_a_disk_is_made_and_mounted(self, lab: Lab) -> None:
        inner = Mount(DISK, "/data", sub_path="app/db", capacity=4)
        assert await self.says(lab, "echo kept > /data/word && ls /data", inner) == "word\n"
        whole = Mount(DISK, "/data", capacity=4)
        assert await self.says(lab, "cat /data/app/db/word", whole, generation=2) == "kept\n"

    async def test_a_folder_that_became_a_link_is_not_followed(self, lab: Lab) -> None:
        whole = Mount(DISK, "/data", capacity=4)
        assert await self.says(lab, "ln -s /etc /data/app && echo done", whole) == "done\n"
        inner = Mount(DISK, "/data", sub_path="app", capacity=4)
        with pytest.raises(EngineFailed) as caught:
            await lab.engine.apply(lab.workload(FOREVER, mounts=(inner,), generation=2))
        assert caught.value.finding.code is FindingCode.ENGINE_ERROR
        assert "app" in caught.value.finding.detail
        assert await lab.engine.inventory() == []


async def deleted(lab: Lab) -> None:
    """Delete the disk, again while the engine says that a container has it: a swarm's go by and by."""
    said = ["in use"]
    async with asyncio.timeout(PATIENCE):
        while said:
            assert "in use" in said.pop()
            try:
                await host_of(lab).delete_disk(DISK)
            except EngineFailed as failure:
                said.append(failure.finding.detail)
                await asyncio.sleep(0.1)


def host_of(lab: Lab) -> EngineHost:
    """Return the other side of the lab's engine: one object is both."""
    return cast("EngineHost", lab.engine)


async def up(engine: Engine) -> list[int]:
    """Return the generations of the containers that run."""
    held = await engine.inventory()
    return [fact.generation for fact in held if fact.state is ReplicaState.RUNNING]


async def until_up(engine: Engine, generations: list[int]) -> None:
    """Return once these generations run: a swarm's tasks start by and by."""
    async with asyncio.timeout(PATIENCE):
        while await up(engine) != generations:  # noqa: ASYNC110 - the engine is asked, as its user would
            await asyncio.sleep(0.05)


def _answered(server: socket.socket, status: int) -> str:
    """Answer one request; return its head."""
    server.settimeout(PATIENCE)
    connection, _ = server.accept()
    with connection:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        connection.sendall(f"HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n\r\n".encode())
    return head.decode()
