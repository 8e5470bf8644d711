"""Settings of registries, per project: what a credential cannot say (design section 3)."""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from towline.domain.errors import InvalidInput, NotFound
from towline.domain.image import ImageReference
from towline.domain.registry import RegistryAddress, RegistrySettings
from towline.ports import DeploymentQuery
from towline.services.audit import entry
from towline.services.paging import every

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.domain.account import Access
    from towline.domain.deployment import Deployment
    from towline.ports import Bell, Clock, Store, Transaction

_HOST_RULE = "give host or host:port, for example registry.example.com:5000"


class Registries:
    """CA, plain HTTP, proxy and realm hosts of the registries that a project uses."""

    def __init__(self, *, store: Store, bell: Bell, clock: Clock) -> None:
        self._store = store
        self._bell = bell
        self._clock = clock

    async def put(self, access: Access, settings: RegistrySettings) -> RegistrySettings:
        """Check and keep settings, in place of earlier ones; return them normalised.

        Deployments that wait because of this registry are tried again at once.
        """
        checked = checked_settings(settings)
        at = self._clock()
        facts = {
            "ca": "set" if checked.ca_pem else "",
            "plain_http": "yes" if checked.plain_http else "",
            "proxy": checked.proxy,
            "realm_hosts": " ".join(checked.realm_hosts),
        }

        def change(tx: Transaction) -> None:
            tx.registries.put(access.project.guid, checked)
            tx.audit.append(entry(access, "registry.set", checked.netloc, at=at, **facts))
            waiting = _waiting_for(tx, access.project.guid, checked.netloc)
            if waiting:
                tx.deployments.wake(now=at, guids=waiting)

        await self._store.write(change)
        self._bell.ring()
        return checked

    async def get(self, access: Access, netloc: str) -> RegistrySettings:
        """Return what was set for a registry; raise NotFound where nothing was."""
        key = registry_netloc(netloc, field="registry")
        found = await self._store.read(lambda tx: tx.registries.get(access.project.guid, key))
        if found is None:
            raise NotFound("registry", netloc)
        return found

    async def list(self, access: Access) -> Sequence[RegistrySettings]:
        """Return all settings of the project, by host."""
        return await self._store.read(lambda tx: tx.registries.all(access.project.guid))

    async def delete(self, access: Access, netloc: str) -> None:
        """Forget what was set for a registry; raise NotFound where nothing was."""
        key = registry_netloc(netloc, field="registry")
        at = self._clock()

        def change(tx: Transaction) -> None:
            if not tx.registries.remove(access.project.guid, key):
                raise NotFound("registry", netloc)
            tx.audit.append(entry(access, "registry.unset", key, at=at))

        await self._store.write(change)


def checked_settings(settings: RegistrySettings) -> RegistrySettings:
    """Return the settings normalised; raise InvalidInput naming the field."""
    _check_ca(settings.ca_pem)
    _check_proxy(settings.proxy)
    hosts = tuple(registry_netloc(host, field="realmHosts") for host in settings.realm_hosts)
    netloc = registry_netloc(settings.netloc, field="registry")
    return replace(settings, netloc=netloc, realm_hosts=hosts)


def registry_netloc(text: str, *, field: str) -> str:
    """Return the one ``host[:port]`` under which a registry's settings are kept."""
    address = RegistryAddress.parse(text, field=field)
    if address.path:
        raise InvalidInput(field, problem="holds a path", rule=_HOST_RULE)
    return address.netloc


def _check_ca(pem: str) -> None:
    if not pem:
        return
    rule = "give one or more certificates in PEM, each between BEGIN CERTIFICATE and END CERTIFICATE lines"
    if "PRIVATE KEY" in pem:
        raise InvalidInput("ca", problem="holds a private key", rule="give the authority's certificate only")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        raise InvalidInput("ca", problem="is not a certificate", rule=rule) from error


def _check_proxy(proxy: str) -> None:
    if not proxy:
        return
    rule = "give http://host:port of the proxy"
    try:
        parts = urlsplit(proxy)
        port = parts.port
    except ValueError as error:
        raise InvalidInput("proxy", problem="is not an address", rule=rule) from error
    if "@" in parts.netloc:
        raise InvalidInput("proxy", problem="holds a user name or password", rule=rule)
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise InvalidInput("proxy", problem="is not a proxy's address", rule=rule)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise InvalidInput("proxy", problem="holds more than host and port", rule=rule)


def _waiting_for(tx: Transaction, project_guid: str, netloc: str) -> Sequence[str]:
    """Return the deployments in error that pull from this registry."""
    live = every(lambda page: tx.deployments.page(project_guid, page, query=DeploymentQuery()))
    return tuple(each.guid for each in live if each.status.findings and _pulls_from(each, netloc))


def _pulls_from(deployment: Deployment, netloc: str) -> bool:
    return any(_registry_of(run.image) == netloc for run in deployment.executables)


def _registry_of(image: str) -> str:
    """Return the registry of an image's name as given; empty for a name that is not legal."""
    try:
        return RegistryAddress.of(ImageReference.parse(image)).netloc
    except InvalidInput:
        return ""
