"""Manifests and configurations of any shape are understood or refused, with the field that is wrong."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oci_layout import CONFIG, INDEX, MANIFEST, digest

from towline.domain.causes import FindingCode
from towline.domain.errors import PullRefused
from towline.domain.proof import Platform
from towline.engines.embedded.manifest import (
    ImageManifest,
    Index,
    check_layers,
    parse_config,
    parse_manifest,
)

SHA = digest(b"")
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
GOOD = {
    "schemaVersion": 2,
    "mediaType": MANIFEST,
    "config": {"mediaType": CONFIG, "digest": SHA, "size": 2},
    "layers": [{"mediaType": LAYER, "digest": SHA, "size": 3, "urls": ["https://elsewhere.test/"]}],
}
CONFIGURATION = {"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": [SHA]}}


def parse(document: object, media_type: str = "") -> ImageManifest | Index:
    return parse_manifest(json.dumps(document).encode(), media_type)


def layers(**changes: object) -> dict[str, object]:
    return {**GOOD, "layers": [{**GOOD["layers"][0], **changes}]}


@pytest.mark.parametrize(
    ("media_type", "config", "layer"),
    [
        (MANIFEST, CONFIG, LAYER),
        (
            "application/vnd.docker.distribution.manifest.v2+json",
            "application/vnd.docker.container.image.v1+json",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
        ),
        (MANIFEST, CONFIG, "application/vnd.oci.image.layer.v1.tar"),
        (MANIFEST, CONFIG, "application/vnd.oci.image.layer.v1.tar+zstd"),
        (MANIFEST, CONFIG, "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
        (MANIFEST, CONFIG, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
    ],
)
def test_manifests_of_both_families_are_understood(media_type: str, config: str, layer: str) -> None:
    document = layers(mediaType=layer) | {"config": {**GOOD["config"], "mediaType": config}}
    for parsed in (
        parse({**document, "mediaType": media_type}),
        parse({key: value for key, value in document.items() if key != "mediaType"}, f"{media_type}; x=y"),
    ):
        assert isinstance(parsed, ImageManifest)
        assert (parsed.media_type, parsed.config.size, parsed.layers[0].size) == (media_type, 2, 3)


def test_a_manifest_without_any_media_type_is_told_by_its_fields() -> None:
    bare = {key: value for key, value in GOOD.items() if key != "mediaType"}
    assert isinstance(parse(bare), ImageManifest)
    assert isinstance(parse({"schemaVersion": 2, "manifests": []}), Index)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([], "is not a JSON object"),
        ({}, "is no container image"),
        ({**GOOD, "schemaVersion": 1}, "schema 1"),
        ({**GOOD, "schemaVersion": "2"}, "schemaVersion is not a whole number"),
        ({**GOOD, "schemaVersion": True}, "schemaVersion is not a whole number"),
        ({**GOOD, "mediaType": "application/json"}, "'application/json'"),
        ({**GOOD, "mediaType": 5}, "mediaType is not a text"),
        ({**GOOD, "manifests": []}, "an image and an index at once"),
        ({**GOOD, "config": []}, "config is not an object"),
        ({**GOOD, "config": {**GOOD["config"], "mediaType": "application/x"}}, "this is an artifact"),
        ({**GOOD, "config": {**GOOD["config"], "size": 1 << 30}}, "config: size is"),
        ({**GOOD, "layers": {}}, "layers is not a list"),
        ({**GOOD, "layers": [3]}, "layers[0] is not an object"),
        ({**GOOD, "layers": GOOD["layers"] * 128}, "at most 127"),
        ({**GOOD, "layers": [{**GOOD["layers"][0], "size": 60 << 30}] * 5}, "bigger than 256 GiB"),
        (layers(size=-1), "layers[0]: size is -1"),
        (layers(size=1.5), "size is not a whole number"),
        (layers(size=1 << 40), "layers[0]: size is"),
        (layers(digest="sha256:../../etc/passwd"), "not a sha256 digest"),
        (layers(digest="sha512:" + "a" * 128), "not a sha256 digest"),
        (layers(digest=SHA.upper()), "not a sha256 digest"),
        (layers(mediaType="application/vnd.oci.image.layer.v1.tar+encrypted"), "no layer"),
        ({"mediaType": INDEX, "manifests": [{"digest": "x"}]}, "manifests[0]: digest"),
        ({"mediaType": INDEX, "manifests": [{"digest": SHA, "platform": []}]}, "platform is not an object"),
    ],
)
def test_a_malformed_manifest_is_refused_with_the_field(document: object, problem: str) -> None:
    with pytest.raises(PullRefused) as caught:
        parse(document)
    assert caught.value.finding.code is FindingCode.MANIFEST_NOT_SUPPORTED
    assert problem in caught.value.finding.detail


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}"])
def test_what_is_not_json_is_refused(content: bytes) -> None:
    for parser in (parse_manifest, parse_config):
        with pytest.raises(PullRefused, match="is not JSON"):
            parser(content)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"rootfs": {"diff_ids": ["x"]}}, "rootfs: diff_ids[0] is not a sha256 digest"),
        ({"rootfs": {"diff_ids": SHA}}, "diff_ids is not a list"),
        ({"config": "sh"}, "config is not an object"),
        ({"config": {"Env": ["A=1", 2]}}, "config: Env[1] is not a text"),
        ({"config": {"Cmd": "sh -c"}}, "config: Cmd is not a list"),
        ({"config": {"Cmd": ["a\0b"]}}, "config: Cmd[0] holds a zero byte"),
        ({"config": {"User": 0}}, "config: User is not a text"),
        ({"config": {"Labels": {"a": 1}}}, "config: Labels.a is not a text"),
        ({"architecture": []}, "architecture is not a text"),
    ],
)
def test_a_malformed_configuration_is_refused_with_the_field(changes: object, problem: str) -> None:
    assert isinstance(changes, dict)
    with pytest.raises(PullRefused) as caught:
        parse_config(json.dumps({**CONFIGURATION, **changes}).encode())
    assert problem in caught.value.finding.detail


def test_nulls_in_a_configuration_mean_nothing() -> None:
    run = dict.fromkeys(("Entrypoint", "Cmd", "Env", "User", "WorkingDir", "StopSignal", "Labels"))
    config = parse_config(json.dumps({**CONFIGURATION, "config": run}).encode())
    assert (config.entrypoint, config.cmd, config.environment, config.user) == ((), (), {}, "")


def test_manifest_and_configuration_must_agree_on_the_layers() -> None:
    manifest, config = parse({**GOOD, "layers": []}), parse_config(json.dumps(CONFIGURATION).encode())
    assert isinstance(manifest, ImageManifest)
    with pytest.raises(PullRefused, match="lists 0 layers, the image's configuration 1"):
        check_layers(manifest, config)


def test_chain_ids_are_those_of_the_specification() -> None:
    one, two = digest(b"1"), digest(b"2")
    document = {**CONFIGURATION, "rootfs": {"diff_ids": [one, two]}}
    assert parse_config(json.dumps(document).encode()).chain_ids == (one, digest(f"{one} {two}".encode()))


def index(*platforms: str) -> Index:
    names = ("os", "architecture", "variant")
    entries = [
        {
            "digest": digest(platform.encode()),
            "size": 1,
            **({"platform": dict(zip(names, platform.split("/"), strict=False))} if platform else {}),
        }
        for platform in platforms
    ]
    parsed = parse({"mediaType": INDEX, "manifests": entries})
    assert isinstance(parsed, Index)
    return parsed


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        (Platform("linux", "amd64"), ["linux/arm64", "linux/amd64"], "linux/amd64"),
        (Platform("linux", "amd64"), ["linux/amd64/v3", "linux/amd64"], "linux/amd64"),
        (Platform("linux", "arm64", "v8"), ["linux/arm/v7", "linux/arm64"], "linux/arm64"),
        (Platform("linux", "arm64", "v8"), ["linux/arm64/v9", "linux/arm64/v8"], "linux/arm64/v8"),
        (Platform("linux", "arm", "v7"), ["linux/arm/v5", "linux/arm/v6", "linux/arm64"], "linux/arm/v6"),
        (Platform("linux", "amd64"), [""], ""),
    ],
)
def test_the_best_fitting_platform_is_chosen(wanted: Platform, offered: list[str], chosen: str) -> None:
    assert index(*offered).choose(wanted).digest == digest(chosen.encode())


@pytest.mark.parametrize("offered", [[], ["windows/amd64", "linux/arm64/v8"], ["", ""], ["unknown/unknown"]])
def test_a_platform_that_is_not_offered_is_said_with_those_that_are(offered: list[str]) -> None:
    with pytest.raises(PullRefused, match="this engine runs linux/amd64") as caught:
        index(*offered).choose(Platform("linux", "amd64"))
    assert caught.value.finding.code is FindingCode.PLATFORM_NOT_AVAILABLE
    assert all(name in caught.value.finding.detail for name in offered)


_SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(SHA) | st.just(MANIFEST)
_KEYS = st.sampled_from(
    ["schemaVersion", "mediaType", "config", "layers", "manifests", "digest", "size", "platform", "rootfs"]
) | st.text(max_size=3)
_JSON = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5)
)


@given(_JSON, st.sampled_from(["", MANIFEST, INDEX]))
def test_no_document_brings_another_error_than_a_refusal(document: object, media_type: str) -> None:
    content = json.dumps(document).encode()
    for parser in (lambda: parse_manifest(content, media_type), lambda: parse_config(content)):
        try:
            parser()
        except PullRefused as refused:
            assert refused.finding.code is FindingCode.MANIFEST_NOT_SUPPORTED  # noqa: PT017 - either is right
