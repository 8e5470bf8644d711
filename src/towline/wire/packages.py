"""Packages on the wire: drafts in, documents out.

The document kept beside a package is its ``spec`` as sent, without nulls. ``runAsBash`` is never in
it: clients wrap the command themselves, before sending and again on every object they read.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from towline.domain.account import Organization, Project
from towline.domain.errors import InvalidInput
from towline.domain.names import executable_name, package_name
from towline.domain.package import (
    Executable,
    Limits,
    Package,
    PackageDraft,
    PackageSpec,
    PullPolicy,
    Runtime,
)
from towline.domain.secret import checked_labels
from towline.wire.endpoints import served_ports
from towline.wire.environment import of_package, plain_text
from towline.wire.liveness import liveness_probe
from towline.wire.metadata import (
    API_VERSION,
    Inbound,
    Metadata,
    MetadataIn,
    check_frame,
    in_project,
    name_in,
    referred,
)
from towline.wire.package_spec import (
    CloudSection,
    DeviceSection,
    DockerImage,
    ExecutableSpec,
    LimitsSpec,
    PackageSpecWire,
)
from towline.wire.problems import read, required

MOST_EXECUTABLES = 50
MOST_IMAGE_LETTERS = 1024
MOST_ARGUMENTS = 4096

_encode = msgspec.json.Encoder().encode


class PackageMetadataIn(MetadataIn):
    """``metadata`` of a package as clients send it."""

    version: str | None = None
    description: str | None = None


class PackageIn(Inbound):
    """A package to create."""

    metadata: PackageMetadataIn | None = None
    spec: PackageSpecWire | None = None


class PackageDocument(msgspec.Struct):
    """A package as shown."""

    api_version: str = msgspec.field(name="apiVersion")
    kind: Literal["Package"]
    metadata: Metadata
    spec: msgspec.Raw


def draft(body: bytes) -> PackageDraft:
    """Return the package that ``body`` asks for; raise InvalidInput naming the field."""
    asked = read(body, PackageIn)
    check_frame(asked, "Package")
    metadata = required(asked.metadata, field="metadata", rule="give metadata.name and metadata.version")
    spec = required(asked.spec, field="spec")
    return PackageDraft(
        package_name(name_in(metadata)),
        version=checked_version(metadata.version, field="metadata.version"),
        spec=_spec(spec),
        document=_encode(spec),
        description=_description(metadata.description),
        labels=checked_labels(metadata.labels or {}),
    )


def document(package: Package, project: Project, organization: Organization) -> bytes:
    """Return a package as shown."""
    metadata = in_project(
        project,
        organization,
        name=package.name,
        guid=package.guid,
        creator_guid=package.creator_guid,
        created_at=package.created_at,
        labels=package.labels,
    )
    metadata.version = package.version
    metadata.description = package.description or None
    return _encode(
        PackageDocument(
            api_version=API_VERSION, kind="Package", metadata=metadata, spec=msgspec.Raw(package.document)
        )
    )


def checked_version(version: str | None, *, field: str) -> str:
    """Return a package's version if it is usable as one."""
    text = required(version, field=field)
    if not text or len(text) > 128 or not text.isprintable() or " " in text:
        problem = "is empty" if not text else "is not a version"
        raise InvalidInput(field, problem=problem, rule="use at most 128 printable characters without blanks")
    return text


def _spec(spec: PackageSpecWire) -> PackageSpec:
    runtime = _runtime(spec)
    executables = _executables(spec.executables, runtime=runtime)
    served = served_ports(spec.endpoints or [])
    replicas = spec.cloud.replicas if spec.cloud and spec.cloud.replicas else 1
    return PackageSpec(
        runtime,
        executables,
        replicas=replicas,
        environment=of_package(spec.environment_vars, field="spec.environmentVars"),
        ports=tuple(dict.fromkeys(each.target for each in served)),
        served=served,
        host_pid=bool(spec.host_pid),
    )


def _runtime(spec: PackageSpecWire) -> Runtime:
    """Decide the runtime and write it into the document; empty sections count as absent."""
    if spec.device == DeviceSection():
        spec.device = None
    if spec.cloud == CloudSection():
        spec.cloud = None
    runtime = Runtime(spec.runtime or ("device" if spec.device else "cloud"))
    other = spec.device if runtime is Runtime.CLOUD else spec.cloud
    if other is not None:
        name = "device" if runtime is Runtime.CLOUD else "cloud"
        raise InvalidInput(
            f"spec.{name}", problem=f"does not belong into a package for {runtime.value}", rule="leave it out"
        )
    spec.runtime = runtime.value
    return runtime


