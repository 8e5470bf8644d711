"""Rows of proofs."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from towline.domain.proof import Proof
from towline.store.sqlite.codec import text, value


class Proofs:
    """The port ``ProofRows``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, proof: Proof) -> None:
        """Insert a proof."""
        self._connection.execute(
            "INSERT INTO proofs (guid, secret_guid, image, body) VALUES (?, ?, ?, ?)",
            (proof.guid, proof.secret_guid, proof.image, text(proof)),
        )

    def newest(self, secret_guid: str, *, image: str | None = None, most: int = 50) -> Sequence[Proof]:
        """Return a secret's newest proofs first; with ``image`` only those of that image."""
        rows = self._connection.execute(
            "SELECT body FROM proofs WHERE secret_guid = ? AND (? IS NULL OR image = ?)"
            " ORDER BY seq DESC LIMIT ?",
            (secret_guid, image, image, most),
        )
        return tuple(value(Proof, body) for (body,) in rows)
