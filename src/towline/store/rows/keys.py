"""Which key each sealed value stands under: noted with every value, counted, refused once retired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from towline.domain.errors import Conflict
from towline.ports import Binding, SealedValue
from towline.store.envelope import key_of
from towline.store.rows.codec import Row, listed, micros
from towline.store.rows.connection import Connection


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the values of a kind rest: ``query`` tells place, binding, sealed bytes, key and names."""

    count: str
    query: str
    place: str
    key: str
    update: str


_OWNER = "v.secret_guid"  # of each secret one version is sealed, the present one
_PLACES = {
    "secret": _Place(
        "SELECT key_id, count(*) FROM secret_versions WHERE key_id IS NOT NULL GROUP BY key_id",
        f"SELECT {_OWNER}, s.project_guid, s.guid, v.version, v.sealed, v.key_id, s.name, p.name"
        " FROM secret_versions AS v JOIN secrets AS s ON s.guid = v.secret_guid"
        " JOIN projects AS p ON p.guid = s.project_guid WHERE v.sealed IS NOT NULL",
        place=_OWNER,
        key="v.key_id",
        update="UPDATE secret_versions SET sealed = ?, key_id = ? WHERE secret_guid = ? AND sealed = ?",
    ),
    "parent-credential": _Place(
        "SELECT key_id, count(*) FROM mints WHERE key_id IS NOT NULL GROUP BY key_id",
        "SELECT m.secret_guid, m.project_guid, m.guid, 1, m.sealed, m.key_id, s.name, p.name"
        " FROM mints AS m JOIN secrets AS s ON s.guid = m.secret_guid"
        " JOIN projects AS p ON p.guid = m.project_guid WHERE 1 = 1",
        place="m.secret_guid",
        key="m.key_id",
        update="UPDATE mints SET sealed = ?, key_id = ? WHERE secret_guid = ? AND sealed = ?",
    ),
    "webhook": _Place(
        "SELECT key_id, count(*) FROM webhooks WHERE key_id IS NOT NULL GROUP BY key_id",
        "SELECT w.guid, w.project_guid, w.guid, 1, w.sealed, w.key_id, w.name, p.name"
        " FROM webhooks AS w JOIN projects AS p ON p.guid = w.project_guid WHERE 1 = 1",
        place="w.guid",
        key="w.key_id",
        update="UPDATE webhooks SET sealed = ?, key_id = ? WHERE guid = ? AND sealed = ?",
    ),
    "audit-signer": _Place(
        "SELECT key_id, count(*) FROM audit_signers WHERE key_id IS NOT NULL GROUP BY key_id",
        "SELECT a.public_key, '', a.public_key, 1, a.sealed, a.key_id, a.public_key, ''"
        " FROM audit_signers AS a WHERE 1 = 1",
        place="a.public_key",
        key="a.key_id",
        update="UPDATE audit_signers SET sealed = ?, key_id = ? WHERE public_key = ? AND sealed = ?",
    ),
    "engine": _Place(
        "SELECT key_id, count(*) FROM engines WHERE key_id IS NOT NULL GROUP BY key_id",
        "SELECT e.guid, '', e.guid, 1, e.sealed, e.key_id, e.name, '' FROM engines AS e WHERE 1 = 1",
        place="e.guid",
        key="e.key_id",
        update="UPDATE engines SET sealed = ?, key_id = ? WHERE guid = ? AND sealed = ?",
    ),
}


class Keys:
    """The port ``KeyRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def name_all(self) -> None:
        """Note the key of values that were written before keys were noted; see the port."""
        for place in _PLACES.values():
            for row in self._connection.execute(f"{place.query} AND {place.key} IS NULL").fetchall():
                sealed = row[4]
                key_id = noted_key(self._connection, sealed)
                self._connection.execute(place.update, (sealed, key_id, row[0], sealed))

    def uses(self) -> Mapping[str, Mapping[str, int]]:
        """Return how many values of each kind stand under each key; see the port."""
        found: dict[str, dict[str, int]] = {}
        for kind, place in _PLACES.items():
            for key_id, count in self._connection.execute(place.count):
                found.setdefault(key_id, {})[kind] = count
        return found

    def kinds(self) -> Sequence[str]:
        """Return the kinds of sealed values."""
        return tuple(_PLACES)

    def sealed(
        self, kind: str, *, after: str, most: int, other_than: str = "", only: Sequence[str] | None = None
    ) -> Sequence[SealedValue]:
        """Return sealed values in order of place; see the port."""
        place = _PLACES[kind]
        query, parameters = f"{place.query} AND {place.place} > ?", list[object]([after])
        if other_than:
            query += f" AND {place.key} <> ?"
            parameters.append(other_than)
        if only is not None:
            query += f" AND {place.key} IN (SELECT value FROM json_each(?))"
            parameters.append(listed(only))
        rows = self._connection.execute(f"{query} ORDER BY {place.place} LIMIT ?", (*parameters, most))
        return tuple(_value(kind, row) for row in rows)

    def rewrapped(self, value: SealedValue, sealed: bytes) -> bool:
        """Put other bytes in place of those that were read; see the port."""
        key_id = noted_key(self._connection, sealed)
        changed = self._connection.execute(
            _PLACES[value.kind].update, (sealed, key_id, value.place, value.sealed)
        )
        return changed.rowcount == 1

    def retire(self, key_id: str, *, at: datetime) -> None:
        """Let no value stand under a key any more; see the port."""
        self.name_all()
        used = sum(self.uses().get(key_id, {}).values())
        if used:
            stand = "value still stands" if used == 1 else "values still stand"
            raise Conflict(
                f"key {key_id} is not retired: {used} {stand} under it; run: towline admin keys rotate"
            )
        self._connection.execute("DELETE FROM sealing_keys WHERE id = ?", (key_id,))
        self._connection.execute(
            "INSERT INTO retired_keys (id, retired_at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING",
            (key_id, micros(at)),
        )

    def retired(self) -> Sequence[str]:
        """Return the ids of retired keys."""
        rows = self._connection.execute("SELECT id FROM retired_keys ORDER BY id")
        return tuple(key_id for (key_id,) in rows)


def noted_key(connection: Connection, sealed: bytes) -> str:
    """Return the id of the key of a sealed value that is about to be written, and note it.

    Raises Conflict for a key that was retired: the value was sealed before, and nobody could open it again.
    """
    key_id = key_of(sealed)
    connection.execute(
        "INSERT INTO sealing_keys (id) SELECT ?1"
        " WHERE NOT EXISTS (SELECT 1 FROM retired_keys WHERE id = ?1) ON CONFLICT (id) DO NOTHING",
        (key_id,),
    )
    if connection.execute("SELECT 1 FROM sealing_keys WHERE id = ?", (key_id,)).fetchone() is None:
        raise Conflict(f"the key {key_id} was retired, so nothing was saved; try again")
    return key_id


def _value(kind: str, row: Row) -> SealedValue:
    place, project_guid, guid, version, sealed, key_id, name, project = row
    binding = Binding(project_guid, guid, version=version)
    return SealedValue(kind, place, binding, sealed, key_id=key_id, name=name, project=project)
