"""What is known of the Docker Engine's words, documents and streams, without one."""

from __future__ import annotations

import base64
import json
import struct
from datetime import UTC, datetime

import pytest
from engines_given import executable

from towline.domain.causes import FindingCode
from towline.domain.credential import IDENTITY_USER, Credential, Password
from towline.domain.deployment import LayerProgress
from towline.domain.errors import InvalidInput
from towline.domain.image import ImageReference
from towline.domain.package import Limits, LivenessProbe, RestartPolicy
from towline.domain.workload import Mount, ReplicaState, Workload
from towline.engines.docker import document, facts, places, pulls, refusals
from towline.engines.docker.address import EngineAddress
from towline.engines.docker.facts import Seen
from towline.engines.docker.logs import LONGEST_LINE, Lines, nanoseconds
from towline.ports import PullToken

IMAGE = ImageReference.parse("registry.test/app@sha256:" + "a" * 64)
TAGGED = ImageReference.parse("registry.test/app:1")
AT = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Get https://r/v2/: no basic auth credentials", FindingCode.SECRET_NEEDED),
        ("Get https://r/v2/: unauthorized: authentication required", FindingCode.WRONG_CREDENTIALS),
        ("unauthorized: incorrect username or password", FindingCode.WRONG_CREDENTIALS),
        (
            "pull access denied for x, repository does not exist or may require 'docker login': denied: no",
            FindingCode.NO_PULL_PERMISSION,
        ),
        (
            "manifest for x@sha256:1 not found: manifest unknown",
            FindingCode.DIGEST_NOT_FOUND,
        ),
        ("no matching manifest for linux/amd64 in the manifest list", FindingCode.PLATFORM_NOT_AVAILABLE),
        ("toomanyrequests: You have reached your pull rate limit", FindingCode.RATE_LIMITED),
        ("x509: certificate signed by unknown authority", FindingCode.TLS_UNKNOWN_AUTHORITY),
        ("x509: certificate has expired or is not yet valid", FindingCode.TLS_EXPIRED),
        ("x509: certificate is valid for a, not b", FindingCode.TLS_WRONG_HOST),
        ("http: server gave HTTP response to HTTPS client", FindingCode.PLAIN_HTTP_REGISTRY),
        ("dial tcp: lookup r on 1.1.1.1:53: no such host", FindingCode.REGISTRY_DNS),
        ("dial tcp 127.0.0.1:1: connect: connection refused", FindingCode.REGISTRY_REFUSED),
        ("net/http: TLS handshake timeout", FindingCode.REGISTRY_TIMEOUT),
        ("read tcp: connection reset by peer", FindingCode.REGISTRY_RESET),
        ("write /var/lib/docker/tmp/x: no space left on device", FindingCode.DISK_FULL),
        ("filesystem layer verification failed for digest sha256:1", FindingCode.IMAGE_CORRUPT),
        (
            "failed to register layer: Error processing tar file: archive/tar: invalid tar header",
            FindingCode.IMAGE_REFUSED,
        ),
        ("received unexpected HTTP status: 503 Service Unavailable", FindingCode.REGISTRY_ERROR),
        ("something nobody has ever seen", FindingCode.ENGINE_ERROR),
    ],
)
def test_an_engines_words_about_a_pull_have_a_cause(said: str, code: FindingCode) -> None:
    finding = refusals.pull_finding(said, IMAGE, with_login=True)
    assert finding.code is code
    assert finding.error_code == "DEP_E153"
    assert said[:40] in finding.detail


def test_a_tag_that_is_missing_is_not_a_digest_that_is() -> None:
    said = "manifest for registry.test/app:1 not found: manifest unknown"
    assert refusals.pull_finding(said, TAGGED, with_login=True).code is FindingCode.TAG_NOT_FOUND


def test_who_sent_no_login_is_told_that_one_is_needed() -> None:
    said = "unauthorized: authentication required"
    assert refusals.pull_finding(said, IMAGE, with_login=False).code is FindingCode.SECRET_NEEDED


