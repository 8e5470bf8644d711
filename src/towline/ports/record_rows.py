"""Rows of proofs, audit, registries and settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from towline.domain.audit import AuditEntry
    from towline.domain.audit_chain import ChainedRow, Statement
    from towline.domain.listing import Listing, Page
    from towline.domain.proof import Proof
    from towline.domain.registry import RegistrySettings
    from towline.domain.reproof import DueProof


class ProofRows(Protocol):
    """The history of proofs."""

    def add(self, proof: Proof) -> None:
        """Insert a proof; the oldest beyond the newest 200 of its secret and image go."""

    def newest(self, secret_guid: str, *, image: str | None = None, most: int = 50) -> Sequence[Proof]:
        """Return a secret's newest proofs first; with ``image`` only those of that image."""

    def outdated(self, before: datetime, *, most: int) -> Sequence[int]:
        """Return the numbers of proofs from before this, but for the newest of each secret and image."""

    def forget(self, seqs: Sequence[int]) -> int:
        """Delete proofs by number; return how many."""


class ScheduleRows(Protocol):
    """When secrets are tried again: a row for each login, and for each image pulled with one."""

    def put(self, due: DueProof) -> None:
        """Set when a try is due; a row goes with its secret."""

    def claim(self, *, now: datetime, until: datetime, most: int) -> Sequence[DueProof]:
        """Take at most ``most`` tries that are due, which are due again at ``until`` unless put anew."""

    def waiting(self, now: datetime) -> int:
        """Return how many tries are due."""

    def next_due(self) -> datetime | None:
        """Return when the next try is due; None when there is none."""

    def remove(self, secret_guid: str, image: str) -> None:
        """Forget a try."""


class AuditRows(Protocol):
    """The audit trail."""

    def append(self, entry: AuditEntry) -> None:
        """Chain and insert a row."""

    def page(self, page: Page, *, project_guid: str = "", subject: str = "") -> Listing[AuditEntry]:
        """Return a page, oldest first, of all rows or only a project's, or those about one subject."""

    def newest(
        self, *, project_guid: str, subject: str, before: int, most: int
    ) -> Sequence[tuple[int, AuditEntry]]:
        """Return rows about a subject with their numbers, newest first, those before ``before``."""

    def rows(self, *, after: int, most: int) -> Sequence[ChainedRow]:
        """Return at most ``most`` rows as they stand in the chain, those after the number ``after``."""

    def row(self, seq: int) -> ChainedRow | None:
        """Return one row as it stands in the chain."""

    def verify(self) -> int | None:
        """Walk the chain; return the number of the first row that does not fit, None if all do."""

    def ever_added(self) -> int:
        """Return the number of the newest row that there ever was."""

    def state(self, statement: Statement) -> None:
        """Keep a signed statement; one of the same kind about the same row stays as it is."""

    def restate(self, statement: Statement) -> None:
        """Put a signed statement in place of the one of the same kind about the same row."""

    def statements(self) -> Sequence[Statement]:
        """Return all statements in order of the rows that they end with."""

    def prune(self, *, upto: int, most: int) -> int:
        """Delete at most ``most`` of the oldest rows, in whose place a statement stands; return how many.

        The statements about rows before ``upto`` go too.
        """

    def add_signer(self, public_key: str, sealed: bytes, *, at: datetime) -> None:
        """Keep a key that statements are signed by: its public half, and the private one sealed."""

    def drop_signer(self, public_key: str) -> None:
        """Let go of a key that statements were signed by."""

    def signers(self) -> Sequence[tuple[str, bytes]]:
        """Return all signing keys, the newest first: public, and private sealed."""


class RegistryRows(Protocol):
    """Settings of registries, per project."""

    def put(self, project_guid: str, settings: RegistrySettings) -> None:
        """Insert or replace."""

    def get(self, project_guid: str, netloc: str) -> RegistrySettings | None:
        """Return what was set for a registry."""

    def remove(self, project_guid: str, netloc: str) -> bool:
        """Delete; return whether there was anything."""

    def all(self, project_guid: str) -> Sequence[RegistrySettings]:
        """Return all of a project, by host."""


@dataclass(frozen=True, slots=True)
class Held:
    """Who has a lease, and until when."""

    owner: str
    until: datetime


class LeaseRows(Protocol):
    """Who does what one server at a time does for all."""

    def take(self, name: str, owner: str, *, now: datetime, until: datetime) -> int | None:
        """Take a lease that is free or ran out, or renew one's own; return its epoch, None if another has it.

        The epoch grows whenever the owner changes.
        """

    def end(self, name: str) -> datetime | None:
        """Return when a lease runs out or ran out; None for one that nobody ever had."""

    def give_back(self, name: str, owner: str) -> None:
        """Let others take it at once; nothing happens when another has it."""

    def drop(self, name: str, owner: str) -> None:
        """Give it back and forget that there was one; the next to take it begins with the first epoch."""

    def holders(self, prefix: str, *, now: datetime) -> Mapping[str, Held]:
        """Return who has each lease whose name begins so and that lasts, by what follows in its name."""


class MarkRows(Protocol):
    """What all servers count together: by kind, and a key that tells for whom."""

    def add(self, kind: str, key: str, *, at: datetime, until: datetime) -> None:
        """Make a mark, which counts until then."""

    def counted(self, kind: str, key: str, *, now: datetime) -> Sequence[datetime]:
        """Return when the marks were made that count, the oldest first."""

    def remove(self, kind: str, key: str, *, newest: int | None = None) -> None:
        """Delete the marks of a key: all of them, or so many of the newest."""

    def expire(self, now: datetime) -> int:
        """Delete what counts no more; return how many that were."""


class SettingRows(Protocol):
    """Facts about this installation: which engine it runs, the set-up link's digest."""

    def get(self, name: str) -> str | None:
        """Return a setting."""

    def put(self, name: str, value: str | None) -> None:
        """Set it, or delete it with None."""
