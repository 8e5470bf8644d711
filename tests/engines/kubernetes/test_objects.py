"""From a workload to documents: what is in them, and that the API's published schema takes them."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import kubernetes_validate
import msgspec
import pytest

from parts.kube.node import expanded
from parts.kube.workloads import DIGEST, LOGIN, REGISTRY, executable, workload
from towline.domain.causes import FindingCode
from towline.domain.credential import IDENTITY_USER, Credential, Password
from towline.domain.errors import EngineFailed, PullRefused
from towline.domain.package import Limits, LivenessProbe, PullPolicy, RestartPolicy, ServedPort
from towline.domain.workload import Mount
from towline.engines.kubernetes import naming, objects
from towline.engines.kubernetes.naming import Names

NAMES = Names("inst")
OTHER = Credential("other", Password("another"))


def sent(document) -> dict:
    """Return what goes over the wire, and check it against the typed model, nothing lost."""
    body = msgspec.json.encode(document)
    typed = msgspec.json.decode(body, type=type(document))
    assert msgspec.json.encode(typed) == body
    return json.loads(body)


def made(*executables, **changes):
    return objects.documents(workload(*executables, **changes), NAMES)


def auths(documents) -> dict:
    data = sent(documents.pull)["data"][".dockerconfigjson"]
    return json.loads(base64.b64decode(data))["auths"]


def deployment(documents) -> dict:
    (only,) = documents.owners
    return sent(only)


def test_the_pull_secret_holds_username_password_and_auth_that_agree():
    documents = made()
    assert sent(documents.pull)["type"] == "kubernetes.io/dockerconfigjson"
    token = base64.b64encode("robot:s3cret:wörd".encode()).decode()
    assert auths(documents) == {REGISTRY: {"username": "robot", "password": "s3cret:wörd", "auth": token}}


@pytest.mark.parametrize(
    ("image", "key"),
    [
        ("team/app:1", "https://index.docker.io/v1/"),
        ("docker.io/library/nginx:1", "https://index.docker.io/v1/"),
        ("registry.example.com:5000/app:1", "registry.example.com:5000"),
        ("ghcr.io/acme/app:1", "ghcr.io"),
    ],
)
def test_the_key_is_the_one_that_the_kubelet_matches(image, key):
    assert list(auths(made(executable(image=image)))) == [key]


def test_two_logins_for_one_registry_are_kept_apart_by_repository():
    documents = made(
        executable("one", image=f"{REGISTRY}/a/app:1"),
        executable("two", image=f"{REGISTRY}/b/app:1", login=OTHER),
        executable("three", image="quay.io/c/app:1", login=OTHER),
        executable("four", image="ghcr.io/d/app:1", login=None),
    )
    assert {key: entry["username"] for key, entry in auths(documents).items()} == {
        f"{REGISTRY}/a/app": LOGIN.username,
        f"{REGISTRY}/b/app": OTHER.username,
        "quay.io": OTHER.username,
    }


def test_a_login_is_not_given_to_an_image_of_the_same_registry_that_has_none():
    documents = made(
        executable("one", image=f"{REGISTRY}/a/app:1"),
        executable("two", image=f"{REGISTRY}/public/app:1", login=None),
    )
    assert list(auths(documents)) == [f"{REGISTRY}/a/app"]


def test_an_identity_token_which_no_kubelet_reads_is_refused_with_a_finding():
    login = Credential(IDENTITY_USER, Password("refresh"))
    with pytest.raises(PullRefused) as refused:
        made(executable("one", login=login))
    assert refused.value.finding.code is FindingCode.CREDENTIAL_INCOMPLETE
    assert refused.value.finding.executable == "one"
    assert "refresh" not in str(refused.value.finding)


def test_public_images_without_variables_need_no_secret():
    documents = made(executable(login=None))
    assert documents.secrets == ()
    assert "imagePullSecrets" not in deployment(documents)["spec"]["template"]["spec"]


def test_variables_are_values_of_a_secret_and_references_to_it():
    documents = made(executable(environment={"WORD": Password("swordfish"), "odd name": Password("1")}))
    values = {
        key: base64.b64decode(value).decode() for key, value in sent(documents.environment)["data"].items()
    }
    (container,) = deployment(documents)["spec"]["template"]["spec"]["containers"]
    keys = {each["name"]: each["valueFrom"]["secretKeyRef"]["key"] for each in container["env"]}
    assert {name: values[key] for name, key in keys.items()} == {"WORD": "swordfish", "odd name": "1"}
    assert "swordfish" not in json.dumps(deployment(documents))


def test_a_deployment_says_everything_that_was_asked_for():
    probe = LivenessProbe(port=8080, path="/healthz", period=5, failures=2, headers=(("X-Probe", "yes"),))
    asked = executable(
        limits=Limits(cpu=0.5, memory=64),
        uid=7,
        gid=8,
        probe=probe,
        command=("-v",),
        pull_policy=PullPolicy.ALWAYS,
    )
    body = deployment(made(asked, replicas=3))
    spec = body["spec"]
    assert (spec["replicas"], spec["minReadySeconds"], spec["progressDeadlineSeconds"]) == (3, 2, 600)
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    pod = spec["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    (container,) = pod["containers"]
    assert container["image"] == f"{REGISTRY}/team/app@{DIGEST}"
    assert container["imagePullPolicy"] == "Always"
    assert container["args"] == ["-v"]
    assert container["resources"] == {"limits": {"cpu": "500m", "memory": "64Mi"}}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert (container["securityContext"]["runAsUser"], container["securityContext"]["runAsGroup"]) == (7, 8)
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert "successThreshold" not in container["livenessProbe"], "the API takes only 1 for liveness"
    selected = spec["selector"]["matchLabels"].items()
    assert selected <= spec["template"]["metadata"]["labels"].items()


def test_a_restricted_namespace_is_sent_pods_that_it_takes():
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/"""
    (only,) = objects.documents(workload(), NAMES, restricted=True).owners
    (container,) = sent(only)["spec"]["template"]["spec"]["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    (container,) = deployment(made())["spec"]["template"]["spec"]["containers"]
    assert not container["securityContext"].keys() & {"capabilities", "runAsNonRoot"}, "images may need them"


@pytest.mark.parametrize(
    ("restart", "policy"), [(RestartPolicy.NEVER, "Never"), (RestartPolicy.ON_FAILURE, "OnFailure")]
)
def test_what_may_end_is_a_bare_pod_for_each_replica(restart, policy):
    pods = [sent(each) for each in made(restart=restart, replicas=2).owners]
    assert [each["metadata"]["name"][-4:] for each in pods] == ["-1-0", "-1-1"]
    assert {each["spec"]["restartPolicy"] for each in pods} == {policy}


def test_ports_make_a_service_that_follows_the_deployment_over_its_generations():
    service = sent(made(ports=(80, 8443)).service)
    assert service["metadata"]["name"] == "shop"
    assert [each["port"] for each in service["spec"]["ports"]] == [80, 8443]
    assert list(service["spec"]["selector"]) == [naming.DEPLOYMENT]
    assert made().service is None


def test_an_endpoint_answers_under_its_own_port_and_under_its_target_and_by_its_protocol():
    served = (ServedPort(443, 8443), ServedPort(8443, 9443), ServedPort(53, 5353, is_udp=True))
    service = sent(made(ports=(8443, 9443, 5353), served=served).service)
    assert [(each["port"], each["targetPort"], each["protocol"]) for each in service["spec"]["ports"]] == [
        (443, 8443, "TCP"),
        (8443, 9443, "TCP"),
        (53, 5353, "UDP"),
        (9443, 9443, "TCP"),
        (5353, 5353, "UDP"),
    ]
    assert len({each["name"] for each in service["spec"]["ports"]}) == 5
    kubernetes_validate.validate(service, "1.32", strict=True)


@pytest.mark.parametrize("name", ["1shop", "My.Shop", "a" * 64])
def test_a_name_that_dns_does_not_know_gives_way_to_the_guid(name):
    service = sent(made(ports=(80,), deployment_name=name).service)
    assert service["metadata"]["name"].startswith("dep-")


def test_containers_of_odd_names_are_found_again():
    names = naming.containers(workload(executable("Main_1.x"), executable("main"), executable("_")))
    assert list(names.values()) == ["Main_1.x", "main", "_"]
    assert all(len(name) <= 63 and name == name.lower() and "_" not in name for name in names)
    alike = naming.containers(
        workload(executable("my-app-1"), executable("My App"), executable("my-app-1-1"))
    )
    assert list(alike.values()) == ["my-app-1", "My App", "my-app-1-1"]


@pytest.mark.parametrize("word", ["a$b", "$$", "$(WORD)", "cost: 5$", "$$(id -u) $x"])
def test_a_commands_dollars_are_told_from_references_to_variables(word):
    """As a kubelet reads them: ``$(NAME)`` for a variable, ``$$`` for ``$``."""
    probe = LivenessProbe(command=(word,))
    asked = executable(entrypoint=(word,), command=(word,), probe=probe, environment={"WORD": Password("x")})
    (container,) = deployment(made(asked))["spec"]["template"]["spec"]["containers"]
    commands = (container["command"], container["args"], container["livenessProbe"]["exec"]["command"])
    assert [expanded(only, {"WORD": "x"}) for (only,) in commands] == [word] * 3


def test_a_namespace_is_one_of_a_project_or_the_one_for_all():
    assert NAMES.namespace_of("project-x") == "towline-project-x"
    assert Names("inst", namespace="apps").namespace_of("project-x") == "apps"
    assert len(Names("inst", prefix="p" * 60).namespace_of("project-x")) <= 63


def test_nothing_of_a_secret_shows_in_what_python_prints():
    assert "s3cret" not in repr(workload())


def test_a_claim_is_what_the_published_schema_takes():
    run = replace(executable("one"), mounts=(Mount("disk-a", "/data", capacity=4),))
    documents = made(run)
    (claim,) = map(sent, documents.claims)
    kubernetes_validate.validate(claim, "1.30", strict=True)
    assert claim["metadata"]["labels"]["towline/disk"] == "disk-a"
    only = deployment(documents)
    assert only["spec"]["strategy"] == {"type": "Recreate"}
    assert "securityContext" not in only["spec"]["template"]["spec"], "nobody said who is to write"


def test_a_pods_volumes_belong_to_one_group():
    runs = [
        replace(executable(name), mounts=(Mount(f"disk-{name}", "/data", gid=gid),))
        for name, gid in (("one", 70), ("two", 80))
    ]
    with pytest.raises(EngineFailed) as refused:
        made(*runs)
    assert "70, 80" in refused.value.finding.detail
