"""kill -9 at random moments in a storm of deploys, updates and deletes on a real Docker Engine.

Afterwards every acknowledged wish is so, and nothing else is: no orphan, no duplicate, nothing lost.
``STORM_KILLS`` says how often; ``make storm-docker`` does it 200 times.
"""

import os
import random
import sys
import time
from collections import Counter

import pytest
from test_main_job import secret

from parts import layers
from parts.dockerd import running_dockerd
from parts.images import folders_layout
from parts.registry import htpasswd_auth, push, running_registry
from parts.server import running_server, until
from parts.storm import Storm

KILLS = int(os.environ.get("STORM_KILLS", "15"))
SEED = int(os.environ.get("STORM_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
REPLICAS = {"v1": 1, "v2": 2, "v3": 1}
NAMES = tuple(f"storm-{number}" for number in range(6))


@pytest.fixture
def place(tmp_path):
    config = {"Cmd": ["/bin/sleep", "1000000"], "StopSignal": "SIGKILL", "Env": ["PATH=/bin"]}
    layout = folders_layout(tmp_path / "layout", layers.make_layers(tmp_path / "rootfs"), config=config)
    with (
        running_dockerd() as dockerd,
        running_registry(tmp_path, auth=htpasswd_auth(tmp_path)) as registry,
        running_server(
            tmp_path, "--engine", "docker", "--docker-host", dockerd.host, "--docker-network", "host"
        ) as server,
    ):
        image = push(registry, layout, "team/app:1")
        server.call("POST", "/v2/secrets/", secret(registry))
        for version, replicas in REPLICAS.items():
            server.call("POST", "/v2/packages/", package(image, version, replicas))
        yield server, dockerd


def package(image: str, version: str, replicas: int) -> object:
    pull = {"depends": {"kind": "secret", "nameOrGUID": "pull"}}
    run = {"name": "app", "type": "docker", "docker": {"image": image, "pullSecret": pull}}
    spec = {"runtime": "cloud", "cloud": {"replicas": replicas}, "executables": [run]}
    return {"kind": "Package", "metadata": {"name": "app", "version": version}, "spec": spec}


def test_nothing_is_orphaned_doubled_or_lost_by_kills_in_a_storm(place):
    server, dockerd = place
    chance = random.Random(SEED)
    storm = Storm(server, NAMES, tuple(REPLICAS), chance=random.Random(SEED + 1))
    storm.begin()
    began = time.monotonic()
    try:
        for _ in range(KILLS):
            if chance.random() < 0.8:  # else while it starts
                until(lambda: server.ask("GET", "/healthz")[0] == 200, "the server to answer")
            time.sleep(chance.uniform(0.0, 1.2))  # a random moment is what this test is about
            server.kill()
            server.begin()
    finally:
        storm.end()
    until(lambda: server.ask("GET", "/readyz")[0] == 200, "the server to be ready")
    told = f"seed {SEED}: {KILLS} kills, {storm.changes} changes, {storm.unanswered} unanswered"
    sys.stderr.write(f"{told}, {time.monotonic() - began:.1f} s\n")
    settled(server, dockerd, {name: version for name, version in storm.wished.items() if version}, told)


def settled(server, dockerd, wished, told):
    def listed():
        items = server.call("GET", "/v2/deployments/?limit=100")["items"]
        return {each["metadata"]["name"]: each for each in items}

    assert set(listed()) == set(wished), told
    until(lambda: all(runs(each) for each in listed().values()), f"all to run; {told}")
    expected = Counter()
    for name, each in listed().items():
        assert each["metadata"]["depends"]["version"] == wished[name], told
        expected[each["metadata"]["guid"], str(each["status"]["generation"])] = REPLICAS[wished[name]]
    until(lambda: held(dockerd) == expected, f"the containers to be {expected}; {told}")
    places = [
        tuple(each["Labels"][f"io.towline.{part}"] for part in ("deployment", "generation", "replica"))
        for each in dockerd.containers()
    ]
    assert len(places) == len(set(places)), told


def runs(deployment) -> bool:
    status = deployment["status"]
    return (status["phase"], status["status"]) == ("Succeeded", "Running")


def held(dockerd) -> Counter:
    """Count the running containers by deployment and generation; one that does not run counts apart."""
    found = Counter()
    for each in dockerd.containers():
        labels = each["Labels"]
        up = each["State"] == "running"
        place = labels["io.towline.deployment"], labels["io.towline.generation"]
        found[place if up else ("down", each["Id"])] += 1
    return found
