"""When a secret is tried again, without anybody asking: often enough to know, seldom enough to be welcome."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from towline.domain.proof import Verdict


@dataclass(frozen=True, slots=True)
class ReproofPlan:
    """The pauses between tries; each is varied by up to a tenth, so that secrets do not come all at once.

    ``refused`` holds for a login that the registry refused: registries count failed logins and block.
    ``unclear`` holds where the last try could not be made. A known expiry is looked at ``before`` it.
    """

    login: timedelta = timedelta(hours=6)
    image: timedelta = timedelta(hours=24)
    refused: timedelta = timedelta(hours=24)
    unclear: timedelta = timedelta(minutes=30)
    before: timedelta = timedelta(hours=1)

    def due(
        self,
        verdict: Verdict,
        *,
        image: str,
        now: datetime,
        chance: float,
        expires_at: datetime | None = None,
    ) -> datetime:
        """Return when to try again after a try at ``now``; ``chance`` is from 0 up to 1."""
        pause = self._pause(verdict, image) * (0.9 + 0.2 * chance)
        if expires_at is None or verdict is Verdict.FAILING:
            return now + pause
        looks = (expires_at - self.before, expires_at + timedelta(minutes=1))
        return min([now + pause, *(look for look in looks if look > now)])

    def _pause(self, verdict: Verdict, image: str) -> timedelta:
        if verdict is Verdict.FAILING:
            return self.refused
        if verdict is Verdict.UNKNOWN:
            return self.unclear
        return self.image if image else self.login


@dataclass(frozen=True, slots=True)
class DueProof:
    """A try that is due: of a secret's login, or of an image that was pulled with it."""

    project_guid: str
    secret_guid: str
    image: str
    due_at: datetime
