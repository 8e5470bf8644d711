"""With what a registry is asked: a credential and the settings of the project for that registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.domain.registry import RegistryAddress, RegistrySettings
from towline.domain.workload import PullAccess

if TYPE_CHECKING:
    from towline.domain.credential import Credential
    from towline.domain.image import ImageReference
    from towline.ports import ResolvedCredential, Store, Transaction


async def access_to(
    store: Store,
    project_guid: str,
    address: RegistryAddress,
    credential: Credential | None,
    *,
    also: RegistryAddress | None = None,
) -> PullAccess:
    """Return with what to ask: the registry's settings, under either way of writing its address."""
    places = tuple(dict.fromkeys(place.netloc for place in (address, also) if place))

    def question(tx: Transaction) -> RegistrySettings:
        kept = (tx.registries.get(project_guid, netloc) for netloc in places)
        return next((settings for settings in kept if settings), RegistrySettings.default(places[0]))

    settings = await store.read(question)
    plain = settings.plain_http or bool(also and also.plain_http) or address.plain_http
    return PullAccess(settings, credential, plain_http=plain)


async def access_to_image(
    store: Store, project_guid: str, image: ImageReference, resolved: ResolvedCredential | None
) -> PullAccess:
    """Return with what to ask for an image; ``plain_http`` comes from secret or settings, never a guess."""
    address = RegistryAddress.of(image)
    if resolved is None:
        return await access_to(store, project_guid, address, None)
    return await access_to(store, project_guid, address, resolved.credential, also=resolved.address)
