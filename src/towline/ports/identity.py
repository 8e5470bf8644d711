"""Who says who somebody is: a sign-in provider elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from towline.domain.joining import Claims, EndedSession


class SignInProvider(Protocol):
    """One OpenID provider. All methods raise ProviderFailed where it does not answer as one."""

    @property
    def issuer(self) -> str:
        """The provider's identifier."""

    async def way(self, *, back: str, state: str, nonce: str, verifier: str) -> str:
        """Return where a browser begins to sign in; it comes back to the address ``back``."""

    async def claims(self, code: str, *, back: str, nonce: str, verifier: str) -> Claims:
        """Return who came back with this code; raise NotSignedIn for an answer that is not believed."""

    async def way_out(self, *, back: str, email: str) -> str:
        """Return where a browser ends the session at the provider, empty where it has no such place."""

    async def ended(self, logout_token: str) -> EndedSession:
        """Return what a logout token ends; raise NotSignedIn for one that is not believed."""
