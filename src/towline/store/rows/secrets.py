"""Rows of secrets, their versions and ready-made documents."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import assert_never

from towline.domain.errors import NotFound
from towline.domain.listing import LabelSelector, Listing, Page
from towline.domain.proof import Verdict
from towline.domain.secret import DockerSecret, OpaqueSecret, Secret
from towline.ports import SecretRecord
from towline.store.rows.codec import Row, micros, text, value
from towline.store.rows.connection import Connection
from towline.store.rows.keys import noted_key
from towline.store.rows.paging import Filter, counted
from towline.store.rows.uniqueness import unique

_RECORD = """
SELECT seq, kind, body, document,
       (SELECT sealed FROM secret_versions AS v
        WHERE v.secret_guid = secrets.guid AND v.version = secrets.version)
FROM secrets
"""


_BY_NAME = "WHERE project_guid = ? AND name = ?"
_BY_GUID = "WHERE project_guid = ? AND guid = ?"
_RECORD_BY_NAME = f"{_RECORD} {_BY_NAME}"
_RECORD_BY_GUID = f"{_RECORD} {_BY_GUID}"
_DOCUMENT_BY_NAME = f"SELECT document FROM secrets {_BY_NAME}"
_DOCUMENT_BY_GUID = f"SELECT document FROM secrets {_BY_GUID}"


class Secrets:
    """The port ``SecretRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, record: SecretRecord) -> None:
        """Insert a new secret; see the port."""
        metadata = record.secret.metadata
        with unique(f"secret {metadata.name!r} exists in this project"):
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
        self._add_version(record)

    def get(self, project_guid: str, name: str) -> SecretRecord | None:
        """Return the newest version of a secret; see the port."""
        row = self._find(_RECORD_BY_NAME, _RECORD_BY_GUID, project_guid, name)
        return _record(row) if row else None

    def save(self, record: SecretRecord) -> None:
        """Replace a row; see the port."""
        metadata = record.secret.metadata
        before = self._connection.execute(
            "SELECT version, body FROM secrets WHERE guid = ?", (metadata.guid,)
        ).fetchone()
        if before is None:
            raise NotFound("secret", metadata.name)
        self._connection.execute(
            "UPDATE secrets SET version = ?, labels = ?, body = ?, document = ? WHERE guid = ?",
            (metadata.version, text(metadata.labels), text(record.secret), record.document, metadata.guid),
        )
        old_version, old_body = before
        if old_version == metadata.version:
            self._seal_anew(record)
            return
        self._connection.execute(
            "UPDATE secret_versions SET sealed = NULL, key_id = NULL, body = ?"
            " WHERE secret_guid = ? AND version = ?",
            (old_body, metadata.guid, old_version),
        )
        self._add_version(record)

    def renew(self, record: SecretRecord) -> None:
        """Put the next version in place of the present one, without history; see the port."""
        metadata = record.secret.metadata
        before = self._connection.execute(
            "SELECT version FROM secrets WHERE guid = ?", (metadata.guid,)
        ).fetchone()
        if before is None:
            raise NotFound("secret", metadata.name)
        self._connection.execute(
            "UPDATE secrets SET version = ?, body = ?, document = ? WHERE guid = ?",
            (metadata.version, text(record.secret), record.document, metadata.guid),
        )
        self._connection.execute(
            "DELETE FROM secret_versions WHERE secret_guid = ? AND version = ?", (metadata.guid, *before)
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
        row = self._find(_DOCUMENT_BY_NAME, _DOCUMENT_BY_GUID, project_guid, name)
        return row[0] if row else None

    def of_registry(self, project_guid: str, host: str) -> Sequence[SecretRecord]:
        """Return docker secrets for a registry's host; see the port."""
        rows = self._connection.execute(
            f"{_RECORD} WHERE project_guid = ? AND kind = 'Docker'"
            " AND json_extract(body, '$.registry.host') = ? ORDER BY seq DESC LIMIT 100",
            (project_guid, host),
        )
        return tuple(_record(row) for row in rows)

    def page(
        self, project_guid: str, page: Page, *, selector: LabelSelector, names: Sequence[str] = ()
    ) -> Listing[SecretRecord]:
        """Return a page in order of creation."""
        return _wanted(project_guid, selector, names).page(self._connection, _RECORD, page, make=_record)

    def by_name(self, project_guid: str, *, after: str, most: int) -> Sequence[SecretRecord]:
        """Return secrets in order of name; see the port."""
        rows = self._connection.execute(
            f"{_RECORD} WHERE project_guid = ? AND name > ? ORDER BY name LIMIT ?",
            (project_guid, after, most),
        )
        return tuple(_record(row) for row in rows)

    def count(self, project_guid: str) -> int:
        """Return how many secrets a project has."""
        return counted(self._connection, "SELECT count(*) FROM secrets WHERE project_guid = ?", project_guid)

    def of_concern(self, project_guid: str) -> Sequence[SecretRecord]:
        """Return docker secrets that fail, end one day or cannot be renewed; see the port."""
        rows = self._connection.execute(
            f"{_RECORD} WHERE project_guid = ? AND kind = 'Docker' AND"
            " (json_extract(body, '$.standing.verdict') = ?"
            " OR json_extract(body, '$.shape.expires_at') IS NOT NULL"
            " OR json_extract(body, '$.mint.trouble.code') IS NOT NULL) ORDER BY seq",
            (project_guid, Verdict.FAILING.value),
        )
        return tuple(_record(row) for row in rows)

    def documents(
        self, project_guid: str, page: Page, *, selector: LabelSelector, names: Sequence[str] = ()
    ) -> Listing[bytes]:
        """Return a page of ready-made documents."""
        query = "SELECT seq, document FROM secrets"
        return _wanted(project_guid, selector, names).page(self._connection, query, page, make=itemgetter(1))

    def _find(self, by_name: str, by_guid: str, *wanted: str) -> Row | None:
        """Return a row by name, else by guid: two look-ups, of which the second is hardly ever needed."""
        found: Row | None = self._connection.execute(by_name, wanted).fetchone()
        if found is None:
            found = self._connection.execute(by_guid, wanted).fetchone()
        return found

    def _seal_anew(self, record: SecretRecord) -> None:
        """Put other sealed bytes in the row of the same version, if they are other ones."""
        guid, version = record.secret.metadata.guid, record.secret.metadata.version
        (kept,) = self._connection.execute(
            "SELECT sealed FROM secret_versions WHERE secret_guid = ? AND version = ?", (guid, version)
        ).fetchone()
        if kept == record.sealed:
            return
        key_id = noted_key(self._connection, record.sealed)
        self._connection.execute(
            "UPDATE secret_versions SET sealed = ?, key_id = ? WHERE secret_guid = ? AND version = ?",
            (record.sealed, key_id, guid, version),
        )

    def _add_version(self, record: SecretRecord) -> None:
        metadata = record.secret.metadata
        key_id = noted_key(self._connection, record.sealed)
        self._connection.execute(
            "INSERT INTO secret_versions"
            " (secret_guid, version, created_at, creator_guid, sealed, key_id) VALUES (?, ?, ?, ?, ?, ?)",
            (
                metadata.guid,
                metadata.version,
                micros(metadata.updated_at),
                metadata.creator_guid,
                record.sealed,
                key_id,
            ),
        )


def _wanted(project_guid: str, selector: LabelSelector, names: Sequence[str]) -> Filter:
    wanted = Filter("project_guid = ?", project_guid)
    wanted.selected(selector)
    wanted.named("name", names)
    return wanted


def _kind(secret: Secret) -> str:
    match secret:
        case DockerSecret():
            return "Docker"
        case OpaqueSecret():
            return "Opaque"
        case _:
            assert_never(secret)


def _record(row: Row) -> SecretRecord:
    _, kind, body, document, sealed = row
    secret: Secret = value(DockerSecret, body) if kind == "Docker" else value(OpaqueSecret, body)
    return SecretRecord(secret, sealed, document=document)
