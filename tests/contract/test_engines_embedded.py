"""The embedded engine: the contract of all engines, and what is its own."""

# ruff: noqa: ASYNC240 - tests look at small local files

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from engine_lab import GUID, EmbeddedLab
from engine_suite import FOREVER, PATIENCE, EngineSuite, FolderSuite, Watch, log_of, log_with

import towline
from parts.layers import Config
from parts.require import require
from towline.domain.causes import FindingCode
from towline.domain.errors import EngineFailed
from towline.domain.package import RestartPolicy
from towline.domain.workload import Mount, ReplicaState
from towline.engines.embedded.monitors import readable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

SECRET = "hunter2-but-longer-7731"
USER = 12345
SYSTEM_PYTHON = "/usr/bin/python3"
"""The tests' own one may lie where no other user can reach it."""
SCRIPT = "until test -e /dev/shm/asked; do sleep 0.05; done; touch /data/mine && id -u; exit 3"
LAB = Path(__file__).with_name("engine_lab.py")


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[EmbeddedLab]:
    require_all()
    lab = EmbeddedLab(tmp_path)
    await lab.engine.start()
    yield lab
    await lab.engine.remove(GUID)
    await lab.engine.close()


@pytest.fixture
async def watch(lab: EmbeddedLab) -> AsyncIterator[Watch]:
    watch = Watch(lab.engine)
    yield watch
    await watch.close()


class TestEmbeddedEngine(EngineSuite, FolderSuite):
    """The contract."""


def require_all() -> None:
    for part in ("root", "runc", "busybox"):
        require(part)


def is_alive(pid: object) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    text = bytes_of(Path(f"/proc/{pid}/stat"))
    return bool(text) and text.rpartition(b")")[2].split()[0] not in (b"Z", b"X")


