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


class Throttle(Protocol):
    """Slows down those who guess: a try counts as failed from its beginning, so that many at once do, too."""

    async def enter(self, account: str, peer: str) -> None:
        """Note the beginning of a try; raise Throttled when there were too many failed ones."""

    async def forgive(self, account: str, peer: str) -> None:
        """Take a try that succeeded out of the count, and the earlier failures of that account."""

    async def take_back(self, account: str, peer: str) -> None:
        """Take this one try out of the count; earlier failures stay."""


class Listener(Protocol):
    """One who waits for the bell; a ring between two waits is not lost."""

    def wake(self) -> None:
        """Let this one alone hear a ring."""

    async def heard(self, seconds: float) -> bool:
        """Wait for a ring since the last wait, at most so long; return whether it rang."""


class Bell(Protocol):
    """Wakes the reconciler of this process, and streams that wait for news; carries words between servers."""

    def ring(self) -> None:
        """Tell all listeners that something changed."""

    def listen(self) -> Listener:
        """Return a new listener; it hears rings from now on."""

    def tell(self, topic: str, text: str) -> None:
        """Tell the other servers on the same database, soon: one word's topic, and at most 4,000 bytes.

        What is told while the connection is broken is lost: it may only spare others a question.
        """

    def on(self, topic: str, heard: Callable[[str], None]) -> None:
        """Call ``heard`` with each text that another server tells about a topic; it must not raise."""


class HearingBell(Bell, Protocol):
    """A process's own bell, which what other servers tell is passed on to."""

    def hear(self, topic: str, text: str) -> None:
        """Pass on what another server told."""


class Present(Protocol):
    """Makes a secret's wire document, so that the store can keep it ready."""

    def __call__(self, secret: Secret, project: Project, organization: Organization) -> bytes: ...


class Postman(Protocol):
    """Sends plain e-mails to people."""

    async def post(self, to: str, *, subject: str, text: str) -> str:
        """Send a message; return an empty text, else why it was not sent."""
