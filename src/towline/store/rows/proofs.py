"""Rows of proofs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from towline.domain.proof import Proof
from towline.domain.retention import PROOFS_OF_A_PAIR
from towline.store.rows.codec import json_moment, listed, text, value
from towline.store.rows.connection import Connection

_OUTDATED = """
SELECT p.seq FROM proofs AS p
WHERE json_extract(p.body, '$.at') < ? AND p.seq < (
  SELECT max(n.seq) FROM proofs AS n WHERE n.secret_guid = p.secret_guid AND n.image = p.image
)
ORDER BY p.seq LIMIT ?
"""


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
            (proof.secret_guid, proof.image, PROOFS_OF_A_PAIR),
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

    def outdated(self, before: datetime, *, most: int) -> Sequence[int]:
        """Return which proofs are only history; see the port."""
        rows = self._connection.execute(_OUTDATED, (json_moment(before), most))
        return tuple(seq for (seq,) in rows)

    def forget(self, seqs: Sequence[int]) -> int:
        """Delete proofs by number; see the port."""
        return self._connection.execute(
            "DELETE FROM proofs WHERE seq IN (SELECT CAST(value AS BIGINT) FROM json_each(?))",
            (listed(seqs),),
        ).rowcount
