"""The Docker Engine: the contract of all engines on a real daemon, and what is its own."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from docker_lab import DockerLab, Place, digest_in, docker_place, forms_of_password, fresh_layout
from engine_lab import GUID
from engine_suite import DISK, FOREVER, PATIENCE, DiskSuite, EngineSuite, RollbackSuite, Watch, up

from parts import layers
from parts.dockerd import bridged_dockerd
from parts.forgetful import Forgetful, forgetful
from parts.images import folders_layout
from parts.registry import PASSWORD, USER, certificate, free_port, push, running_registry
from parts.tap import Tap, tapped
from parts.token_server import User, token_server
from towline.domain.causes import FindingCode
from towline.domain.credential import Credential, Password
from towline.domain.errors import EngineFailed, PullRefused
from towline.domain.package import LivenessProbe, RestartPolicy
from towline.domain.registry import RegistrySettings
from towline.domain.workload import Fact, Mount, PullAccess, ReplicaState, Workload
from towline.engines.docker.address import EngineAddress
from towline.engines.docker.containers import Containers
from towline.engines.docker.pulls import MOST_TOKENS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from towline.engines.docker.facts import Seen


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with docker_place(tmp_path_factory.mktemp("docker")) as place:
        yield place


@pytest.fixture
async def lab(place: Place) -> AsyncIterator[DockerLab]:
    lab = DockerLab(place)
    await lab.engine.start()
    yield lab
    await lab.close()


@pytest.fixture
async def watch(lab: DockerLab) -> AsyncIterator[Watch]:
    watch = Watch(lab.engine)
    yield watch
    await watch.close()


class TestDockerEngine(EngineSuite, RollbackSuite, DiskSuite):
    """The contract."""


async def test_a_wrong_password_is_the_finding_and_nothing_is_left(
    place: Place, lab: DockerLab, unpulled: str
) -> None:
    wrong = place.access(password="wrong")
    with pytest.raises(PullRefused) as caught:
        await lab.engine.apply(lab.workload(FOREVER, image=unpulled, access=wrong))
    assert caught.value.finding.code is FindingCode.WRONG_CREDENTIALS
    assert caught.value.finding.error_code == "DEP_E153"
    assert caught.value.finding.executable == "main"
    assert lab.containers() == []


async def test_no_login_where_one_is_needed_is_the_finding(
    place: Place, lab: DockerLab, unpulled: str
) -> None:
    anonymous = replace(place.access(), credential=None)
    with pytest.raises(PullRefused) as caught:
        await lab.engine.apply(lab.workload(FOREVER, image=unpulled, access=anonymous))
    assert caught.value.finding.code is FindingCode.SECRET_NEEDED


async def test_a_digest_that_is_gone_is_the_finding(place: Place, lab: DockerLab) -> None:
    gone = f"{place.registry.netloc}/team/lab@sha256:{'0' * 64}"
    with pytest.raises(PullRefused) as caught:
        await lab.engine.apply(lab.workload(FOREVER, image=gone))
    assert caught.value.finding.code is FindingCode.DIGEST_NOT_FOUND


async def test_a_pull_tells_how_far_each_layer_is(lab: DockerLab, watch: Watch, unpulled: str) -> None:
    if lab.place.dockerd.is_podman:
        return  # podman tells of no layers
    await lab.engine.apply(lab.workload(FOREVER, image=unpulled))
    done = await watch.until(lambda fact: bool(fact.layers) and all(each.unpacked for each in fact.layers))
    assert len(done.layers) == 2
    assert done.state is ReplicaState.PULLING
    await watch.state(ReplicaState.RUNNING)


async def test_no_password_is_where_the_engine_keeps_or_shows_anything(
    place: Place, lab: DockerLab, unpulled: str
) -> None:
    token = f"env-secret-{secrets.token_hex(8)}"
    began = place.dockerd.now()
    await lab.engine.apply(lab.workload(FOREVER, image=unpulled, environment={"TOKEN": token}))
    (made,) = lab.containers()
    shown = json.dumps(place.dockerd.inspect(made["Id"]))
    assert token in shown, "decision 24: whoever may ask the Engine sees the environment"
    events = place.dockerd.events(began)
    assert made["Id"] in events
    forms = forms_of_password()
    assert [form for form in forms if form in shown + json.dumps(made) + events] == []
    assert token not in json.dumps(made["Labels"]) + events
    if place.dockerd.folder is not None:
        log = place.dockerd.log.read_text()
        assert "/containers/create" in log, "the daemon is not at debug level: this would prove nothing"
        assert [form for form in (*forms, token) if form in log] == []
        kept = (path for path in place.dockerd.folder.rglob("*") if path.is_file())
        assert [path for path in kept if forms[0].encode() in bytes_of(path)] == []
    own = Path.home() / ".docker"
    assert [path for path in own.rglob("*") if path.is_file() and forms[0].encode() in bytes_of(path)] == []


async def test_a_rotated_password_is_used_by_the_next_pull(
    place: Place, lab: DockerLab, unpulled: str
) -> None:
    with pytest.raises(PullRefused):
        await lab.engine.apply(lab.workload(FOREVER, image=unpulled, access=place.access(password="old")))
    await lab.engine.apply(lab.workload(FOREVER, image=unpulled))
    assert [fact.state for fact in await lab.engine.inventory()] == [ReplicaState.RUNNING]


async def test_a_volume_that_a_killed_process_did_not_finish_is_put_right(
    place: Place, lab: DockerLab, watch: Watch
) -> None:
    await lab.engine.apply(lab.workload(FOREVER))
    (made,) = lab.containers()
    volume = f"towline-{lab.installation}.{DISK}"
    labels = {"Labels": {"io.towline.installation": lab.installation}}
    mounted = {"Type": "volume", "Source": volume, "Target": "/towline-disk", "VolumeOptions": labels}
    body = {"Image": made["Image"], "Cmd": ["-"], "HostConfig": {"NetworkMode": "none", "Mounts": [mounted]}}
    place.dockerd.ask("POST", f"/containers/create?name={volume}.folders", body)
    await lab.engine.remove(GUID)
    script = "touch /data/mine && echo done"
    disk = (Mount(DISK, "/data"),)
    await lab.engine.apply(lab.workload(script, restart=RestartPolicy.NEVER, mounts=disk))
    await watch.until(lambda fact: fact.exit_code == 0)
    assert [each["Names"] for each in place.dockerd.containers() if "folders" in str(each["Names"])] == []
    (kept,) = place.dockerd.volumes(installation=lab.installation)
    assert kept["Name"] == volume


async def test_what_served_runs_again_where_the_updates_disk_cannot_be_prepared(
    place: Place, lab: DockerLab
) -> None:
    await lab.engine.apply(lab.workload(FOREVER))
    volume = f"towline-{lab.installation}.{DISK}"
    labels = {"io.towline.installation": lab.installation}
    options = {"type": "none", "device": "/no/such/folder", "o": "bind"}
    made = {"Name": volume, "Driver": "local", "DriverOpts": options, "Labels": labels}
    place.dockerd.ask("POST", "/volumes/create", made)
    update = lab.workload(FOREVER, generation=2, exclusive=True, mounts=(Mount(DISK, "/data", uid=7),))
    with pytest.raises(EngineFailed):
        await lab.engine.apply(update)
    assert await up(lab.engine) == [1]
    place.dockerd.ask("DELETE", f"/containers/{volume}.folders?force=1")


async def test_a_folder_of_a_disk_takes_an_engine_that_knows_them(lab: DockerLab) -> None:
    inner = (Mount(DISK, "/data", sub_path="app/db"),)
    workload = lab.workload(FOREVER, mounts=inner)
    if await lab.engine._daemon.has_api(1, 45):
        await lab.engine.apply(workload)
        return
    with pytest.raises(EngineFailed) as caught:
        await lab.engine.apply(workload)
    assert "Docker Engine 26.0" in caught.value.finding.detail
    assert lab.containers() == []


async def test_folders_are_made_inside_a_container_that_never_starts(place: Place, lab: DockerLab) -> None:
    await lab.engine.apply(lab.workload(FOREVER))
    (run,) = lab.workload(FOREVER).executables
    mount = Mount(DISK, "/data", sub_path="app/db", uid=7)
    await lab.engine._volumes.prepare(replace(run, mounts=(mount,)))
    (kept,) = place.dockerd.volumes(installation=lab.installation)
    root = Path(kept["Mountpoint"])
    owners = [(path.stat().st_uid, path.stat().st_gid) for path in (root, root / "app", root / "app" / "db")]
    assert owners == [(1000, 1000), (1000, 1000), (7, 1000)]
    (root / "app" / "db").chmod(0o700)
    (root / "app" / "db" / "file").write_text("kept")
    await lab.engine._volumes.prepare(replace(run, mounts=(replace(mount, uid=8),)))
    assert (root / "app" / "db").stat().st_mode & 0o777 == 0o700, "a database wants its mode"
    assert (root / "app" / "db" / "file").read_text() == "kept"
    (root / "link").symlink_to("/etc")
    with pytest.raises(EngineFailed, match="is a link or a file"):
        await lab.engine._volumes.prepare(replace(run, mounts=(replace(mount, sub_path="link"),)))


async def test_what_is_made_and_about_to_be_started_is_no_news(
    lab: DockerLab, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Containers.start

    async def looked_at_before(containers: Containers, ident: str) -> None:
        await lab.engine._watch.look(ident)
        await start(containers, ident)

    monkeypatch.setattr(Containers, "start", looked_at_before)
    await lab.engine.apply(lab.workload(FOREVER))
    await watch.state(ReplicaState.RUNNING)
    assert {fact.state for fact in watch.facts} <= {ReplicaState.PULLING, ReplicaState.RUNNING}


async def test_an_inspection_from_before_a_start_that_is_answered_after_it_is_no_news(
    lab: DockerLab, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, start, runs = Containers.seen, Containers.start, Containers.is_still_the_runtime
    inspected, started = asyncio.Semaphore(0), asyncio.Event()
    looks: list[asyncio.Task[Any]] = []

    async def seen_late(containers: Containers, ident: str, **how: Any) -> Seen | None:
        found = await seen(containers, ident, **how)
        if found is not None and found.is_unstarted:
            inspected.release()
            await started.wait()
        return found

    async def start_meanwhile(containers: Containers, ident: str) -> None:
        for each in (lab.engine._watch.look(ident), lab.engine.inventory()):
            looks.append(asyncio.create_task(each))
            await inspected.acquire()
        await start(containers, ident)

    async def runs_now(containers: Containers, ident: str) -> bool:
        started.set()
        return await runs(containers, ident)

    monkeypatch.setattr(Containers, "seen", seen_late)
    monkeypatch.setattr(Containers, "start", start_meanwhile)
    monkeypatch.setattr(Containers, "is_still_the_runtime", runs_now)
    await lab.engine.apply(lab.workload(FOREVER))
    assert await asyncio.gather(*looks) == [None, []]
    await watch.state(ReplicaState.RUNNING)
    assert {fact.state for fact in watch.facts} <= {ReplicaState.PULLING, ReplicaState.RUNNING}


async def test_what_is_heard_while_stock_is_taken_is_newer(
    place: Place, lab: DockerLab, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lab.engine.apply(lab.workload(FOREVER))
    await watch.state(ReplicaState.RUNNING)
    seen = Containers.seen
    inspected, heard = asyncio.Event(), asyncio.Event()

    async def answered_late(containers: Containers, ident: str, **how: Any) -> Seen | None:
        found = await seen(containers, ident, **how)
        if not inspected.is_set():
            inspected.set()
            await heard.wait()
        return found

    monkeypatch.setattr(Containers, "seen", answered_late)
    stock = asyncio.create_task(lab.engine.inventory())
    await inspected.wait()
    (made,) = lab.containers()
    place.dockerd.ask("POST", f"/containers/{made['Id']}/stop?t=1")
    down = await watch.state(ReplicaState.FAILED)
    heard.set()
    (fact,) = await stock
    assert fact.state is ReplicaState.RUNNING
    assert fact.at < down.at


async def test_what_is_ended_from_outside_is_reported_and_started_again(
    place: Place, lab: DockerLab, watch: Watch
) -> None:
    workload = lab.workload(FOREVER)
    await lab.engine.apply(workload)
    (made,) = lab.containers()
    place.dockerd.ask("POST", f"/containers/{made['Id']}/stop?t=1")
    down = await watch.state(ReplicaState.FAILED)
    assert down.finding is not None
    assert "from outside" in down.finding.detail
    await lab.engine.apply(workload)
    assert [fact.state for fact in await lab.engine.inventory()] == [ReplicaState.RUNNING]


async def test_what_is_deleted_from_outside_is_reported_and_made_again(
    place: Place, lab: DockerLab, watch: Watch
) -> None:
    workload = lab.workload(FOREVER, restart=RestartPolicy.NEVER)
    await lab.engine.apply(workload)
    (made,) = lab.containers()
    place.dockerd.ask("DELETE", f"/containers/{made['Id']}?force=1")
    await watch.until(lambda fact: fact.finding is not None and "gone" in fact.finding.detail)
    await lab.engine.apply(workload)
    assert [fact.state for fact in await lab.engine.inventory()] == [ReplicaState.RUNNING]


async def test_another_life_of_towline_adopts_what_runs(lab: DockerLab) -> None:
    workload = lab.workload(FOREVER, replicas=2)
    await lab.engine.apply(workload)
    before = [(fact.started_at, fact.replica) for fact in await lab.engine.inventory()]
    await lab.engine.close()
    lab.engine = lab.another()
    await lab.engine.start()
    await lab.engine.apply(workload)
    assert [(fact.started_at, fact.replica) for fact in await lab.engine.inventory()] == before


async def test_a_container_that_a_killed_process_made_late_is_ended(place: Place, lab: DockerLab) -> None:
    await lab.engine.apply(lab.workload(FOREVER))
    (made,) = lab.containers()
    copy = {"Image": made["Image"], "Labels": made["Labels"], "HostConfig": {"NetworkMode": "host"}}
    await lab.engine.remove(GUID)
    place.dockerd.ask("POST", f"/containers/create?name=late-{lab.installation}", copy)
    async with asyncio.timeout(PATIENCE):
        while lab.containers():  # noqa: ASYNC110 - the Engine is asked, as a person would
            await asyncio.sleep(0.05)


async def test_a_container_that_was_made_and_never_started_is_started(
    place: Place, lab: DockerLab, watch: Watch
) -> None:
    workload = lab.workload(FOREVER)
    await lab.engine.apply(workload)
    (made,) = lab.containers()
    name = made["Names"][0].removeprefix("/")
    copy = {"Image": made["Image"], "Labels": made["Labels"], "HostConfig": {"NetworkMode": "host"}}
    place.dockerd.ask("DELETE", f"/containers/{made['Id']}?force=1")
    place.dockerd.ask("POST", f"/containers/create?name={name}", copy)
    await watch.until(lambda fact: fact.finding is not None and "not started" in fact.finding.detail)
    await lab.engine.apply(workload)
    (again,) = lab.containers()
    assert again["State"] == "running"


async def test_an_image_that_was_pulled_goes_with_its_last_container(
    place: Place, lab: DockerLab, unpulled: str
) -> None:
    other = replace(lab.workload(FOREVER, image=unpulled), deployment_guid="dep-other")
    await lab.engine.apply(lab.workload(FOREVER, image=unpulled))
    await lab.engine.apply(other)
    await lab.engine.remove(GUID)
    assert names_of(place, unpulled)
    await lab.engine.remove("dep-other")
    assert names_of(place, unpulled) == []


async def test_an_image_that_somebody_else_brought_stays(place: Place, lab: DockerLab) -> None:
    seed = DockerLab(place)
    await seed.engine.apply(seed.workload(FOREVER))  # the other installation's, as far as this one knows
    await lab.engine.apply(lab.workload(FOREVER))
    await lab.engine.remove(GUID)
    assert names_of(place, place.image)
    await seed.close()


async def test_an_image_that_somebody_gave_another_name_stays_under_that(
    place: Place, lab: DockerLab, unpulled: str
) -> None:
    await lab.engine.apply(lab.workload(FOREVER, image=unpulled))
    name = f"kept-{lab.installation}"
    place.dockerd.ask("POST", f"/images/{called_by_digest(unpulled)}/tag?repo={name}&tag=1")
    await lab.engine.remove(GUID)
    assert place.dockerd.ask("GET", f"/images/{name}:1/json")["RepoTags"][0].endswith(f"{name}:1")
    place.dockerd.ask("DELETE", f"/images/{name}:1")


async def test_an_image_that_a_foreign_container_uses_stays_until_that_ends(
    place: Place, lab: DockerLab, unpulled: str
) -> None:
    await lab.engine.apply(lab.workload(FOREVER, image=unpulled))
    foreign = {"Image": called_by_digest(unpulled), "HostConfig": {"NetworkMode": "host"}}
    made = place.dockerd.ask("POST", "/containers/create", foreign)
    await lab.engine.remove(GUID)
    assert names_of(place, unpulled)
    place.dockerd.ask("DELETE", f"/containers/{made['Id']}?force=1")
    await lab.engine.remove(GUID)
    assert names_of(place, unpulled) == []


def called_by_digest(image: str) -> str:
    name, _, digest = image.partition("@")
    return f"{name.rpartition(':')[0]}@{digest}"


def names_of(place: Place, image: str) -> list[str]:
    """Return the digests under which the Engine has an image, none if it has not got it."""
    found = place.dockerd.ask("GET", f"/images/{called_by_digest(image)}/json")
    return list(found.get("RepoDigests") or ())


async def test_an_exclusive_update_that_cannot_start_lets_the_old_generation_run_again(
    lab: DockerLab,
) -> None:
    await lab.engine.apply(lab.workload(FOREVER, generation=1))
    (before,) = lab.containers()
    with pytest.raises(EngineFailed):
        await lab.engine.apply(lab.workload("", generation=2, exclusive=True, entrypoint=("/no/such",)))
    (after,) = lab.containers()
    assert (after["Id"], after["State"]) == (before["Id"], "running")
    assert [(fact.generation, fact.state) for fact in await lab.engine.inventory()] == [
        (1, ReplicaState.RUNNING)
    ]
    await lab.engine.apply(lab.workload(FOREVER, generation=3, exclusive=True))
    assert await up(lab.engine) == [3]


async def test_what_was_set_aside_stays_so_when_the_engine_starts_again(
    place: Place, lab: DockerLab, watch: Watch
) -> None:
    if place.dockerd.folder is None:
        return  # an Engine of somebody else's is not ended
    await lab.engine.apply(lab.workload(FOREVER, generation=1))
    await lab.engine.apply(lab.workload(FOREVER, generation=2, exclusive=True))
    told = len(watch.facts)
    await asyncio.to_thread(place.dockerd.stop)
    await asyncio.to_thread(place.dockerd.start)
    await watch.until(lambda fact: fact in watch.facts[told:] and fact.state is ReplicaState.RUNNING)
    assert await up(lab.engine) == [2]
    assert await lab.engine.roll_back(GUID, generation=2) == 1
    assert await up(lab.engine) == [1]
    (serves,) = [each for each in lab.containers() if each["State"] == "running"]
    restart = place.dockerd.inspect(serves["Id"])["HostConfig"]["RestartPolicy"]["Name"]
    assert restart == "always", "what runs again has its own restart policy again"


async def test_two_installations_on_one_engine_do_not_see_each_other(place: Place, lab: DockerLab) -> None:
    other = DockerLab(place)
    await other.engine.start()
    try:
        await lab.engine.apply(lab.workload(FOREVER))
        assert await other.engine.inventory() == []
        await other.engine.apply(other.workload(FOREVER))
        await other.engine.remove(GUID)
        assert len(lab.containers()) == 1
    finally:
        await other.close()


async def test_an_engine_that_goes_away_and_comes_back(place: Place, lab: DockerLab, watch: Watch) -> None:
    if place.dockerd.folder is None:
        return  # an Engine of somebody else's is not ended
    await lab.engine.apply(lab.workload(FOREVER))
    await asyncio.to_thread(place.dockerd.stop)
    away = await watch.until(is_out_of_reach)
    assert away.state is ReplicaState.FAILED
    with pytest.raises(EngineFailed) as caught:
        await lab.engine.inventory()
    assert caught.value.finding.code is FindingCode.ENGINE_UNREACHABLE
    assert place.dockerd.host in caught.value.finding.detail
    told = len(watch.facts)
    await asyncio.to_thread(place.dockerd.start)
    await watch.until(lambda fact: fact in watch.facts[told:] and fact.state is ReplicaState.RUNNING)


async def test_an_engine_that_is_not_there_at_the_start_is_found_later(place: Place, tmp_path: Path) -> None:
    lab = DockerLab(place)
    await lab.engine.close()
    folder = Path(tempfile.mkdtemp(prefix="towline-tap-"))
    lab.engine = lab.another(address=EngineAddress.parse(f"unix://{folder}/socket"))
    await lab.engine.start()
    watch = Watch(lab.engine)
    try:
        with pytest.raises(EngineFailed, match="No such file"):
            await lab.engine.apply(lab.workload(FOREVER))
        async with tapped(folder / "socket", before=place.dockerd.socket):
            await lab.engine.apply(lab.workload(FOREVER))
            await watch.state(ReplicaState.RUNNING)
    finally:
        await watch.close()
        await lab.close()
        shutil.rmtree(folder)


async def test_a_daemon_that_was_told_to_end_is_asked_to_change_nothing(place: Place) -> None:
    lab = DockerLab(place)
    await lab.engine.close()
    folder = Path(tempfile.mkdtemp(prefix="towline-tap-"))
    lab.engine = lab.another(address=EngineAddress.parse(f"unix://{folder}/socket"))
    try:
        async with tapped(folder / "socket", before=place.dockerd.socket) as tap:
            await lab.engine.start()
            await lab.engine.apply(lab.workload(FOREVER))
            tap.end_listening()
            assert len(await lab.engine.inventory()) == 1, "connections that are there still answer"
            with pytest.raises(EngineFailed) as caught:
                await lab.engine.apply(replace(lab.workload(FOREVER), deployment_guid="dep-another"))
            assert caught.value.finding.code is FindingCode.ENGINE_UNREACHABLE
            assert len(lab.containers()) == 1
    finally:
        await lab.close()
        shutil.rmtree(folder)


async def test_an_engine_over_tcp_is_spoken_to_with_tls_both_ways(place: Place, lab: DockerLab) -> None:
    if place.dockerd.folder is None:
        return  # an Engine of somebody else's has no certificates for us
    await lab.engine.close()
    lab.engine = lab.another(
        address=EngineAddress.parse(place.dockerd.tcp, certificates=str(place.dockerd.folder))
    )
    await lab.engine.start()
    await lab.engine.apply(lab.workload(FOREVER))
    assert [fact.state for fact in await lab.engine.inventory()] == [ReplicaState.RUNNING]


async def test_an_engine_over_tcp_whose_certificate_is_not_trusted_is_out_of_reach(
    place: Place, lab: DockerLab, tmp_path: Path
) -> None:
    if place.dockerd.folder is None:
        return  # an Engine of somebody else's has no certificates for us
    other = certificate(tmp_path)
    (tmp_path / "ca.pem").write_text(other.ca_pem)
    other.chain.rename(tmp_path / "cert.pem")
    other.key.rename(tmp_path / "key.pem")
    await lab.engine.close()
    lab.engine = lab.another(address=EngineAddress.parse(place.dockerd.tcp, certificates=str(tmp_path)))
    with pytest.raises(EngineFailed) as caught:
        await lab.engine.inventory()
    assert caught.value.finding.code is FindingCode.ENGINE_UNREACHABLE
    assert "certificate" in caught.value.finding.detail.lower()


async def test_a_basic_registrys_password_goes_into_one_header_and_nowhere_else(
    place: Place, lab: DockerLab, unpulled: str
) -> None:
    sent = await sent_by(lab, lab.workload(FOREVER, image=unpulled))
    (header,) = sent.header("X-Registry-Auth")
    assert len(header) % 4 == 0
    document = json.loads(base64.urlsafe_b64decode(header))
    assert document == {"username": USER, "password": PASSWORD, "serveraddress": place.registry.netloc}
    assert [form for form in forms_of_password() if form in sent.sent.decode().replace(header, "")] == []


async def test_a_token_registry_gives_the_engine_a_token_and_never_the_password(
    place: Place, lab: DockerLab, tmp_path: Path
) -> None:
    if place.dockerd.is_podman:
        return  # podman takes no tokens
    users = {"owner": User("right-password", {"team/lab": ("pull", "push")})}
    with token_server(users) as tokens, running_registry(tmp_path, auth=tokens.auth(tmp_path)) as registry:
        image = push(registry, place.layout, "team/lab:1", login="owner:right-password")
        settings = RegistrySettings.default(registry.netloc)
        credential = Credential("owner", Password("right-password"))
        access = PullAccess(settings, credential, plain_http=True)
        pinned = f"{image}@{place.image.partition('@')[2]}"
        sent = await sent_by(lab, lab.workload(FOREVER, image=pinned, access=access))
    (header,) = sent.header("X-Registry-Auth")
    document = json.loads(base64.urlsafe_b64decode(header))
    assert set(document) == {"registrytoken", "serveraddress"}
    claims = json.loads(base64.urlsafe_b64decode(document["registrytoken"].split(".")[1] + "=="))
    assert claims["access"] == [{"type": "repository", "name": "team/lab", "actions": ["pull"]}]
    assert claims["exp"] - claims["iat"] <= 300
    assert b"right-password" not in sent.sent
    if place.dockerd.folder is not None:
        told = place.dockerd.log.read_text()
        assert f"{registry.netloc}/team/lab" in told, (
            "the daemon did not log the pull: this would prove nothing"
        )
        forms = ("right-password", header, document["registrytoken"])
        assert [form for form in forms if form in told] == []


async def test_without_a_network_nothing_is_published_and_nobody_is_reached(lab: DockerLab) -> None:
    await lab.engine.close()
    lab.engine = lab.another(network="none")
    await lab.engine.apply(replace(lab.workload(FOREVER), ports=(free_port(),)))
    (made,) = lab.containers()
    shown = lab.place.dockerd.inspect(made["Id"])
    assert shown["HostConfig"]["NetworkMode"] == "none"
    assert not shown["HostConfig"]["PortBindings"]
    assert not shown["NetworkSettings"]["IPAddress"]


async def test_a_network_that_is_not_there_is_told_by_its_name_and_nothing_is_left(lab: DockerLab) -> None:
    await lab.engine.close()
    lab.engine = lab.another(network="no-such-network")
    with pytest.raises(EngineFailed, match="no-such-network") as caught:
        await lab.engine.apply(lab.workload(FOREVER))
    assert caught.value.finding.code is FindingCode.ENGINE_ERROR
    assert lab.containers() == []


async def test_a_volume_of_the_image_goes_with_its_container(
    place: Place, lab: DockerLab, tmp_path: Path
) -> None:
    config = {"Entrypoint": ["/bin/sh"], "Env": ["PATH=/bin"], "Volumes": {"/data": {}}}
    layout = folders_layout(tmp_path / "layout", layers.make_layers(tmp_path / "rootfs"), config=config)
    reference = push(place.registry, layout, f"team/{secrets.token_hex(8)}:1")
    await lab.engine.apply(lab.workload(FOREVER, image=f"{reference}@{digest_in(layout)}"))
    (made,) = lab.containers()
    (mount,) = place.dockerd.inspect(made["Id"])["Mounts"]
    assert (mount["Type"], mount["Destination"]) == ("volume", "/data")
    await lab.engine.remove(GUID)
    held = place.dockerd.ask("GET", "/volumes")["Volumes"] or ()
    assert mount["Name"] not in {each["Name"] for each in held}


async def test_what_needs_its_time_to_end_has_it(lab: DockerLab) -> None:
    slow = "trap 'echo ending; sleep 1.5; echo ended; exit 0' INT; echo ready; while :; do sleep 0.05; done"
    await lab.engine.apply(lab.workload(slow, stop_seconds=PATIENCE))
    reader = lab.engine.logs(GUID, "main", follow=True)
    async with asyncio.timeout(PATIENCE):
        assert await anext(reader) == b"ready\n"
        await lab.engine.remove(GUID)
        rest = b"".join([chunk async for chunk in reader])
    assert rest == b"ending\nended\n"


@pytest.mark.parametrize(
    ("policy", "script", "ends"),
    [
        (RestartPolicy.ALWAYS, "exit 0", False),
        (RestartPolicy.ON_FAILURE, "exit 0", True),
        (RestartPolicy.ON_FAILURE, "exit 1", False),
        (RestartPolicy.NEVER, "exit 1", True),
    ],
)
async def test_an_end_is_followed_by_what_the_restart_policy_says(
    lab: DockerLab, watch: Watch, policy: RestartPolicy, script: str, *, ends: bool
) -> None:
    await lab.engine.apply(lab.workload(script, restart=policy))
    ended = await watch.until(lambda fact: fact.exit_code is not None)
    assert ended.state is (ReplicaState.EXITED if ends else ReplicaState.BACKING_OFF)
    if not ends:
        await watch.until(lambda fact: fact.restart_count >= 1)


async def test_on_a_bridge_ports_are_published_and_probes_ask_the_container_itself(tmp_path: Path) -> None:
    with docker_place(tmp_path, bridged_dockerd) as place:
        lab = DockerLab(place)
        await lab.engine.close()
        lab.engine = lab.another(network="")
        await lab.engine.start()
        watch = Watch(lab.engine)
        try:
            await see_a_bridge(lab, watch)
        finally:
            await watch.close()
            await lab.close()


async def see_a_bridge(lab: DockerLab, watch: Watch) -> None:
    port = free_port()
    serve = f"exec /bin/busybox httpd -f -p {port} -h /bin"
    await lab.engine.apply(published(lab, serve, port, user=0))
    (made,) = lab.containers()
    assert list(made["NetworkSettings"]["Networks"]) == ["bridge"]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /no-such-page HTTP/1.0\r\n\r\n")
    assert b"404" in await reader.readline()
    writer.close()
    await writer.wait_closed()
    with pytest.raises(EngineFailed) as caught:
        await lab.engine.apply(replace(published(lab, serve, port, user=0), deployment_guid="dep-other"))
    assert caught.value.finding.code is FindingCode.PORT_TAKEN
    await lab.engine.remove(GUID)
    probe = LivenessProbe(port=port, path="/no-such-page", period=1, failures=3)
    inside = lab.workload(serve, probe=probe, restart=RestartPolicy.NEVER, uid=0)
    await lab.engine.apply(inside)
    unwell = await watch.state(ReplicaState.EXITED)
    assert unwell.finding is not None
    assert unwell.finding.detail == "3 times in a row: /no-such-page was answered with 404"


def published(lab: DockerLab, script: str, port: int, *, user: int) -> Workload:
    return replace(lab.workload(script, uid=user), ports=(port,))


@pytest.mark.parametrize("refuses", [1, 2])
async def test_a_token_that_runs_out_during_a_pull_is_renewed(
    lab: DockerLab, tmp_path: Path, refuses: int
) -> None:
    if lab.place.dockerd.is_podman:
        return  # podman takes no tokens
    with behind_a_forgetful_door(lab, tmp_path, refuses=refuses) as (door, workload):
        await lab.engine.apply(workload)
    assert len(door.tokens) == refuses + 1


async def test_tokens_that_are_never_accepted_are_the_finding(lab: DockerLab, tmp_path: Path) -> None:
    if lab.place.dockerd.is_podman:
        return  # podman takes no tokens
    with (
        behind_a_forgetful_door(lab, tmp_path, refuses=99) as (door, workload),
        pytest.raises(PullRefused) as caught,
    ):
        await lab.engine.apply(workload)
    assert caught.value.finding.code is FindingCode.TOKEN_NOT_ACCEPTED
    assert len(door.tokens) == MOST_TOKENS


@contextmanager
def behind_a_forgetful_door(
    lab: DockerLab, folder: Path, *, refuses: int
) -> Iterator[tuple[Forgetful, Workload]]:
    """Give a token registry that forgets, and a workload with an image there."""
    users = {"owner": User("right-password", {"team/lab": ("pull", "push")})}
    with token_server(users) as tokens, running_registry(folder, auth=tokens.auth(folder)) as registry:
        push(registry, fresh_layout(folder), "team/lab:1", login="owner:right-password")
        with forgetful(registry, refuses=refuses) as door:
            settings = RegistrySettings.default(door.netloc)
            access = PullAccess(settings, Credential("owner", Password("right-password")), plain_http=True)
            image = f"{door.netloc}/team/lab@{digest_in(folder / 'layout')}"
            yield door, lab.workload(FOREVER, image=image, access=access)


async def sent_by(lab: DockerLab, workload: Workload) -> Tap:
    """Apply a workload through a tap; return what the Engine was sent."""
    folder = Path(tempfile.mkdtemp(prefix="towline-tap-"))
    await lab.engine.close()
    try:
        async with tapped(folder / "socket", before=lab.place.dockerd.socket) as tap:
            lab.engine = lab.another(address=EngineAddress.parse(tap.host))
            await lab.engine.apply(workload)
            await lab.engine.close()
    finally:
        shutil.rmtree(folder)
    return tap


def is_out_of_reach(fact: Fact) -> bool:
    return fact.finding is not None and fact.finding.code is FindingCode.ENGINE_UNREACHABLE


def bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.fixture
def unpulled(place: Place, tmp_path: Path) -> str:
    """Return an image that the Engine has not got yet: other layers, another name."""
    layout = fresh_layout(tmp_path)
    reference = push(place.registry, layout, f"team/{secrets.token_hex(8)}:1")
    return f"{reference}@{digest_in(layout)}"
