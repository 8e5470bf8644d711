"""What somebody may do, as ``rio permission`` asks it: kinds of objects, actions, patterns of names."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from towline.domain.account import Permission
from towline.domain.actions import IN_ORGANIZATION, IN_PROJECT, Actions, allowed

_ANY = [".*"]
"""A role is held for a whole project: no name is excepted."""

Patterns = dict[str, dict[str, list[str]]]

_encode = msgspec.json.Encoder().encode


class PermissionsDocument(msgspec.Struct):
    """Patterns by kind of object and action, in the organization and in each project by guid."""

    organization: Patterns
    projects: dict[str, Patterns]
    groups: dict[str, Patterns]


def document(in_organization: Permission, in_projects: Mapping[str, Permission]) -> bytes:
    """Return what somebody may do who holds these permissions."""
    projects = {guid: _patterns(IN_PROJECT, held) for guid, held in in_projects.items()}
    return _encode(PermissionsDocument(_patterns(IN_ORGANIZATION, in_organization), projects, groups={}))


def _patterns(actions: Actions, held: Permission) -> Patterns:
    return {kind: dict.fromkeys(may, _ANY) for kind, may in allowed(actions, held).items()}
