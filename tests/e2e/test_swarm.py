"""The main job on a real Docker Swarm of two nodes, and what its users wait for: a rotated secret that
reaches the nodes which pull later.
"""

import pytest
from test_docker import LOOP
from test_main_job import deployed, runs, secret

from parts.images import busybox_layout
from parts.registry import htpasswd_auth, push, running_registry
from parts.server import running_server, until
from parts.swarm import running_swarm


@pytest.fixture
def private(tmp_path):
    with running_registry(tmp_path, auth=htpasswd_auth(tmp_path)) as registry:
        push(registry, busybox_layout(tmp_path / "image", command=("sh", "-c", LOOP)), "team/app:1")
        yield registry


def test_a_secret_that_is_rotated_is_what_a_node_pulls_with_afterwards(tmp_path, private):
    with running_swarm() as swarm:
        swarm.set_availability(swarm.worker, "drain")
        options = ("--engine", "swarm", "--docker-host", swarm.manager.host, "--docker-network", "host")
        with running_server(tmp_path, *options) as server:
            deployed(server, private)
            until(lambda: runs(server), "the deployment to run")
            (made,) = services(swarm)
            (before,) = running(swarm)

            htpasswd_auth(tmp_path, "the-next-password")
            server.call("PUT", "/v2/secrets/pull/", secret(private, password="the-next-password"))
            until(lambda: services(swarm)[0]["Version"] != made["Version"], "the swarm to be told")
            assert running(swarm) == [before], "nothing restarts for it"

            swarm.set_availability(swarm.worker, "active")
            swarm.set_availability(swarm.manager, "drain")
            until(lambda: [node for _, node in running(swarm)] == [swarm.node_of(swarm.worker)], "the move")
            until(lambda: runs(server), "the deployment to run there")
            path = "/v2/deployments/app/logs/?replica=0&executable=app&follow=false&tail=1"
            until(lambda: b"hello from a private image" in server.ask("GET", path)[1], "its log")

            server.call("DELETE", "/v2/deployments/app/")
            until(lambda: not services(swarm), "the service to end")


def services(swarm):
    return [
        each for each in swarm.manager.ask("GET", "/services") if "io.towline.name" in each["Spec"]["Labels"]
    ]


def running(swarm):
    """Return each task that runs, and where."""
    return [
        (each["ID"], each["NodeID"])
        for each in swarm.manager.ask("GET", "/tasks")
        if each["Status"]["State"] == "running"
    ]