def test_what_the_engines_own_machine_lacks_is_told_with_the_registrys_name() -> None:
    said = "x509: certificate signed by unknown authority"
    fix = refusals.pull_finding(said, IMAGE, with_login=True).fix
    assert "/etc/docker/certs.d/registry.test/ca.crt" in fix


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (
            'runc create: unable to start container process: exec: "/x": stat /x: no such file or directory',
            FindingCode.COMMAND_NOT_FOUND,
        ),
        ('unable to start container process: exec: "/etc/passwd": permission denied: unknown',
         FindingCode.COMMAND_NOT_FOUND),
        ('exec: "x": executable file not found in $PATH', FindingCode.COMMAND_NOT_FOUND),
        ("No command specified", FindingCode.COMMAND_NOT_FOUND),
        ("exec /bin/foreign: exec format error", FindingCode.WRONG_ARCHITECTURE),
        ("Bind for 0.0.0.0:80 failed: port is already allocated", FindingCode.PORT_TAKEN),
        ("unable to find user nobodyx: no matching entries in passwd file", FindingCode.ENGINE_ERROR),
    ],
)  # fmt: skip
def test_an_engines_words_about_a_start_have_a_cause(said: str, code: FindingCode) -> None:
    assert refusals.start_finding(said).code is code


def test_a_login_is_base64url_with_padding_and_names_its_registry() -> None:
    credential = Credential("robot", Password("p?ss>ü"))
    (value,) = pulls.header(IMAGE, credential).values()
    assert len(value) % 4 == 0
    assert not {"+", "/"} & set(value)
    document = json.loads(base64.urlsafe_b64decode(value))
    assert document == {"username": "robot", "password": "p?ss>ü", "serveraddress": "registry.test"}


def test_an_identity_token_goes_as_one_and_not_as_a_password() -> None:
    image = ImageReference.parse("registry.example.com/app:1")
    words = pulls.header(image, Credential(IDENTITY_USER, Password("refresh")))[pulls.HEADER]
    assert json.loads(base64.urlsafe_b64decode(words)) == {
        "identitytoken": "refresh",
        "serveraddress": "registry.example.com",
    }


def test_a_token_goes_alone_and_an_anonymous_pull_sends_nothing() -> None:
    (value,) = pulls.header(IMAGE, PullToken(Password("t0ken"), "repository:app:pull", AT)).values()
    document = json.loads(base64.urlsafe_b64decode(value))
    assert document == {"registrytoken": "t0ken", "serveraddress": "registry.test"}
    assert pulls.header(IMAGE, None) == {}


def test_progress_is_told_by_layer_in_the_images_order() -> None:
    progress = pulls.Progress()
    for line in (
        {"status": "Pulling from team/app", "id": "sha256:1"},
        {"status": "Pulling fs layer", "progressDetail": {}, "id": "aa"},
        {"status": "Already exists", "progressDetail": {}, "id": "bb"},
        {"status": "Downloading", "progressDetail": {"current": 5, "total": 10}, "id": "aa"},
    ):
        assert progress.note(line) == ""
    assert progress.layers == (LayerProgress("aa", 10, received=5), LayerProgress("bb", 0, unpacked=True))
    progress.note({"status": "Download complete", "progressDetail": {}, "id": "aa"})
    progress.note({"status": "Extracting", "progressDetail": {"current": 1, "total": 10}, "id": "aa"})
    progress.note({"status": "Pull complete", "progressDetail": {}, "id": "aa"})
    assert progress.layers[0] == LayerProgress("aa", 10, received=10, unpacked=True)


def test_an_error_that_comes_late_is_an_error() -> None:
    line = {"errorDetail": {"message": "unexpected EOF"}, "error": "unexpected EOF"}
    assert pulls.Progress().note(line) == "unexpected EOF"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("unix:///run/docker.sock", "unix:///run/docker.sock"),
        ("tcp://127.0.0.1", "tcp://127.0.0.1:2375"),
        ("tcp://[::1]:7", "tcp://[::1]:7"),
    ],
)
def test_an_engines_address_is_read(text: str, shown: str) -> None:
    assert str(EngineAddress.parse(text)) == shown


@pytest.mark.parametrize(
    "text",
    ["", "/run/docker.sock", "unix://docker.sock", "tcp://", "tcp://h:x", "tcp://u@127.0.0.1:1",
     "tcp://docker.example.com:2375"],
)  # fmt: skip
def test_an_address_that_is_none_or_would_leak_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        EngineAddress.parse(text)
    assert caught.value.field == "docker_host"
    assert caught.value.rule


