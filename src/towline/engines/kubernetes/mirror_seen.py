"""What mirrors read of a cluster, as narrow as ``seen.py``: service accounts, pods that wait for an image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

import msgspec

from towline.engines.kubernetes.seen import ContainerStatus, Metadata

WAITING_PODS = "status.phase=Pending"
"""A pod whose image was never pulled has not begun: all others need not be watched."""

_WAITS = frozenset({"ErrImagePull", "ImagePullBackOff"})


class Reference(msgspec.Struct, frozen=True):
    """An object of the same namespace, by name."""

    name: str = ""


class SeenAccount(msgspec.Struct, frozen=True, rename="camel"):
    """A service account: which pull secrets its pods are given when they are made."""

    PATH: ClassVar[str] = "api/v1"
    PLURAL: ClassVar[str] = "serviceaccounts"

    metadata: Metadata
    image_pull_secrets: tuple[Reference, ...] | None = None

    @property
    def entries(self) -> tuple[str, ...]:
        """The names of its pull secrets, in their order."""
        return tuple(each.name for each in self.image_pull_secrets or ())

    def added(self, annotation: str) -> Mapping[str, datetime]:
        """Return which of them Towline added, and when; nothing where somebody spoiled the annotation."""
        try:
            return msgspec.json.decode(self.metadata.annotation(annotation) or "{}", type=dict[str, datetime])
        except (msgspec.MsgspecError, json.JSONDecodeError):
            return {}


class _Container(msgspec.Struct, frozen=True):
    name: str = ""
    image: str = ""


class _PodOwner(msgspec.Struct, frozen=True):
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class _PodMetadata(Metadata, frozen=True, rename="camel"):
    owner_references: tuple[_PodOwner, ...] | None = None  # type: ignore[assignment]


class _PodSpec(msgspec.Struct, frozen=True, rename="camel"):
    containers: tuple[_Container, ...] | None = None
    init_containers: tuple[_Container, ...] | None = None
    image_pull_secrets: tuple[Reference, ...] | None = None
    service_account_name: str = ""


class _PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    container_statuses: tuple[ContainerStatus, ...] | None = None
    init_container_statuses: tuple[ContainerStatus, ...] | None = None


class WaitingPod(msgspec.Struct, frozen=True):
    """A pod that has not begun."""

    PATH: ClassVar[str] = "api/v1"
    PLURAL: ClassVar[str] = "pods"

    metadata: _PodMetadata
    spec: _PodSpec = _PodSpec()
    status: _PodStatus = _PodStatus()

    @property
    def account(self) -> str:
        """The service account that it runs as."""
        return self.spec.service_account_name or "default"

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the pull secrets that it is given."""
        return frozenset(each.name for each in self.spec.image_pull_secrets or ())

    @property
    def owner(self) -> _PodOwner | None:
        """What made it and makes it anew, if anything."""
        return next((each for each in self.metadata.owner_references or () if each.controller), None)

    @property
    def images_waited_for(self) -> tuple[str, ...]:
        """The images that could not be pulled so far."""
        statuses = (*(self.status.init_container_statuses or ()), *(self.status.container_statuses or ()))
        waiting = {
            status.name
            for status in statuses
            if status.state.waiting is not None and status.state.waiting.reason in _WAITS
        }
        containers = (*(self.spec.init_containers or ()), *(self.spec.containers or ()))
        return tuple(each.image for each in containers if each.name in waiting)