def processes() -> Iterator[tuple[int, Path]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            yield int(entry.name), entry


def monitor_of(lab: EmbeddedLab) -> int:
    """Return the process id of the one container's monitor."""
    (found,) = (lab.root / "data" / "containers").glob("*/monitor")
    return int(found.read_text())


def status_of(lab: EmbeddedLab) -> dict[str, object]:
    (found,) = (lab.root / "data" / "containers").glob("*/status.json")
    return dict(json.loads(found.read_text()))


def bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


async def test_secret_values_are_on_no_disk_and_in_no_process_but_the_containers(lab: EmbeddedLab) -> None:
    workload = lab.workload("echo ${#TOKEN}; " + FOREVER, environment={"TOKEN": SECRET})
    await lab.engine.apply(workload)
    inside = status_of(lab)["pid"]
    assert isinstance(inside, int)
    assert SECRET.encode() in bytes_of(Path(f"/proc/{inside}/environ")), "the test would prove nothing"
    places = [path for path in lab.root.rglob("*") if path.is_file()]
    assert any(path.name == "state.json" for path in places)
    assert [path for path in places if SECRET.encode() in bytes_of(path)] == []
    own = {inside, *descendants(inside)}
    told = [
        pid
        for pid, entry in processes()
        if pid not in own
        and any(SECRET.encode() in bytes_of(entry / name) for name in ("cmdline", "environ"))
    ]
    assert told == []


def descendants(pid: int) -> list[int]:
    children = [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in bytes_of(task / "children").split()
    ]
    return [*children, *(further for child in children for further in descendants(child))]


async def test_two_executables_share_a_disk_and_a_restart_finds_it(lab: EmbeddedLab, watch: Watch) -> None:
    whole = Mount("disk-suite", "/data", uid=1000)
    inner = Mount("disk-suite", "/inner", sub_path="of/two")
    waits = "until test -s /data/of/two/word; do sleep 0.05; done"
    script = f"if test -s /data/word; then {FOREVER}; fi; {waits}; echo one > /data/word; exit 3"
    made = lab.workload(script, mounts=(whole,))
    (one,) = made.executables
    two = replace(one, name="two", mounts=(inner,), command=(f"echo two > /inner/word; {FOREVER}",))
    await lab.engine.apply(replace(made, executables=(one, two)))
    await watch.until(lambda fact: fact.restart_count == 1 and fact.state is ReplicaState.RUNNING)
    kept = lab.root / "data" / "disks" / "disk-suite" / "data"
    assert (kept / "word").read_text() == "one\n"
    assert (kept / "of" / "two" / "word").read_text() == "two\n"
    assert (kept / "of").stat().st_uid == 1000
    assert (kept.parent.stat().st_mode & 0o777, kept.parent.stat().st_uid) == (0o700, os.getuid())
    await lab.engine.remove(GUID)
    await lab.engine.delete_disk("disk-suite")
    assert list((lab.root / "data" / "disks").iterdir()) == []


async def test_removal_leaves_no_process_mount_folder_or_control_group(lab: EmbeddedLab) -> None:
    await lab.engine.apply(lab.workload(FOREVER, replicas=2))
    pids = [int(path.read_text()) for path in (lab.root / "data" / "containers").glob("*/monitor")]
    groups = [*Path("/sys/fs/cgroup").rglob(f"towline/{GUID}.1.main.*")]
    assert len(pids) == 2
    assert groups
    await lab.engine.remove(GUID)
    assert not any(map(is_alive, pids))
    assert list((lab.root / "data" / "containers").iterdir()) == []
    assert list((lab.root / "run" / "runtime").iterdir()) == []
    assert not any(group.exists() for group in groups)
    assert str(lab.root) not in Path("/proc/self/mountinfo").read_text()
    assert lab.images is not None
    assert lab.images.kept == frozenset()


async def test_a_killed_monitor_is_noticed_cleared_away_and_replaced(lab: EmbeddedLab, watch: Watch) -> None:
    workload = lab.workload(FOREVER)
    await lab.engine.apply(workload)
    inside = status_of(lab)["pid"]
    os.kill(monitor_of(lab), signal.SIGKILL)
    lost = await watch.state(ReplicaState.FAILED)
    assert lost.finding is not None
    assert lost.finding.code is FindingCode.ENGINE_ERROR
    assert not is_alive(inside)
    await lab.engine.apply(workload)
    assert [fact.state for fact in await lab.engine.inventory()] == [ReplicaState.RUNNING]


async def test_a_killed_control_plane_leaves_containers_that_the_next_one_adopts(tmp_path: Path) -> None:
    require_all()
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        str(LAB),
        str(tmp_path),
        "app",
        "echo hello; " + FOREVER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert server.stdout is not None
    async with asyncio.timeout(PATIENCE):
        first = json.loads(await anext(line async for line in server.stdout if line.startswith(b"{")))
    server.kill()
    await server.communicate()
    shutil.move(tmp_path / "image", tmp_path / "image-of-the-dead")
    lab = EmbeddedLab(tmp_path)
    await lab.engine.start()
    watch = Watch(lab.engine)
    try:
        (held,) = await lab.engine.inventory()
        assert held.state is ReplicaState.RUNNING
        assert [str(held.started_at)] == first["started"]
        await lab.engine.apply(lab.workload(FOREVER))
        assert await lab.engine.inventory() == [held]
        assert await log_with(lab.engine, lab.workload(FOREVER), "hello") == "hello\n"
        os.kill(int(str(status_of(lab)["pid"])), signal.SIGTERM)
        assert (await watch.state(ReplicaState.EXITED)).exit_code == 0
    finally:
        await watch.close()
        await lab.engine.remove(GUID)
        await lab.engine.close()


async def test_what_died_while_nobody_looked_is_reported_and_started_again(lab: EmbeddedLab) -> None:
    workload = lab.workload(FOREVER)
    await lab.engine.apply(workload)
    monitor, inside = monitor_of(lab), status_of(lab)["pid"]
    await lab.engine.close()
    gone = os.pidfd_open(monitor)
    os.kill(monitor, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE):
        await readable(gone)
    os.close(gone)
    lab.engine = lab.another()
    await lab.engine.start()
    (held,) = await lab.engine.inventory()
    assert held.state is ReplicaState.FAILED
    assert not is_alive(inside)
    await lab.engine.apply(workload)
    assert [fact.state for fact in await lab.engine.inventory()] == [ReplicaState.RUNNING]


async def test_a_log_is_rotated_and_read_across_its_parts(tmp_path: Path) -> None:
    require_all()
    lab = EmbeddedLab(tmp_path, log_bytes=200_000)
    await lab.engine.start()
    workload = lab.workload(
        "n=0; while [ $n -lt 70000 ]; do n=$((n+1)); echo line $n; done", restart=RestartPolicy.NEVER
    )
    try:
        await lab.engine.apply(workload)
        followed = await log_of(lab.engine, workload, follow=True)
        assert followed.endswith("line 69999\nline 70000\n")
        (folder,) = (lab.root / "data" / "containers").iterdir()
        parts = sorted(path.name for path in folder.glob("log*"))
        assert parts == ["log", "log.1", "log.2"]
        assert all((folder / part).stat().st_size <= 200_000 for part in parts)
        kept = (await log_of(lab.engine, workload)).splitlines()
        numbers = [int(line.split()[1]) for line in kept]
        assert numbers == list(range(numbers[0], 70001))
        assert (await log_of(lab.engine, workload, tail=30000)).splitlines() == kept[-30000:]
    finally:
        await lab.engine.remove(GUID)
        await lab.engine.close()


async def test_a_start_that_was_cancelled_is_finished_and_found_again(lab: EmbeddedLab, watch: Watch) -> None:
    workload = lab.workload(FOREVER)
    applying = asyncio.create_task(lab.engine.apply(workload))
    async with asyncio.timeout(PATIENCE):
        while not list((lab.root / "data" / "containers").glob("*/monitor")):  # noqa: ASYNC110 - no event yet
            await asyncio.sleep(0)
    applying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await applying
    running = await watch.state(ReplicaState.RUNNING)
    await lab.engine.apply(workload)
    assert await lab.engine.inventory() == [running]


@pytest.mark.parametrize("target", ["proc", "dev", "sys"])
async def test_an_image_with_a_link_in_the_place_of_a_kernel_folder_is_refused(
    lab: EmbeddedLab, target: str
) -> None:
    outside = with_link_to_the_host(lab, target)
    with pytest.raises(EngineFailed) as caught:
        await lab.engine.apply(lab.workload(FOREVER))
    assert caught.value.finding.code is FindingCode.IMAGE_REFUSED
    assert f"/{target}" in caught.value.finding.detail
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("target", ["etc", "etc/hosts", "etc/resolv.conf"])
async def test_a_link_in_the_place_of_a_mounted_file_is_resolved_inside_the_image(
    lab: EmbeddedLab, target: str
) -> None:
    outside = with_link_to_the_host(lab, target)
    await lab.engine.apply(lab.workload(FOREVER))
    assert list(outside.iterdir()) == []


def with_link_to_the_host(lab: EmbeddedLab, target: str) -> Path:
    """Put a link to a folder of the host into the image; return that folder."""
    outside, hostile = lab.root / "outside", lab.root / "hostile"
    outside.mkdir()
    (hostile / target).parent.mkdir(parents=True)
    (hostile / target).symlink_to(outside / "new" if "/" in target else outside)
    assert lab.images is not None
    layers = (lab.images.image.layers[0], hostile)
    lab.images.image = replace(lab.images.image, layers=layers, config=Config(user="0"))
    return outside


async def test_an_image_of_many_layers_fits(lab: EmbeddedLab, watch: Watch) -> None:
    more = [lab.root / "many" / f"{number:064x}" for number in range(120)]
    for number, layer in enumerate(more):
        layer.mkdir(parents=True)
        (layer / f"from-layer-{number}").touch()
    assert lab.images is not None
    lab.images.image = replace(lab.images.image, layers=(*more, *lab.images.image.layers))
    workload = lab.workload("ls / | grep -c from-layer", restart=RestartPolicy.NEVER)
    await lab.engine.apply(workload)
    await watch.state(ReplicaState.EXITED)
    assert await log_of(lab.engine, workload) == "120\n"


async def test_two_engines_do_not_share_a_folder(lab: EmbeddedLab) -> None:
    with pytest.raises(EngineFailed, match="another towline process"):
        await lab.another().start()


@pytest.mark.parametrize(("image_user", "with_range"), [("", False), ("app", True)])
async def test_a_normal_user_runs_containers_too(
    users_home: Path,
    image_user: str,
    with_range: bool,  # noqa: FBT001 - a table's column
) -> None:
    said, complaints = await as_user(users_home, image_user, with_range=with_range)
    ended = json.loads(said.splitlines()[-1])
    assert ended == {"exit_code": 3, "log": "1000\n" if image_user else "0\n"}, complaints
    assert "limits.not_enforced" in said
    for folder in ("containers", "disks"):
        assert list((users_home / "lab" / "data" / folder).iterdir()) == []
    assert list((users_home / "lab" / "run" / "runtime").iterdir()) == []


async def test_an_image_that_needs_more_ids_than_the_user_has_says_so(users_home: Path) -> None:
    _, complaints = await as_user(users_home, "app", with_range=False)
    assert "the image runs as 1000:1000" in complaints


@pytest.fixture
def users_home() -> Iterator[Path]:
    """Give a folder that a normal user owns, with all that it needs to run an engine."""
    for part in ("root", "runc", "busybox", "setpriv", "unshare", SYSTEM_PYTHON):
        require(part)
    home = Path(tempfile.mkdtemp(prefix="towline-user-"))
    try:
        for package in (towline, structlog):
            folder = Path(package.__file__ or "").parent
            shutil.copytree(folder, home / "lib" / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
        (home / "tests" / "contract").mkdir(parents=True)
        shutil.copy(LAB, home / "tests" / "contract")
        shutil.copytree(LAB.parents[1] / "parts", home / "tests" / "parts")
        for path in (home, *home.rglob("*")):
            os.chown(path, USER, USER)
        yield home
    finally:
        shutil.rmtree(home)


async def as_user(home: Path, image_user: str, *, with_range: bool) -> tuple[str, str]:
    """Run the lab as a normal user; return what it said on its two streams.

    A range of ids is granted by files that only this process sees in the place of the system's.
    """
    grant = home / "grant"
    grant.write_text(f"{USER}:200000:65536\n" if with_range else "")
    accounts = home / "passwd"
    accounts.write_text(f"{Path('/etc/passwd').read_text()}towline-test:x:{USER}:{USER}::{home}:/bin/sh\n")
    user = f"setpriv --reuid {USER} --regid {USER} --clear-groups"
    lab = f"{home}/tests/contract/engine_lab.py"
    files = {"subuid": grant, "subgid": grant, "passwd": accounts}
    mounts = "; ".join(f"mount --bind {mine} /etc/{name}" for name, mine in files.items())
    command = f'{mounts}; exec {user} {SYSTEM_PYTHON} {lab} {home}/lab "$0" "{SCRIPT}" --remove'
    process = await asyncio.create_subprocess_exec(
        "unshare",
        "--mount",
        "sh",
        "-e",
        "-c",
        command,
        image_user,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": f"{home}/lib", "HOME": str(home), "PATH": os.environ["PATH"]},
        cwd=home,
    )
    async with asyncio.timeout(PATIENCE):
        said, complaints = await process.communicate()
    return said.decode(), complaints.decode()
