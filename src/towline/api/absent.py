"""What rapyuta.io's clients ask for and Towline does not have, answered in words that they print.

``rio`` shows the text of ``error`` as it is. One object that is read or deleted is not found (404): then
``rio delete`` of a manifest goes on. Anything else is not implemented (501).
"""

from __future__ import annotations

_KINDS = {
    "/v2/networks/": "ROS networks",
    "/v2/staticroutes/": "static routes",
    "/v2/roles/": "roles of your own; project_viewer, project_developer and project_admin are fixed",
    "/v2/role-bindings/": "role bindings; an organization's members hold their roles",
    "/v2/configtrees/": "config trees",
    "/v2/oauth2/clients/": "OAuth2 clients",
    "/v2/managedservices/": "managed services and no VPN",
    "/v2/service_instances": "managed services",
    "/v2/certs/ssh/": "SSH certificates",
    "/v2/devices/": "devices",
    "/api/device-manager/": "devices",
    "/api/group/": "user groups",
    "/api/paramserver/": "device parameters",
    "/api/metrics": "metrics of devices",
}
_OWNER = "/owner/"
_PROJECTS = "/v2/projects/"


def absent(method: str, path: str) -> tuple[int, str] | None:
    """Return status and text for something of rapyuta.io's that is not here; None for any other path."""
    if path.startswith(_PROJECTS) and path.endswith(_OWNER):
        return 501, "a project of Towline has no owner; the admins of its organization are its admins"
    for prefix, kind in _KINDS.items():
        if path.startswith(prefix):
            one = method in ("GET", "DELETE") and path.removeprefix(prefix).count("/") == 1
            return 404 if one else 501, f"Towline has no {kind}"
    return None
