"""Bodies read: what was wrong and what is right, by field; and what becomes of the good ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from parts import sdk
from towline.domain.deployment import Dependency
from towline.domain.errors import InvalidInput
from towline.domain.listing import Page
from towline.domain.package import EnvVar, Limits, PullPolicy, Runtime, SecretKeyRef, ServedPort
from towline.domain.secret import DockerDraft, OpaqueDraft
from towline.wire import deployments, packages, registries, secrets
from towline.wire.lists import joined, number_of, page_of, phases_of, query_of, selector_of, truth_of


def body_of(document: dict[str, Any], *path: Any, value: Any) -> bytes:
    """Return ``document`` as JSON with another value at ``path``."""
    changed = json.loads(json.dumps(document))
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(changed).encode()


def executable(key: str, value: Any) -> bytes:
    return body_of(sdk.package("talker"), "spec", "executables", 0, key, value=value)


def image(key: str, value: Any) -> bytes:
    return body_of(sdk.package("talker"), "spec", "executables", 0, "docker", key, value=value)


def spec(key: str, value: Any) -> bytes:
    return body_of(sdk.package("talker"), "spec", key, value=value)


RUN = "spec.executables[0]"


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        (body_of(sdk.package("t"), "metadata", "version", value=""), "metadata.version", "128"),
        (body_of(sdk.package("t"), "metadata", "version", value=1.0), "metadata.version", "text"),
        (body_of(sdk.package("t"), "metadata", "name", value="a b"), "metadata.name", "letters"),
        (body_of(sdk.package("t"), "kind", value="Secret"), "kind", "Package"),
        (body_of(sdk.package("t"), "apiVersion", value="v1"), "apiVersion", "api.rapyuta.io/v2"),
        (spec("runtime", "moon"), "spec.runtime", "cloud, device"),
        (spec("executables", []), "spec.executables", "1 to 50"),
        (spec("executables", None), "spec.executables", "at least one"),
        (spec("device", {"arch": "amd64"}), "spec.device", "leave it out"),
        (spec("cloud", {"replicas": 0}), "spec.cloud.replicas", ">= 1"),
        (spec("endpoints", [{"name": "1st"}]), "spec.endpoints[0].name", "digit"),
        (spec("endpoints", [{"name": "a", "type": "tcp"}]), "spec.endpoints[0].type", "external-http"),
        (spec("endpoints", [{"name": "a", "portRange": "1-99"}]), "spec.endpoints[0].portRange", "50"),
        (spec("endpoints", [{"name": "a", "portRange": "9-1"}]), "spec.endpoints[0].portRange", "22,80"),
        (
            spec("environmentVars", [{"name": "A", "exposed": True}]),
            "spec.environmentVars[0].exposedName",
            "name",
        ),
        (spec("environmentVars", [{"name": "A=B"}]), "spec.environmentVars[0].name", "'='"),
        (
            spec("environmentVars", [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s"}}}]),
            "spec.environmentVars[0].valueFrom.secretKeyRef",
            "key",
        ),
        (executable("name", None), f"{RUN}.name", "give"),
        (executable("type", "snap"), f"{RUN}.type", "docker, preInstalled"),
        (executable("type", "preInstalled"), f"{RUN}.type", "devices"),
        (executable("docker", None), f"{RUN}.docker", "image"),
        (executable("command", ["a\0b"]), f"{RUN}.command", "plain text"),
        (executable("command", 5), f"{RUN}.command", "text or a list"),
        (executable("limits", {"cpu": 257}), f"{RUN}.limits.cpu", "<= 256"),
        (executable("limits", {"memory": -1}), f"{RUN}.limits.memory", ">= 0"),
        (executable("livenessProbe", {"timeoutSeconds": 9}), f"{RUN}.livenessProbe.timeoutSeconds", ">= 10"),
        (executable("uid", -1), f"{RUN}.uid", ">= 0"),
        (image("image", ""), f"{RUN}.docker.image", "give an image"),
        (
            image("imagePullPolicy", "Sometimes"),
            f"{RUN}.docker.imagePullPolicy",
            "Always, IfNotPresent, Never",
        ),
        (image("pullSecret", {"nameOrGUID": "x"}), f"{RUN}.docker.pullSecret.nameOrGUID", "depends"),
        (
            image("pullSecret", {"depends": {"kind": "disk", "nameOrGUID": "x"}}),
            f"{RUN}.docker.pullSecret.depends.kind",
            "secret",
        ),
        (
            image("pullSecret", {"depends": {"kind": "secret", "nameOrGUID": None}}),
            f"{RUN}.docker.pullSecret.depends.nameOrGUID",
            "name the secret",
        ),
    ],
)
def test_a_broken_rule_of_packages_names_field_and_remedy(body: bytes, field: str, rule: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        packages.draft(body)
    assert refused.value.field == field
    assert rule in refused.value.rule


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"depends": None}, "metadata.depends"),
        ({"depends": {}}, "metadata.depends"),
        ({"depends": {"kind": "package", "nameOrGUID": "t"}}, "metadata.depends.version"),
        ({"depends": {"kind": "package", "nameOrGUID": "t", "version": ""}}, "metadata.depends.version"),
        ({"depends": {"kind": "disk", "nameOrGUID": "t", "version": "1"}}, "metadata.depends.kind"),
        ({"name": ""}, "metadata.name"),
        ({"labels": {"a b": "c"}}, "metadata.labels['a b']"),
    ],
)
def test_a_broken_rule_of_deployments_names_its_field(changes: dict[str, Any], field: str) -> None:
    body = sdk.deployment("talker-1", "talker")
    body["metadata"] |= changes
    with pytest.raises(InvalidInput) as refused:
        deployments.draft(json.dumps(body).encode())
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"runtime": "device"}, "spec.runtime"),
        ({"device": {"depends": {"kind": "device", "nameOrGUID": "rover"}}}, "spec.device"),
        ({"volumes": [{"execName": "app", "mountPath": "/data"}]}, "spec.volumes[0].depends"),
        ({"restart": "on-failure"}, "spec.restart"),
        ({"depends": [{"kind": "deployment"}]}, "spec.depends[0].nameOrGUID"),
        ({"envArgs": [{"name": "A", "value": {}}]}, "spec.envArgs[0].value"),
        ({"rosNetworks": [{"depends": {}}]}, "spec.rosNetworks[0].depends"),
    ],
)
def test_what_the_server_cannot_do_is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    body = sdk.deployment("talker-1", "talker", **changes)
    with pytest.raises(InvalidInput) as refused:
        deployments.draft(json.dumps(body).encode())
    assert refused.value.field == field


def test_no_refusal_quotes_a_password() -> None:
    body = sdk.docker_secret("pull")
    for at, value in (("password", ["hunter2"]), ("username", {"hunter2": 1}), ("email", "hunter2 ")):
        with pytest.raises(InvalidInput) as refused:
            secrets.draft(body_of(body, "spec", "docker", at, value=value))
        assert at in refused.value.field
        if at != "email":
            assert "hunter2" not in str(refused.value)


def test_endpoints_are_read_with_their_protocol_and_ranges() -> None:
    endpoints = [
        {"name": "dns", "type": "internal-udp", "port": 53, "targetPort": 5353},
        {"name": "many", "type": "internal-udp-range", "portRange": "7000-7001"},
        {"name": "plain", "type": "internal-tcp", "targetPort": 22},
    ]
    draft = packages.draft(spec("endpoints", endpoints))
    assert draft.spec.served == (
        ServedPort(53, 5353, is_udp=True),
        ServedPort(7000, 7000, is_udp=True),
        ServedPort(7001, 7001, is_udp=True),
        ServedPort(22, 22),
    )
    assert draft.spec.ports == (5353, 7000, 7001, 22)


def test_a_package_is_read_as_a_whole() -> None:
    draft = packages.draft(json.dumps(sdk.package("talker")).encode())
    [run] = draft.spec.executables
    assert (draft.name, draft.version, draft.spec.runtime) == ("talker", "v1.0.0", Runtime.CLOUD)
    assert (run.pull_secret, run.pull_policy) == ("private-pull", PullPolicy.IF_NOT_PRESENT)
    assert (run.command, run.limits) == (("sleep", "3600"), Limits(cpu=0.1, memory=128))
    assert draft.spec.environment == (
        EnvVar("LOG_LEVEL", "info"),
        EnvVar("API_KEY", secret_ref=SecretKeyRef("app-keys", "API_KEY")),
    )
    assert draft.spec.ports == (8080,)
    assert draft.spec.served == (ServedPort(443, 8080),)


def test_the_document_of_a_package_has_no_nulls_no_bash_and_no_secret_value() -> None:
    body = sdk.package("talker", runAsBash=True, uid=None, command="echo hi")
    body["spec"]["environmentVars"] = [
        {"name": "K", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "value": "leaked"}}}
    ]
    document = packages.draft(json.dumps(body).encode()).document.decode()
    for unwanted in ("null", "runAsBash", "leaked", "uid"):
        assert unwanted not in document
    assert json.loads(document)["executables"][0]["command"] == "echo hi"


def test_an_empty_pull_secret_is_none_and_both_spellings_of_the_key_are_read() -> None:
    for given, read in (
        ({"depends": {}}, None),
        (None, None),
        ({"depends": {"kind": "Secret", "nameOrGuid": "pull"}}, "pull"),
        ({"depends": {"nameOrGUID": "pull"}}, "pull"),
    ):
        [run] = packages.draft(image("pullSecret", given)).spec.executables
        assert run.pull_secret == read


def test_answers_spell_a_reference_in_one_way() -> None:
    draft = packages.draft(image("pullSecret", {"depends": {"kind": "secret", "nameOrGuid": "pull"}}))
    docker = json.loads(draft.document)["executables"][0]["docker"]
    assert docker["pullSecret"] == {"depends": {"kind": "secret", "nameOrGUID": "pull"}}


def test_a_deployment_is_read_as_a_whole_and_its_status_ignored() -> None:
    body = sdk.deployment(
        "talker-1",
        "talker",
        envArgs=[{"name": "N", "value": 5}, {"name": "B", "value": True}, {"name": "F", "value": 0.5}],
        depends=[{"kind": "Deployment", "nameOrGUID": "other", "wait": True}],
    )
    body["status"] = {"phase": "Succeeded", "status": 5}
    draft = deployments.draft(json.dumps(body).encode())
    assert (draft.package, draft.package_version) == ("talker", "v1.0.0")
    assert draft.environment == (EnvVar("N", "5"), EnvVar("B", "true"), EnvVar("F", "0.5"))
    assert draft.dependencies == (Dependency("other", wait=True),)
    assert [each["value"] for each in json.loads(draft.document)["envArgs"]] == ["5", "true", "0.5"]


def test_secrets_of_both_types_are_read_with_nulls_everywhere_else() -> None:
    body = sdk.docker_secret("pull")
    body["metadata"] |= {"guid": None, "projectGUID": None, "createdAt": None}
    body["spec"] |= {"data": None, "runtime": None, "depends": None}
    docker = secrets.draft(json.dumps(body).encode())
    assert isinstance(docker, DockerDraft)
    assert docker.registry.is_hub
    assert docker.credential.password.reveal() == "p@ss:word/1 €"
    opaque = secrets.draft(json.dumps(sdk.opaque_secret("keys", A="x ", B="")).encode())
    assert isinstance(opaque, OpaqueDraft)
    assert {key: value.reveal() for key, value in opaque.data.items()} == {"A": "x ", "B": ""}


def test_a_secret_of_two_kinds_at_once_is_refused() -> None:
    docker = body_of(sdk.docker_secret("a"), "spec", "data", value={"A": "b"})
    opaque = body_of(sdk.opaque_secret("a"), "spec", "docker", value={"username": "u"})
    for body, field in ((docker, "spec.data"), (opaque, "spec.docker")):
        with pytest.raises(InvalidInput) as refused:
            secrets.draft(body)
        assert refused.value.field == field


def test_settings_of_a_registry_belong_to_the_host_of_the_path() -> None:
    body = json.dumps({"metadata": {"name": "https://h.example.com"}, "spec": {"plainHTTP": True}}).encode()
    assert registries.settings(body, "h.example.com").plain_http
    with pytest.raises(InvalidInput, match=r"metadata\.name"):
        registries.settings(body, "other.example.com")


def test_empty_values_of_a_query_count_as_absent() -> None:
    query = query_of(b"continue=0&limit=50&labelSelector=&name=&phases=Stopped&phases=Succeeded")
    assert query == {"continue": ["0"], "limit": ["50"], "phases": ["Stopped", "Succeeded"]}
    assert page_of(query) == Page(after=0, limit=50)
    assert page_of({}) == Page()
    assert selector_of(query_of(b"labelSelector=a=b&labelSelector=c")).required == (("a", "b"), ("c", None))


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"limit=0", "limit"),
        (b"limit=501", "limit"),
        (b"limit=many", "limit"),
        (b"limit=%C2%B2", "limit"),
        (b"continue=-1", "continue"),
        (b"continue=99999999999999999999", "continue"),
        (b"labelSelector=!", "labelSelector"),
        (b"phases=Started", "phases"),
        (b"follow=maybe", "follow"),
        (b"name=a%00b", "name"),
        (b"&".join(b"a=b" for _ in range(1001)), "query"),
    ],
)
def test_an_unusable_query_names_its_field(raw: bytes, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_whole_query(raw)
    assert refused.value.field == field


def read_whole_query(raw: bytes) -> None:
    query = query_of(raw)
    page_of(query)
    selector_of(query)
    phases_of(query)
    truth_of(query, "follow", default=True)
    number_of(query, "tail", default=0, most=5)


def test_a_list_has_its_continue_on_every_page_that_is_not_empty() -> None:
    page = json.loads(joined("Secret", [b'{"a":1}', b'{"a":2}'], 17))
    assert page == {
        "kind": "SecretList",
        "apiVersion": "api.rapyuta.io/v2",
        "metadata": {"continue": 17},
        "items": [{"a": 1}, {"a": 2}],
    }
    assert json.loads(joined("Secret", [], None))["items"] == []
