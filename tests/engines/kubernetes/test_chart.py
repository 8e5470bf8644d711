"""The Helm chart, rendered by the real helm: the same objects as ``towline kubernetes install``."""

from __future__ import annotations

import base64
import json
from typing import Any

import kubernetes_validate
import pytest
import yaml
from installations import CASES, IMAGE, options

import towline
from parts.helm import CHART, helm, rendered
from towline.domain.credential import Password
from towline.engines.kubernetes.installation import manifests
from towline.engines.kubernetes.installation.options import FIXED
from towline.engines.kubernetes.needs import MIRRORING, NEEDED
from towline.store.keyring import Keyring

KEEP = "helm.sh/resource-policy"
MANAGED_BY = "app.kubernetes.io/managed-by"


def by_name(documents: list[dict[str, Any]]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return documents by kind, namespace and name, without what differs on purpose: who manages them."""
    found = {}
    for document in documents:
        metadata = document["metadata"]
        metadata["labels"].pop(MANAGED_BY)
        metadata.get("annotations", {}).pop(KEEP, None)
        if not metadata.get("annotations", {"some": 1}):
            del metadata["annotations"]
        found[document["kind"], metadata.get("namespace", ""), metadata["name"]] = document
    return found


@pytest.mark.parametrize("case", CASES)
def test_the_chart_makes_the_same_objects_as_the_command(tmp_path, case):
    chart = by_name(rendered(tmp_path, {"image": IMAGE, **CASES[case][1]}))
    command = by_name([each for each in manifests.documents(options(case)) if each["kind"] != "Namespace"])
    keyring = next(key for key in chart if key[0] == "Secret")
    assert keyring[2] == options(case).keyring_secret
    del chart[keyring]
    assert chart.keys() == command.keys()
    for key, document in command.items():
        assert chart[key] == document, key


@pytest.mark.parametrize("case", CASES)
def test_what_the_chart_makes_is_known_to_the_published_schemas(tmp_path, case):
    for document in rendered(tmp_path, {"image": IMAGE, **CASES[case][1]}):
        kubernetes_validate.validate(document, "1.32", strict=True)


def test_the_keyring_is_one_that_the_server_reads_and_is_never_the_same(tmp_path):
    made = []
    for _ in range(2):
        (secret,) = (each for each in rendered(tmp_path, {"image": IMAGE}) if each["kind"] == "Secret")
        made.append(Keyring.parse(Password(base64.b64decode(secret["data"]["keyring.json"]).decode())))
        assert secret["metadata"]["annotations"] == {KEEP: "keep"}
    assert made[0].keys != made[1].keys


def test_a_keyring_of_ones_own_is_left_to_oneself(tmp_path):
    keyring = {"secret": "mine", "create": False}
    documents = rendered(tmp_path, {"image": IMAGE, "keyring": keyring})
    assert [each for each in documents if each["kind"] == "Secret"] == []
    (deployment,) = (each for each in documents if each["kind"] == "Deployment")
    assert "'secretName': 'mine'" in str(deployment)


def test_the_database_outlives_the_release(tmp_path):
    (claim,) = (
        each for each in rendered(tmp_path, {"image": IMAGE}) if each["kind"] == "PersistentVolumeClaim"
    )
    assert claim["metadata"]["annotations"] == {KEEP: "keep"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "image"),
        ({"image": IMAGE, "replica": 2}, "replica"),
        ({"image": IMAGE, "replicas": 2}, "PostgreSQL"),
        ({"image": IMAGE, "host": "towline.example.com"}, "in the clear"),
        ({"image": IMAGE, "host": "https://towline.example.com", "allowPlainHttp": True}, "/host"),
        ({"image": IMAGE, "ingress": {"className": "nginx"}}, "host name"),
        ({"image": IMAGE, "settings": {"Log-Level": "debug"}}, "Log-Level"),
        ({"image": IMAGE, "settings": {"port": "80"}}, "port"),
        ({"image": IMAGE, "storage": {"size": "10 GB"}}, "/storage/size"),
        ({"image": IMAGE, "name": "n" * 50}, "63"),
    ],
    ids=str,
)
def test_values_that_contradict_themselves_end_the_rendering(tmp_path, values, said):
    file = tmp_path / "values.json"
    file.write_text(json.dumps(values))
    done = helm(
        "template", "x", str(CHART), "--namespace", "towline-and-more", "--values", str(file), check=False
    )
    assert done.returncode != 0
    assert said in done.stderr


def test_helm_itself_finds_nothing_wrong_with_the_chart():
    assert "0 chart(s) failed" in helm("lint", str(CHART), "--strict", "--set", f"image={IMAGE}").stdout


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ((), "http://localhost:8420"),
        (("--set", "tlsSecret=t"), "8420:443"),
        (("--set", "host=t.example.com,ingress.tlsSecret=c"), "https://t.example.com"),
        (("--set", "keyring.create=false"), "--print-keyring"),
    ],
    ids=str,
)
def test_the_notes_tell_how_to_go_on(extra, said):
    words = ("install", "x", str(CHART), "--namespace", "towline", "--set", f"image={IMAGE}", *extra)
    done = helm(*words, "--dry-run=client")
    assert said in done.stdout.partition("NOTES:")[2]


def test_the_charts_rights_are_the_table_of_the_code():
    rows = json.loads((CHART / "files" / "rights.json").read_text())
    assert [(row["group"], row["resource"], tuple(row["verbs"]), row["why"]) for row in rows] == [
        (right.group, right.resource, right.verbs, right.why) for right in (*NEEDED, *MIRRORING)
    ], "run make docs"


def test_the_chart_has_the_version_of_the_code():
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert about["version"] == about["appVersion"] == towline.__version__


def test_what_must_not_be_set_is_the_same_for_both():
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert tuple(schema["properties"]["settings"]["propertyNames"]["not"]["enum"]) == FIXED


def test_every_value_is_described_in_the_schema():
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert values.keys() == schema["properties"].keys() - {"global"}
