"""Whatever is sent: it is refused with a field's name, or its answer passes the official SDK's validation."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapyuta_io_sdk_v2.models import Deployment as SdkDeployment
from rapyuta_io_sdk_v2.models import Package as SdkPackage
from rapyuta_io_sdk_v2.models import Project as SdkProject

from parts import sdk
from towline.domain.account import Organization, Project
from towline.domain.deployment import Deployment, DeploymentDraft, Wish
from towline.domain.errors import InvalidInput
from towline.domain.package import Package, PackageDraft, PackageSpec, Runtime
from towline.wire import accounts, deployments, packages, projects, proofs, registries, secrets

T = TypeVar("T")

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ACME = Organization("org-a", "acme", "acmex", "user-j", created_at=NOON)
DEMO = Project("project-d", "demo", "org-a", "user-j", created_at=NOON, updated_at=NOON)

quick = settings(max_examples=400, derandomize=True, database=None, deadline=None)

ABSENT = object()
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(
        ["", "cloud", "device", "secret", "Opaque", "Docker", "docker", "always", "\0", "a" * 300]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)

FULL_PACKAGE = sdk.package(
    "full",
    livenessProbe={
        "httpGet": {"path": "/", "port": 80, "scheme": "HTTP", "httpHeaders": [{"name": "a", "value": "b"}]},
        "initialDelaySeconds": 5,
        "timeoutSeconds": 10,
        "periodSeconds": 1,
    },
    entrypoint=["/bin/sh"],
    runAsBash=False,
    uid=1000,
    gid=1000,
)
FULL_PACKAGE["spec"]["ros"] = {
    "enabled": True,
    "version": "noetic",
    "rosEndpoints": [{"type": "topic", "name": "/chatter", "timeout": 5}],
}
FULL_PACKAGE["spec"]["environmentVars"].append({"name": "E", "exposed": True, "exposedName": "E_OUT"})
FULL_PACKAGE["spec"]["hostPID"] = False

FULL_DEPLOYMENT = sdk.deployment(
    "full",
    "talker",
    restart="always",
    depends=[{"kind": "deployment", "nameOrGUID": "other", "wait": True}],
    rosNetworks=[{"depends": {"kind": "network", "nameOrGUID": "net"}, "domainID": 5, "interface": "eth0"}],
    staticRoutes=[{"name": "r", "url": "u", "depends": {"kind": "staticroute", "nameOrGUID": "route"}}],
    features={"vpn": {"enabled": False}, "params": {"enabled": True, "trees": ["t"]}},
    serviceAccount="robot",
    networkInterface="eth0",
)

FULL_PROJECT: dict[str, Any] = {
    "kind": "Project",
    "metadata": {"name": "demo", "labels": {"a": "b"}, "organizationGUID": "org-a"},
    "spec": {
        "features": {
            "vpn": {"enabled": True, "subnets": ["10.0.0.0/8"]},
            "tracing": {"enabled": False},
            "dockerCache": {
                "enabled": True,
                "proxyDevice": "d",
                "proxyInterface": "eth0",
                "registrySecret": "s",
                "registryURL": "u",
            },
        }
    },
}


def places(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in ``body``."""
    yield path
    if isinstance(body, dict):
        for key, value in body.items():
            yield from places(value, (*path, key))
    if isinstance(body, list):
        for at, value in enumerate(body):
            yield from places(value, (*path, at))


def spoiled(body: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """Return ``body`` with one value taken away or replaced by anything."""
    paths = [path for path in places(body) if path]
    return st.builds(_with, st.just(body), st.sampled_from(paths), values | st.just(ABSENT))


def _with(body: dict[str, Any], path: tuple[Any, ...], value: object) -> bytes:
    changed: Any = copy.deepcopy(body)
    place = changed
    for step in path[:-1]:
        place = place[step]
    if value is ABSENT:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(changed).encode()


def read_or_refused(read: Callable[[], T]) -> T | None:
    """Return what was read; None when it was refused, which must name a field."""
    try:
        return read()
    except InvalidInput as error:
        field = error.field
    assert field
    return None


@quick
@given(spoiled(FULL_PACKAGE))
def test_an_accepted_package_can_be_read_back_by_the_sdk(body: bytes) -> None:
    draft = read_or_refused(lambda: packages.draft(body))
    if draft is None:
        return
    SdkPackage(**json.loads(_package_document(draft)))


@quick
@given(spoiled(FULL_DEPLOYMENT))
def test_an_accepted_deployment_can_be_read_back_by_the_sdk(body: bytes) -> None:
    draft = read_or_refused(lambda: deployments.draft(body))
    if draft is None:
        return
    SdkDeployment(**json.loads(_deployment_document(draft)))


@quick
@given(spoiled(FULL_PROJECT))
def test_an_accepted_project_can_be_read_back_by_the_sdk(body: bytes) -> None:
    draft = read_or_refused(lambda: projects.draft(body, organization_guid=""))
    if draft is None:
        return
    made = Project("project-p", draft.name, "org-a", "user-j", NOON, NOON, features=draft.features)
    SdkProject(**json.loads(projects.document(made, ACME)))


READERS: dict[str, Callable[[bytes], object]] = {
    "secrets": secrets.draft,
    "packages": packages.draft,
    "deployments": deployments.draft,
    "projects": lambda body: projects.draft(body, organization_guid=""),
    "project changes": projects.change,
    "registries": lambda body: registries.settings(body, "registry.example.com"),
    "logins": accounts.login,
    "refreshes": accounts.refresh,
    "members": accounts.members,
    "verifications": proofs.verify_image,
}


@pytest.mark.parametrize("reader", list(READERS))
@settings(max_examples=100, derandomize=True, database=None, deadline=None)
@given(body=st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_refused_with_a_field_or_read(reader: str, body: bytes) -> None:
    read_or_refused(lambda: READERS[reader](body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"spec":{"type":"\\ud800"}}',
        b'{"spec":NaN}',
        b'{"spec":{"type":"Docker","type":5}}',
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"metadata":{"name":1e999}}',
    ],
)
@pytest.mark.parametrize("reader", ["secrets", "packages", "deployments", "projects", "members"])
def test_a_malformed_body_is_a_mistake_of_its_sender(reader: str, body: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        READERS[reader](body)
    assert refused.value.rule


def _package_document(draft: PackageDraft) -> bytes:
    package = Package(
        "pkg-p",
        draft.name,
        draft.version,
        "project-d",
        "user-j",
        created_at=NOON,
        spec=draft.spec,
        document=draft.document,
        description=draft.description,
        labels=draft.labels,
    )
    return packages.document(package, DEMO, ACME)


def _deployment_document(draft: DeploymentDraft) -> bytes:
    wish = Wish("pkg-p", "talker", "v1", PackageSpec(Runtime.CLOUD, ()), document=draft.document)
    deployment = Deployment(
        "dep-d", draft.name, "project-d", "user-j", NOON, NOON, wish=wish, labels=draft.labels
    )
    return deployments.document(deployment, deployments.View(DEMO, ACME, in_full=True))