def test_a_missing_certificate_is_named() -> None:
    address = EngineAddress.parse("tcp://docker.example.com", certificates="/nowhere")
    assert str(address) == "tcp://docker.example.com:2376"
    with pytest.raises(InvalidInput, match="docker_cert_path"):
        address.tls()


def workload(**changes: object) -> Workload:
    run = executable(**changes)
    return Workload("dep-1", "My App!", "project-1", 3, (run,), restart=RestartPolicy.ON_FAILURE, ports=(80,))


def made(network: str = "bridge", **changes: object) -> dict[str, object]:
    asked = workload(**changes)
    place = places.places(asked)[0]
    return dict(
        document.container(
            "abc", place, workload=asked, executable=asked.executables[0], image="i", network=network
        )
    )


def test_a_container_is_named_and_labelled_so_that_it_is_found_again() -> None:
    probe = LivenessProbe(port=80, path="/x", headers=(("A", "b"),))
    asked = workload(probe=probe)
    place = places.places(asked)[0]
    assert place.container("abc") == "towline-abc.dep-1.3.main.0"
    written = places.labels("abc", place, workload=asked, executable=asked.executables[0], image="i")
    assert places.read(written) == places.Kept(place, RestartPolicy.ON_FAILURE, probe)
    assert places.read({**written, "io.towline.generation": "x"}) is None
    assert places.read({"other": "label"}) is None


def test_ports_are_published_on_a_bridge_and_not_on_the_hosts_own_network() -> None:
    host: object = made("host")["HostConfig"]
    bridge: object = made("bridge")["HostConfig"]
    assert isinstance(host, dict)
    assert isinstance(bridge, dict)
    assert host["PortBindings"] == {}
    assert bridge["PortBindings"] == {"80/tcp": [{"HostPort": "80"}]}


def test_limits_users_and_commands_are_written_as_the_engine_wants_them() -> None:
    asked = made(limits=Limits(cpu=0.5, memory=20), uid=7, gid=8, command=("x",))
    host = asked["HostConfig"]
    assert isinstance(host, dict)
    assert (host["NanoCpus"], host["Memory"], host["MemorySwap"]) == (500_000_000, 20 << 20, 20 << 20)
    assert (asked["User"], asked["Cmd"], asked["Hostname"]) == ("7:8", ["x"], "my-app-0")
    assert "Entrypoint" not in asked
    assert host["CapDrop"] == ["NET_RAW"]


def test_a_command_of_a_probe_becomes_the_engines_health_check() -> None:
    asked = made(probe=LivenessProbe(command=("true",), period=3, timeout=2, failures=4, initial_delay=9))
    assert asked["Healthcheck"] == {
        "Test": ["CMD", "true"],
        "Interval": 3_000_000_000,
        "Timeout": 2_000_000_000,
        "StartPeriod": 9_000_000_000,
        "Retries": 4,
    }
    assert made()["Healthcheck"] == {"Test": ["NONE"]}


def test_a_disk_is_a_labelled_volume_of_which_a_folder_may_be_mounted() -> None:
    mounts = (Mount("disk-a", "/data"), Mount("disk-a", "/data/in", sub_path="app/db"))
    whole, inner = made(mounts=mounts)["HostConfig"]["Mounts"]
    assert (whole["Type"], whole["Source"], whole["Target"]) == ("volume", "towline-abc.disk-a", "/data")
    labels = {"io.towline.installation": "abc", "io.towline.disk": "disk-a"}
    assert whole["VolumeOptions"] == {"NoCopy": True, "Labels": labels}
    assert (inner["Target"], inner["VolumeOptions"]["Subpath"]) == ("/data/in", "app/db")
    assert "Mounts" not in made()["HostConfig"]


def frame(stream: int, second: int, text: str) -> bytes:
    data = f"2026-01-02T03:04:{second:02d}.000000001Z {text}".encode()
    return struct.pack(">BxxxI", stream, len(data)) + data


def test_a_logs_streams_are_put_together_by_whole_lines() -> None:
    lines = Lines()
    data = frame(1, 1, "one\n") + frame(1, 2, "tw") + frame(2, 3, "error\n") + frame(1, 4, "o\n")
    got = b"".join(lines.feed(data[at : at + 1]) for at in range(len(data)))
    assert got == b"one\nerror\ntwo\n"
    assert lines.finish() == b""


