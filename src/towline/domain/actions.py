"""What can be done with each kind of object, and the permission it asks for: the answer to "may I?".

The route table asks the same permissions; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping

from towline.domain.account import Permission

_VIEW, _DEPLOY, _SECRETS = Permission.VIEW, Permission.DEPLOY, Permission.MANAGE_SECRETS

Actions = Mapping[str, Mapping[str, Permission]]
"""The permission by kind of object and action."""

IN_PROJECT: Actions = {
    "deployment": {
        "list": _VIEW,
        "get": _VIEW,
        "logs": _VIEW,
        "create": _DEPLOY,
        "update": _DEPLOY,
        "delete": _DEPLOY,
    },
    "disk": {"list": _VIEW, "get": _VIEW, "create": _DEPLOY, "delete": _DEPLOY},
    "package": {"list": _VIEW, "get": _VIEW, "create": _DEPLOY, "delete": _DEPLOY},
    "secret": {
        "list": _VIEW,
        "get": _VIEW,
        "verify": _DEPLOY,
        "create": _SECRETS,
        "update": _SECRETS,
        "delete": _SECRETS,
    },
    "project": {"get": _VIEW, "update": Permission.MANAGE_PROJECT, "delete": Permission.MANAGE_PROJECT},
}
IN_ORGANIZATION: Actions = {
    "organization": {"get": Permission.SIGNED_IN, "update": Permission.MANAGE_ORGANIZATION},
    "project": {"list": Permission.SIGNED_IN, "create": Permission.SIGNED_IN},
    "user": {"list": Permission.SIGNED_IN, "get": Permission.SIGNED_IN},
}


def allowed(actions: Actions, held: Permission) -> Mapping[str, tuple[str, ...]]:
    """Return the actions by kind of object that somebody may do who holds ``held``."""
    found = {
        kind: tuple(action for action, wanted in rows.items() if held >= wanted)
        for kind, rows in actions.items()
    }
    return {kind: may for kind, may in found.items() if may}
