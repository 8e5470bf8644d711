"""``spec`` of a package as clients send it. Every known field is typed, so that no answer that is made
from it can fail the official SDK's validation, which rejects a whole list for one bad item.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from towline.wire.environment import PackageVariable
from towline.wire.metadata import Depends

AtLeastOne = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Identity = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 2)]
Cpu = Annotated[float, msgspec.Meta(ge=0, le=256)]
Memory = Annotated[float, msgspec.Meta(ge=0, le=2**30)]
Architecture = Literal["amd64", "arm32v7", "arm64v8"]
Restart = Literal["always", "never", "onfailure"]
Runtime = Literal["cloud", "device"]
EndpointType = Literal[
    "external-http",
    "external-https",
    "external-tls-tcp",
    "internal-tcp",
    "internal-tcp-range",
    "internal-udp",
    "internal-udp-range",
]


class PullSecret(msgspec.Struct, omit_defaults=True):
    """The docker pull secret of an image. The reference stands in ``depends``, nowhere else."""

    depends: Depends | None = None
    misplaced: str | None = msgspec.field(default=None, name="nameOrGUID")


class DockerImage(msgspec.Struct, omit_defaults=True):
    """An image and how to get it."""

    image: str | None = None
    image_pull_policy: str | None = msgspec.field(default=None, name="imagePullPolicy")
    pull_secret: PullSecret | None = msgspec.field(default=None, name="pullSecret")


class LimitsSpec(msgspec.Struct, omit_defaults=True):
    """The most an executable may use: processors, and memory in MB."""

    cpu: Cpu | None = None
    memory: Memory | None = None


class HttpHeader(msgspec.Struct):
    """A header of a probe."""

    name: str
    value: str


class HttpGet(msgspec.Struct, omit_defaults=True):
    """A probe by HTTP."""

    path: str
    port: Port
    host: str | None = None
    scheme: str | None = None
    http_headers: list[HttpHeader] | None = msgspec.field(default=None, name="httpHeaders")


class ExecProbe(msgspec.Struct, omit_defaults=True):
    """A probe by a command."""

    command: list[str] | None = None


class TcpProbe(msgspec.Struct, omit_defaults=True):
    """A probe by a connection."""

    port: Port | None = None


class LivenessProbe(msgspec.Struct, omit_defaults=True):
    """How to find out that an executable still works."""

    http_get: HttpGet | None = msgspec.field(default=None, name="httpGet")
    exec: ExecProbe | None = None
    tcp_socket: TcpProbe | None = msgspec.field(default=None, name="tcpSocket")
    initial_delay_seconds: AtLeastOne | None = msgspec.field(default=None, name="initialDelaySeconds")
    timeout_seconds: Annotated[int, msgspec.Meta(ge=10, le=2**31 - 1)] | None = msgspec.field(
        default=None, name="timeoutSeconds"
    )
    period_seconds: AtLeastOne | None = msgspec.field(default=None, name="periodSeconds")
    success_threshold: AtLeastOne | None = msgspec.field(default=None, name="successThreshold")
    failure_threshold: AtLeastOne | None = msgspec.field(default=None, name="failureThreshold")


class ExecutableSpec(msgspec.Struct, omit_defaults=True):
    """An image and how to run it."""

    name: str | None = None
    type: Literal["docker", "preInstalled"] | None = None
    docker: DockerImage | None = None
    entrypoint: str | list[str] | None = None
    command: str | list[str] | None = None
    run_as_bash: bool | None = msgspec.field(default=None, name="runAsBash")
    limits: LimitsSpec | None = None
    liveness_probe: LivenessProbe | None = msgspec.field(default=None, name="livenessProbe")
    uid: Identity | None = None
    gid: Identity | None = None


class Endpoint(msgspec.Struct, omit_defaults=True):
    """Where a package can be reached."""

    name: str
    type: EndpointType | None = None
    port: Port | None = None
    target_port: Port | None = msgspec.field(default=None, name="targetPort")
    port_range: str | None = msgspec.field(default=None, name="portRange")


class DeviceSection(msgspec.Struct, omit_defaults=True):
    """What only packages for devices say."""

    arch: Architecture | None = None
    restart: Restart | None = None


class CloudSection(msgspec.Struct, omit_defaults=True):
    """What only packages for the cloud say."""

    replicas: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None


class RosEndpoint(msgspec.Struct, omit_defaults=True):
    """A ROS topic, service or action."""

    type: str
    name: str
    compression: bool | None = None
    scoped: bool | None = None
    targeted: bool | None = None
    qos: str | None = None
    timeout: int | float | None = None


class Ros(msgspec.Struct, omit_defaults=True):
    """The ROS part of a package, kept and shown."""

    enabled: bool | None = None
    version: Literal["kinetic", "melodic", "noetic", "foxy"] | None = None
    ros_endpoints: list[RosEndpoint] | None = msgspec.field(default=None, name="rosEndpoints")


class PackageSpecWire(msgspec.Struct, omit_defaults=True):
    """``spec`` of a package."""

    runtime: Runtime | None = None
    executables: list[ExecutableSpec] | None = None
    environment_vars: list[PackageVariable] | None = msgspec.field(default=None, name="environmentVars")
    ros: Ros | None = None
    endpoints: list[Endpoint] | None = None
    device: DeviceSection | None = None
    cloud: CloudSection | None = None
    host_pid: bool | None = msgspec.field(default=None, name="hostPID")
