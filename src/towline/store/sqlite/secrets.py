"""Rows of secrets, their versions and ready-made documents."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from towline.domain.errors import Conflict, NotFound
from towline.domain.listing import LabelSelector, Listing, Page
from towline.domain.secret import DockerSecret, OpaqueSecret, Secret
from towline.ports import SecretRecord
from towline.store.sqlite.codec import micros, text, value
from towline.store.sqlite.paging import Filter

_RECORD = """
SELECT seq, kind, body, document,
       (SELECT sealed FROM secret_versions AS v
        WHERE v.secret_guid = secrets.guid AND v.version = secrets.version)
FROM secrets
"""


class Secrets:
    """The port ``SecretRows``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, record: SecretRecord) -> None:
        """Insert a new secret; see the port."""
        metadata = record.secret.metadata
        try:
            self._connection.execute(
                "INSERT INTO secrets (guid, project_guid, name, version, kind, labels, body, document)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    metadata.guid,
                    metadata.project_guid,
                    metadata.name,
                    metadata.version,
                    _kind(record.secret),
                    text(metadata.labels),
                    text(record.secret),
                    record.document,
                ),
            )
        except sqlite3.IntegrityError as error:
            raise Conflict(f"secret {metadata.name!r} exists in this project") from error
        self._add_version(record)

    def get(self, project_guid: str, name: str) -> SecretRecord | None:
        """Return the newest version of a secret; see the port."""
        for column in ("name", "guid"):
            row = self._connection.execute(
                f"{_RECORD} WHERE project_guid = ? AND {column} = ?", (project_guid, name)
            ).fetchone()
            if row:
                return _record(row)
        return None

    def save(self, record: SecretRecord) -> None:
        """Replace a row; see the port."""
        metadata = record.secret.metadata
        before = self._connection.execute(
            "SELECT version FROM secrets WHERE guid = ?", (metadata.guid,)
        ).fetchone()
        if before is None:
            raise NotFound("secret", metadata.name)
        self._connection.execute(
            "UPDATE secrets SET version = ?, labels = ?, body = ?, document = ? WHERE guid = ?",
            (metadata.version, text(metadata.labels), text(record.secret), record.document, metadata.guid),
        )
        if before[0] != metadata.version:
            self._connection.execute(
                "UPDATE secret_versions SET sealed = NULL WHERE secret_guid = ?", (metadata.guid,)
            )
            self._add_version(record)

    def remove(self, project_guid: str, name: str) -> SecretRecord | None:
        """Delete a secret with all versions; see the port."""
        record = self.get(project_guid, name)
        if record is not None:
            self._connection.execute("DELETE FROM secrets WHERE guid = ?", (record.secret.metadata.guid,))
        return record

    def document(self, project_guid: str, name: str) -> bytes | None:
        """Return only the ready-made document."""
        for column in ("name", "guid"):
            row = self._connection.execute(
                f"SELECT document FROM secrets WHERE project_guid = ? AND {column} = ?",
                (project_guid, name),
            ).fetchone()
            if row:
                return bytes(row[0])
        return None

    def page(
        self, project_guid: str, page: Page, *, selector: LabelSelector, names: Sequence[str] = ()
    ) -> Listing[SecretRecord]:
        """Return a page in order of creation."""
        return _wanted(project_guid, selector, names).page(self._connection, _RECORD, page, make=_record)

    def documents(
        self, project_guid: str, page: Page, *, selector: LabelSelector, names: Sequence[str] = ()
    ) -> Listing[bytes]:
        """Return a page of ready-made documents."""
        query = "SELECT seq, document FROM secrets"
        return _wanted(project_guid, selector, names).page(
            self._connection, query, page, make=lambda row: row[1]
        )

    def _add_version(self, record: SecretRecord) -> None:
        metadata = record.secret.metadata
        self._connection.execute(
            "INSERT INTO secret_versions (secret_guid, version, updated_at, sealed) VALUES (?, ?, ?, ?)",
            (metadata.guid, metadata.version, micros(metadata.updated_at), record.sealed),
        )


def _wanted(project_guid: str, selector: LabelSelector, names: Sequence[str]) -> Filter:
    wanted = Filter("project_guid = ?", project_guid)
    wanted.selected(selector)
    wanted.one_of("name", names)
    return wanted


def _kind(secret: Secret) -> str:
    return "Docker" if isinstance(secret, DockerSecret) else "Opaque"


def _record(row: Sequence[Any]) -> SecretRecord:
    secret: Secret = value(DockerSecret, row[2]) if row[1] == "Docker" else value(OpaqueSecret, row[2])
    return SecretRecord(secret, sealed=bytes(row[4] or b""), document=bytes(row[3]))
