"""The configuration file of rapyuta.io's own ``rio``, pointed at a Towline server.

``rio auth environment`` knows public hosts only, so the file is made here. Its key ``environment`` must
be there: without it the older SDK inside ``rio`` talks to the public service.
"""

from __future__ import annotations

from collections.abc import Mapping

_HOSTS = ("v2api_host", "rip_host", "core_api_host", "catalog_host", "oidc_host")


def rio_config(
    server: str,
    *,
    email: str = "",
    token: str = "",
    organization: tuple[str, str, str] = ("", "", ""),
    project: tuple[str, str] = ("", ""),
) -> Mapping[str, str]:
    """Return the file's content: every host is ``server``; what is empty is left out.

    ``organization`` is guid, name and short guid, ``project`` guid and name. With a token nobody needs
    ``rio auth login``.
    """
    guid, name, short = organization
    known = {
        "email_id": email,
        "auth_token": token,
        "organization_id": guid,
        "organization_name": name,
        "organization_short_id": short,
        "project_id": project[0],
        "project_name": project[1],
    }
    hosts = dict.fromkeys(_HOSTS, server.rstrip("/"))
    return {"environment": "local", **hosts, **{key: value for key, value in known.items() if value}}