def _executables(specs: list[ExecutableSpec] | None, *, runtime: Runtime) -> tuple[Executable, ...]:
    field = "spec.executables"
    listed = required(specs, field=field, rule="give at least one executable")
    if not 1 <= len(listed) <= MOST_EXECUTABLES:
        raise InvalidInput(
            field, problem=f"holds {len(listed)} executables", rule=f"give 1 to {MOST_EXECUTABLES}"
        )
    executables = tuple(
        _executable(each, place=f"{field}[{at}]", runtime=runtime) for at, each in enumerate(listed)
    )
    seen: set[str] = set()
    for at, executable in enumerate(executables):
        if executable.name in seen:
            raise InvalidInput(
                f"{field}[{at}].name",
                problem=f"{executable.name!r} is there twice",
                rule="use each name once",
            )
        seen.add(executable.name)
    return executables


def _executable(spec: ExecutableSpec, *, place: str, runtime: Runtime) -> Executable:
    name = executable_name(required(spec.name, field=f"{place}.name"), field=f"{place}.name")
    spec.run_as_bash = None
    image, policy, secret = _docker(spec, place=place, runtime=runtime)
    return Executable(
        name,
        image=image,
        pull_secret=secret,
        pull_policy=policy,
        entrypoint=_arguments(spec.entrypoint, field=f"{place}.entrypoint"),
        command=_arguments(spec.command, field=f"{place}.command"),
        limits=_limits(spec.limits),
        uid=spec.uid,
        gid=spec.gid,
        probe=liveness_probe(spec.liveness_probe, field=f"{place}.livenessProbe"),
    )


def _docker(spec: ExecutableSpec, *, place: str, runtime: Runtime) -> tuple[str, PullPolicy, str | None]:
    if spec.type == "preInstalled":
        if runtime is not Runtime.DEVICE or spec.docker is not None:
            raise InvalidInput(
                f"{place}.type", problem="is 'preInstalled'", rule="only for devices, and without docker"
            )
        return "", PullPolicy.NEVER, None
    docker = required(spec.docker, field=f"{place}.docker", rule="give docker.image")
    return (
        _image(docker, field=f"{place}.docker.image"),
        _policy(docker, field=f"{place}.docker.imagePullPolicy"),
        _pull_secret(docker, field=f"{place}.docker.pullSecret"),
    )


def _image(docker: DockerImage, *, field: str) -> str:
    """Return the image as given: a malformed one gets its finding from preflight and deployment."""
    image = required(docker.image, field=field)
    if not image or len(image) > MOST_IMAGE_LETTERS:
        problem = "is empty" if not image else f"is {len(image)} characters long"
        raise InvalidInput(
            field, problem=problem, rule=f"give an image of at most {MOST_IMAGE_LETTERS} characters"
        )
    return plain_text(image, field=field)


def _policy(docker: DockerImage, *, field: str) -> PullPolicy:
    known = {policy.value: policy for policy in PullPolicy}
    text = docker.image_pull_policy or PullPolicy.IF_NOT_PRESENT.value
    if text not in known:
        raise InvalidInput(field, problem=f"is {text[:60]!a}", rule=f"use {', '.join(known)}")
    return known[text]


def _pull_secret(docker: DockerImage, *, field: str) -> str | None:
    """Return the secret's name; a reference beside ``depends`` is refused, as clients drop it silently."""
    if docker.pull_secret is None:
        return None
    if docker.pull_secret.misplaced is not None:
        raise InvalidInput(
            f"{field}.nameOrGUID",
            problem="stands outside of depends",
            rule="write pullSecret: {depends: {kind: secret, nameOrGUID: NAME}}",
        )
    return referred(docker.pull_secret.depends, "Secret", field=f"{field}.depends")


def _arguments(given: str | list[str] | None, *, field: str) -> tuple[str, ...]:
    """Return a command's words; a plain string is one word, unsplit."""
    words = (given,) if isinstance(given, str) else tuple(given or ())
    if len(words) > MOST_ARGUMENTS:
        raise InvalidInput(field, problem="is too long", rule=f"use at most {MOST_ARGUMENTS} words")
    return tuple(plain_text(word, field=field) for word in words if word or len(words) > 1)


def _limits(spec: LimitsSpec | None) -> Limits:
    """Return the limits; 0 means none."""
    if spec is None:
        return Limits()
    return Limits(cpu=spec.cpu or None, memory=math.ceil(spec.memory) if spec.memory else None)


def _description(text: str | None) -> str:
    if text and len(text) > 4096:
        raise InvalidInput("metadata.description", problem="is too long", rule="use at most 4096 characters")
    return plain_text(text or "", field="metadata.description")
