"""What is installed on a cluster: legal by the API's own schemas, and of least privilege."""

from __future__ import annotations

import copy
from typing import Any

import kubernetes_validate
import pytest
import yaml
from installations import CASES, IMAGE, options

from parts.pod_security import violations
from towline import config
from towline.domain.credential import Password
from towline.domain.errors import InvalidInput
from towline.engines.kubernetes.installation import keyring, manifests
from towline.engines.kubernetes.installation.options import Options
from towline.engines.kubernetes.needs import MIRRORING, NEEDED
from towline.engines.kubernetes.quantities import amount

VERSIONS = ("1.25", "1.32", "1.37")


def made(case: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the documents of a case by kind and namespace."""
    return {
        (each["kind"], each["metadata"].get("namespace", "")): each
        for each in manifests.documents(options(case))
    }


def pod(case: str) -> dict[str, Any]:
    return made(case)["Deployment", "towline"]["spec"]["template"]["spec"]


def environment(case: str) -> dict[str, Any]:
    return {each["name"]: each.get("value") for each in pod(case)["containers"][0]["env"]}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES)
def test_the_published_schemas_know_every_field(case, version):
    documents = [*manifests.documents(options(case)), keyring.document(options(case), Password("{}"))]
    for document in documents:
        assert kubernetes_validate.validate(document, version, strict=True) == version


def test_the_schemas_refuse_what_they_do_not_know():
    document = copy.deepcopy(made("as it comes")["Deployment", "towline"])
    document["spec"]["template"]["spec"]["containers"][0]["readOnlyRootFilesystem"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, "1.32", strict=True)


@pytest.mark.parametrize("case", CASES)
def test_a_pod_passes_the_strictest_profile_which_its_namespace_enforces(case):
    assert list(violations(pod(case))) == []
    labels = made(case)["Namespace", ""]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("hostNetwork",), True, "hostNetwork"),
        (("volumes", 0), {"name": "data", "hostPath": {"path": "/"}}, "volume data"),
        (("securityContext", "runAsNonRoot"), False, "towline: runAsNonRoot"),
        (("securityContext", "runAsUser"), 0, "towline: runAsUser"),
        (("securityContext", "seccompProfile", "type"), "Unconfined", "towline: seccompProfile"),
        (("containers", 0, "securityContext", "capabilities"), {}, "towline: capabilities.drop"),
        (("containers", 0, "securityContext", "privileged"), True, "towline: privileged"),
        (
            ("containers", 0, "securityContext", "allowPrivilegeEscalation"),
            True,
            "towline: allowPrivilegeEscalation",
        ),
    ],
)
def test_the_profile_refuses_each_thing_that_it_forbids(place, value, said):
    spec = copy.deepcopy(pod("as it comes"))
    at: Any = spec
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    assert list(violations(spec)) == [said]


def test_the_root_file_system_is_read_only_and_what_is_written_has_volumes():
    (container,) = pod("as it comes")["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    writable = {each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")}
    assert writable == {"/var/lib/towline", "/tmp"}
    assert environment("as it comes")["TOWLINE_DATA"].startswith("/var/lib/towline/")


def test_the_rights_are_those_that_doctor_asks_for_each_with_its_reason():
    role = made("as it comes")["ClusterRole", ""]
    granted = {(rule["apiGroups"][0], rule["resources"][0]): tuple(rule["verbs"]) for rule in role["rules"]}
    assert granted == {(right.group, right.resource): right.verbs for right in NEEDED}
    told = role["metadata"]["annotations"]["towline/reasons"].splitlines()
    assert told == [f"{right.resource}: {right.why}" for right in NEEDED]
    assert "*" not in str(role["rules"])
    (subject,) = made("as it comes")["ClusterRoleBinding", ""]["subjects"]
    assert (subject["name"], subject["namespace"]) == ("towline", "towline")


def test_mirrors_have_the_rights_that_they_need_and_only_where_they_are_wanted():
    rules = made("with mirrors")["ClusterRole", ""]["rules"]
    assert [each["resources"][0] for each in rules] == [right.resource for right in (*NEEDED, *MIRRORING)]
    assert environment("with mirrors")["TOWLINE_KUBERNETES_MIRROR_NAMESPACES"] == "web shop-*"


def test_mirrors_in_a_namespace_need_its_service_accounts_and_nothing_of_the_cluster():
    chosen = Options(image=IMAGE, watch_namespaces=("apps",), mirror_namespaces=("apps",))
    (role,) = (each for each in manifests.documents(chosen) if each["kind"] == "Role")
    assert role["rules"][-1]["resources"] == ["serviceaccounts"]
    assert ["namespaces"] not in [each["resources"] for each in role["rules"]]


def test_in_chosen_namespaces_there_are_roles_and_nothing_is_clusterwide():
    documents = made("in other namespaces alone")
    assert {kind for kind, _ in documents} & {"ClusterRole", "ClusterRoleBinding"} == set()
    for namespace in ("apps", "shop"):
        resources = [rule["resources"][0] for rule in documents["Role", namespace]["rules"]]
        assert resources == [right.resource for right in NEEDED if not right.is_clusterwide]
        assert documents["RoleBinding", namespace]["roleRef"]["kind"] == "Role"
    assert environment("in other namespaces alone")["TOWLINE_KUBERNETES_NAMESPACE"] == "apps"


def test_sqlite_has_one_replica_on_a_volume_and_its_pods_never_overlap():
    deployment = made("as it comes")["Deployment", "towline"]["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert ("PersistentVolumeClaim", "towline") in made("as it comes")


def test_postgresql_has_replicas_on_several_nodes_and_no_volume():
    deployment = made("with PostgreSQL")["Deployment", "towline"]["spec"]
    assert (deployment["replicas"], deployment["strategy"]["type"]) == (3, "RollingUpdate")
    assert "topologySpreadConstraints" in pod("with PostgreSQL")
    assert ("PersistentVolumeClaim", "towline") not in made("with PostgreSQL")
    assert environment("with PostgreSQL")["TOWLINE_DRAIN_NOTICE_SECONDS"] == "5"
    assert "TOWLINE_DRAIN_NOTICE_SECONDS" not in environment("as it comes")
    (url,) = (each for each in pod("with PostgreSQL")["containers"][0]["env"] if "valueFrom" in each)
    assert url["valueFrom"]["secretKeyRef"] == {"name": "towline-database", "key": "url"}


@pytest.mark.parametrize("case", CASES)
def test_the_settings_of_the_pod_are_settings_of_the_server_and_together_legal(case):
    known = {variable for _, variable, *_ in config.settings()}
    assert environment(case).keys() <= known
    given = {name: value for name, value in environment(case).items() if value is not None}
    loaded = config.load(
        {}, {name: value for name, value in given.items() if "TLS" not in name} | plain(given)
    )
    assert (loaded.engine, loaded.host) == ("kubernetes", given["TOWLINE_HOST"])
    assert loaded.keyring_command == ("cat", "/etc/towline/keyring/keyring.json")


def plain(given: dict[str, str]) -> dict[str, str]:
    """Return what stands in for a certificate, whose files are on the pod alone."""
    return {"TOWLINE_ALLOW_PLAIN_HTTP": "true"} if "TOWLINE_TLS_CERT" in given else {}


def test_the_keyring_is_a_file_and_not_in_the_environment():
    assert "TOWLINE_KEYRING" not in environment("as it comes")
    volumes = {each["name"]: each for each in pod("as it comes")["volumes"]}
    assert volumes["keyring"]["secret"] == {"secretName": "towline-keyring", "defaultMode": 0o440}


def test_without_a_way_in_that_is_safe_only_a_port_forward_comes_through():
    assert made("as it comes")["NetworkPolicy", "towline"]["spec"]["ingress"] == []
    (rule,) = made("behind an Ingress")["NetworkPolicy", "towline"]["spec"]["ingress"]
    (peer,) = rule["from"]
    assert peer["namespaceSelector"]["matchExpressions"][0]["values"] == ["ingress-nginx"]
    (rule,) = made("with a certificate of its own")["NetworkPolicy", "towline"]["spec"]["ingress"]
    assert "from" not in rule


def test_the_clouds_metadata_is_out_of_reach_unless_it_is_asked_for():
    for case, shut in (("as it comes", True), ("with a certificate of its own", False)):
        _, rule = made(case)["NetworkPolicy", "towline"]["spec"]["egress"]
        blocks = [each["ipBlock"] for each in rule["to"]]
        assert all(("except" in block) is shut for block in blocks)
    assert "169.254.0.0/16" in str(made("as it comes")["NetworkPolicy", "towline"])


def test_probes_ask_in_the_way_that_is_spoken():
    for case, scheme in (("as it comes", "HTTP"), ("with a certificate of its own", "HTTPS")):
        (container,) = pod(case)["containers"]
        probes = {name: container[name]["httpGet"] for name in container if name.endswith("Probe")}
        assert {name: each["path"] for name, each in probes.items()} == {
            "startupProbe": "/healthz",
            "livenessProbe": "/healthz",
            "readinessProbe": "/readyz",
        }
        assert {each["scheme"] for each in probes.values()} == {scheme}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"image": "Bad Image"}, "image"),
        ({"name": "Towline"}, "name"),
        ({"namespace": "a" * 64}, "namespace"),
        ({"name": "n" * 40, "namespace": "s" * 40}, "name"),
        ({"replicas": 0}, "replicas"),
        ({"replicas": 2}, "replicas"),
        ({"host": "towline.example.com"}, "host"),
        ({"host": "https://towline.example.com", "allow_plain_http": True}, "host"),
        ({"ingress_class": "nginx"}, "host"),
        ({"trusted_proxies": ("10.0.0.1/8",)}, "trusted-proxies"),
        ({"allow_from": ("Ingress",)}, "allow-from"),
        ({"watch_namespaces": ("a.b",)}, "watch-namespaces"),
        ({"keyring_secret": ""}, "keyring-secret"),
        ({"mirror_namespaces": ("Web",)}, "mirror-namespaces"),
        ({"storage_size": "10 GB"}, "storage-size"),
        ({"memory": "lots"}, "memory"),
        ({"settings": {"Log-Level": "debug"}}, "set"),
        ({"settings": {"port": "80"}}, "set"),
        ({"name": "0towline"}, "name"),
    ],
    ids=str,
)
def test_what_contradicts_itself_is_named_with_what_would_be_right(changes, field):
    with pytest.raises(InvalidInput) as caught:
        Options(**{"image": IMAGE, **changes})
    assert caught.value.field == field
    assert caught.value.rule


def test_the_yaml_reads_back_as_the_same_documents():
    documents = list(manifests.documents(options("everything else")))
    text = manifests.as_yaml(documents)
    assert list(yaml.safe_load_all(text)) == documents
    assert "&id" not in text


def test_quantities_are_compared_as_numbers():
    assert amount("1Gi") > amount("1000Mi") > amount("1G") > amount("999M") > amount("1500m")
    assert amount("1Ti") == 1024 * amount("1Gi")
    assert amount("1e3") == amount("1k") == 1000
    with pytest.raises(ValueError, match="no quantity"):
        amount("much")