def test_a_lines_time_is_that_of_its_first_piece() -> None:
    lines = Lines(timestamps=True)
    data = (
        frame(1, 1, "one\n")
        + frame(1, 2, "tw")
        + frame(2, 3, "error\n")
        + frame(1, 4, "o\n")
        + frame(1, 5, "x")
    )
    got = b"".join(lines.feed(data[at : at + 1]) for at in range(len(data))) + lines.finish()
    times = [(line[17:19], line[31:]) for line in got.decode().splitlines()]
    assert times == [("01", "one"), ("03", "error"), ("02", "two"), ("05", "x")]


def test_what_an_answer_repeats_is_given_once() -> None:
    lines = Lines()
    assert lines.feed(frame(1, 1, "one\n")) == b"one\n"
    lines.begin()
    assert lines.feed(frame(1, 1, "one\n") + frame(1, 2, "last")) == b""
    assert lines.finish() == b"last\n"


def test_a_line_that_is_never_ended_is_not_kept() -> None:
    lines = Lines()
    given = b"".join(lines.feed(frame(1, second, "x" * 100_000)) for second in range(1, 13))
    kept = lines.finish().strip()
    assert given + kept == b"x" * 1_200_000
    assert len(kept) <= LONGEST_LINE


def test_times_are_read_to_the_nanosecond() -> None:
    assert nanoseconds("1970-01-01T00:00:02.000000003Z") == 2_000_000_003
    assert nanoseconds("1970-01-01T00:00:02.5Z") == 2_500_000_000
    assert nanoseconds("no time") == 1


def seen(restart: RestartPolicy = RestartPolicy.ALWAYS, **state: object) -> Seen:
    return Seen(places.Kept(places.Place("dep-1", 1, "main", 0), restart), "id", state, restarts=2)


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (seen(Status="running", Running=True), ReplicaState.RUNNING),
        (seen(Status="restarting", Running=True, Restarting=True, ExitCode=1), ReplicaState.BACKING_OFF),
        (seen(Status="exited", ExitCode=0), ReplicaState.FAILED),
        (seen(RestartPolicy.NEVER, Status="exited", ExitCode=1), ReplicaState.EXITED),
        (seen(RestartPolicy.NEVER, Status="stopped", ExitCode=0), ReplicaState.EXITED),
        (seen(RestartPolicy.ON_FAILURE, Status="exited", ExitCode=0), ReplicaState.EXITED),
        (seen(RestartPolicy.ON_FAILURE, Status="exited", ExitCode=1), ReplicaState.FAILED),
        (seen(RestartPolicy.NEVER, Status="created"), ReplicaState.FAILED),
        (seen(RestartPolicy.NEVER, Status="dead"), ReplicaState.FAILED),
    ],
)
def test_what_is_seen_becomes_a_state(found: Seen, state: ReplicaState) -> None:
    told = facts.fact(found, at=AT)
    assert told.state is state
    assert (told.finding is None) is (state is ReplicaState.RUNNING)


def test_an_event_that_is_heard_late_is_told_as_of_its_time() -> None:
    later = seen(Status="restarting", Running=True, Restarting=True, StartedAt="2026-01-02T00:00:09Z")
    ended = facts.ended(
        facts.as_of(
            later, AT, last=facts.began(seen(StartedAt="2026-01-01T23:59:59Z"), at=AT), is_start=False
        ),
        exit_code=9,
        out_of_memory=False,
        unwell="",
        at=AT,
    )
    assert (ended.started_at, ended.restart_count) == (datetime(2026, 1, 1, 23, 59, 59, tzinfo=UTC), 2)
    again = facts.began(facts.as_of(later, AT, last=ended, is_start=True), at=AT)
    assert (again.started_at, again.restart_count) == (AT, 3)
    assert facts.as_of(later, datetime(2027, 1, 1, tzinfo=UTC), last=None, is_start=True) is later


def test_facts_that_differ_in_their_dates_only_are_alike() -> None:
    one = facts.fact(seen(Status="exited", ExitCode=1), at=AT)
    other = facts.fact(seen(Status="exited", ExitCode=1), at=datetime(2027, 1, 1, tzinfo=UTC))
    assert facts.are_alike(one, other)
    assert not facts.are_alike(one, facts.fact(seen(Status="running", Running=True), at=AT))
