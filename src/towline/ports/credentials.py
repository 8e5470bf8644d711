"""Where secret values rest and credentials come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from towline.domain.audit import Door
    from towline.domain.credential import Credential, Password
    from towline.domain.image import ImageReference
    from towline.domain.package import SecretKeyRef
    from towline.domain.registry import RegistryAddress


@dataclass(frozen=True, slots=True)
class Binding:
    """What a sealed value belongs to; it does not open in another place."""

    project_guid: str
    secret_guid: str
    version: int


class Vault(Protocol):
    """Seals secret values."""

    async def seal(self, plain: Password, binding: Binding) -> bytes:
        """Return ``plain`` encrypted for ``binding`` with a fresh data key."""

    async def open(self, sealed: bytes, binding: Binding) -> Password:
        """Return what was sealed; raise SealBroken if it does not open there."""


class Signing(Protocol):
    """Signs statements; keys are texts, the private one as secret as a password."""

    def new(self) -> tuple[Password, str]:
        """Return a new private key and its public one."""

    def sign(self, private: Password, message: bytes) -> bytes:
        """Return the signature of a message."""

    def public(self, private: Password) -> str:
        """Return the public key of a private one."""

    def check(self, public: str, message: bytes, signature: bytes) -> bool:
        """Whether the message has that signature; False also for what is no key."""


@dataclass(frozen=True, slots=True)
class ResolvedCredential:
    """A credential that came out of a door, and where it came from."""

    credential: Credential
    secret_guid: str
    secret_version: int
    address: RegistryAddress
    expires_at: datetime | None = None
    """When it ends, where Towline minted it and so knows."""


Facts = tuple[tuple[str, str], ...]
"""What an audit row tells beside what the keychain knows: the caller's token and address."""


class Keychain(Protocol):
    """Where credentials and secret values come from; every answer leaves an audit row with ``facts``."""

    async def resolve(
        self,
        project_guid: str,
        secret: str,
        image: ImageReference,
        *,
        door: Door,
        actor: str,
        facts: Facts = (),
    ) -> ResolvedCredential | None:
        """Return what opens ``image`` from the secret of that name or guid.

        None when there is no such docker secret. Raises PullRefused with
        ``secret-registry-mismatch`` when the secret belongs to another registry: it is then not opened;
        and with what keeps it from being minted when a minted login has ended.
        """

    async def login(
        self, project_guid: str, secret: str, *, door: Door, actor: str, facts: Facts = ()
    ) -> ResolvedCredential | None:
        """Return the credential of that docker secret, for a login at its own registry and nowhere else.

        Raises PullRefused for a minted one that has ended, as ``resolve`` does.
        """

    async def value(self, project_guid: str, ref: SecretKeyRef, *, actor: str) -> Password | None:
        """Return the value of one key of an opaque secret; None when secret or key is missing."""
