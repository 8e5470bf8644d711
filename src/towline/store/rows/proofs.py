"""Rows of proofs."""

from __future__ import annotations

from collections.abc import Sequence

from towline.domain.proof import Proof
from towline.store.rows.codec import text, value
from towline.store.rows.connection import Connection

KEPT = 200
"""How many proofs of one secret and image are kept: at four a day, seven weeks."""


class Proofs:
    """The port ``ProofRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, proof: Proof) -> None:
        """Insert a proof; the oldest beyond the newest 200 of its secret and image go."""
        self._connection.execute(
            "INSERT INTO proofs (guid, secret_guid, image, body) VALUES (?, ?, ?, ?)",
            (proof.guid, proof.secret_guid, proof.image, text(proof)),
        )
        self._connection.execute(
            "DELETE FROM proofs WHERE secret_guid = ?1 AND image = ?2 AND seq <="
            " (SELECT seq FROM proofs WHERE secret_guid = ?1 AND image = ?2"
            "  ORDER BY seq DESC LIMIT 1 OFFSET ?3)",
            (proof.secret_guid, proof.image, KEPT),
        )

    def newest(self, secret_guid: str, *, image: str | None = None, most: int = 50) -> Sequence[Proof]:
        """Return a secret's newest proofs first; with ``image`` only those of that image."""
        where, wanted = "secret_guid = ?", [secret_guid]
        if image is not None:
            where, wanted = f"{where} AND image = ?", [*wanted, image]
        rows = self._connection.execute(
            f"SELECT body FROM proofs WHERE {where} ORDER BY seq DESC LIMIT ?", (*wanted, most)
        )
        return tuple(value(Proof, body) for (body,) in rows)
