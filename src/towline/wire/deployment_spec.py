"""``spec`` of a deployment as clients send it; see ``package_spec`` for why every field is typed."""

from __future__ import annotations

from typing import Annotated

import msgspec

from towline.wire.environment import DeploymentVariable
from towline.wire.metadata import Depends
from towline.wire.package_spec import Identity, Restart, Runtime


class DependsOn(Depends, omit_defaults=True):
    """Another deployment that must be there; ``wait`` delays the start until it runs."""

    wait: bool | None = None


class DeviceTarget(msgspec.Struct, omit_defaults=True):
    """A device to run on."""

    depends: Depends | None = None


class Volume(msgspec.Struct, omit_defaults=True):
    """A disk to mount."""

    exec_name: str | None = msgspec.field(default=None, name="execName")
    mount_path: str | None = msgspec.field(default=None, name="mountPath")
    sub_path: str | None = msgspec.field(default=None, name="subPath")
    uid: Identity | None = None
    gid: Identity | None = None
    perm: Identity | None = None
    depends: Depends | None = None


class RosNetwork(msgspec.Struct, omit_defaults=True):
    """A ROS network to join, kept and shown."""

    depends: Depends
    domain_id: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = msgspec.field(
        default=None, name="domainID"
    )
    interface: str | None = None


class Params(msgspec.Struct, omit_defaults=True):
    """Parameters for devices, kept and shown."""

    enabled: bool | None = None
    trees: list[str] | None = None
    block_until_synced: bool | None = msgspec.field(default=None, name="blockUntilSynced")


class VpnFeature(msgspec.Struct, omit_defaults=True):
    """A VPN, kept and shown."""

    enabled: bool | None = None


class DeploymentFeatures(msgspec.Struct, omit_defaults=True):
    """Optional parts of the platform, kept and shown."""

    params: Params | None = None
    vpn: VpnFeature | None = None


class StaticRoute(msgspec.Struct, omit_defaults=True):
    """A public address, kept and shown."""

    depends: Depends
    name: str | None = None
    url: str | None = None


class DeploymentSpecWire(msgspec.Struct, omit_defaults=True):
    """``spec`` of a deployment."""

    runtime: Runtime | None = None
    depends: list[DependsOn] | None = None
    device: DeviceTarget | None = None
    restart: Restart | None = None
    env_args: list[DeploymentVariable] | None = msgspec.field(default=None, name="envArgs")
    volumes: list[Volume] | None = None
    ros_networks: list[RosNetwork] | None = msgspec.field(default=None, name="rosNetworks")
    features: DeploymentFeatures | None = None
    static_routes: list[StaticRoute] | None = msgspec.field(default=None, name="staticRoutes")
    service_account: str | None = msgspec.field(default=None, name="serviceAccount")
    network_interface: str | None = msgspec.field(default=None, name="networkInterface")
