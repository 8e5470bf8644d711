"""Every error that a caller can cause or must hear about, as one tree.

::

    TowlineError
    ├── InvalidInput      a field holds something that the rules refuse      (HTTP 400)
    ├── NotSignedIn       no valid token came with the request              (HTTP 401)
    ├── NotAllowed        the token is good, the role is not enough         (HTTP 403)
    ├── NotFound          no such object in this project                    (HTTP 404)
    ├── Conflict          the name is taken, or the state forbids it        (HTTP 409)
    ├── ProofRequired     the caller asked for a verified secret only       (HTTP 412)
    ├── Throttled         too many tries; says when to come back            (HTTP 429)
    ├── SealBroken        a sealed value does not open with any known key   (HTTP 500)
    ├── ProviderFailed    the sign-in provider did not answer as it must     (HTTP 502)
    ├── KeysUnreachable   the keys cannot be asked now, or there are none   (HTTP 503)
    ├── SinkFailed        the audit trail is not taken where it is sent
    ├── StoreFailed       the database could not keep or tell something     (HTTP 500)
    │   ├── StoreUnavailable  the database is out of reach for now          (HTTP 503)
    │   └── StoreFull     there is no room left; reads go on                (HTTP 507)
    ├── BackupDamaged     a backup is cut short, was changed, or is none
    ├── PullRefused       an image cannot be pulled; carries the finding
    └── EngineFailed      a container cannot be started; carries the finding

A library's exception is translated in the room that imports the library, with ``from``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from towline.domain.findings import Finding


class TowlineError(Exception):
    """The root: its text is for people and holds no credential."""


class InvalidInput(TowlineError):
    """A field holds something that the rules refuse.

    ``field`` is the path in the caller's own words (``spec.docker.registry``), ``problem`` what was
    wrong, ``rule`` what would be right.
    """

    def __init__(self, field: str, *, problem: str, rule: str = "") -> None:
        self.field = field
        self.problem = problem
        self.rule = rule
        text = f"{field}: {problem}" if field else problem
        super().__init__(f"{text}; {rule}" if rule else text)

    def within(self, field: str) -> InvalidInput:
        """Return the same error for the place ``field`` where the value came from."""
        return InvalidInput(field, problem=self.problem, rule=self.rule)


class NotSignedIn(TowlineError):
    """No valid token came with the request."""


class NotAllowed(TowlineError):
    """The token is good, but its holder's role is not enough."""


class NotFound(TowlineError):
    """No such object here."""

    def __init__(self, kind: str, name: str, *, where: str = "") -> None:
        self.kind = kind
        self.name = name
        super().__init__(f"{kind} {name!r} not found{f' in {where}' if where else ''}")


class Conflict(TowlineError):
    """The name is taken, or the state of the object forbids what was asked."""


class ProofRequired(TowlineError):
    """The caller asked for a verified secret only, and this one was not verified."""

    def __init__(self, finding: Finding | None, *, verdict: str) -> None:
        self.finding = finding
        self.verdict = verdict
        reason = f": {finding.title} ({finding.code})" if finding else ""
        super().__init__(f"the secret was not saved, its verdict is {verdict!r}{reason}")


class Throttled(TowlineError):
    """Too many tries; ``retry_after`` is in seconds."""

    def __init__(self, problem: str, *, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(f"{problem}; try again in {retry_after} s")


class SealBroken(TowlineError):
    """A sealed value does not open: the key is missing or the row was tampered with."""


class ProviderFailed(TowlineError):
    """The sign-in provider could not be asked, or did not answer as one; nothing is known of who came."""


class KeysUnreachable(TowlineError):
    """The keys cannot be asked now: Vault is down, sealed or refuses us. What is sealed stays as it is."""


class SinkFailed(TowlineError):
    """Rows of the audit trail were not taken where they are sent; they are sent again."""


class StoreFailed(TowlineError):
    """The database could not keep or tell something: a full disk, a damaged file. Nothing was half done."""


class StoreFull(StoreFailed):
    """There is no room for the change; what was kept before can be read as ever. Carries the finding."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(f"{finding.code}: {finding.detail or finding.title}; {finding.fix}")


class BackupDamaged(TowlineError):
    """A backup is cut short, was changed, contradicts itself, or is no backup at all."""


class StoreUnavailable(StoreFailed):
    """The database is out of reach for now: the same request is good again in ``retry_after`` seconds."""

    retry_after = 2


class PullRefused(TowlineError):
    """An image cannot be pulled; the finding says why and what to do."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(f"{finding.code}: {finding.detail or finding.title}")


class EngineFailed(TowlineError):
    """A container cannot be started or the engine is out of reach; the finding says why."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(f"{finding.code}: {finding.detail or finding.title}")
