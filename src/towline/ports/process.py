"""What a process is given: clock, identifiers, hashing, a bell, a presenter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from towline.domain.account import Organization, Project
    from towline.domain.credential import Password
    from towline.domain.secret import Secret

Clock = Callable[[], datetime]
"""The present time, in UTC with its zone set."""

NewGuid = Callable[[str], str]
"""A fresh identifier with the given prefix: ``new_guid("secret")``."""


class PasswordHasher(Protocol):
    """Hashes people's passwords; slow by intent, so it runs beside the loop."""

    async def hash(self, password: Password) -> str:
        """Return a salted hash with its parameters in it."""

    async def matches(self, password: Password, password_hash: str) -> bool:
        """Whether ``password`` has that hash; takes as long for an unknown user's empty hash."""


class Listener(Protocol):
    """One who waits for the bell; a ring between two waits is not lost."""

    async def heard(self, seconds: float) -> bool:
        """Wait for a ring since the last wait, at most so long; return whether it rang."""


class Bell(Protocol):
    """Wakes the reconciler of this process, and streams that wait for news."""

    def ring(self) -> None:
        """Tell all listeners that something changed."""

    def listen(self) -> Listener:
        """Return a new listener; it hears rings from now on."""


class Present(Protocol):
    """Makes a secret's wire document, so that the store can keep it ready."""

    def __call__(self, secret: Secret, project: Project, organization: Organization) -> bytes: ...


class Postman(Protocol):
    """Sends plain e-mails to people."""

    async def post(self, to: str, *, subject: str, text: str) -> str:
        """Send a message; return an empty text, else why it was not sent."""
