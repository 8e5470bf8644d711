"""Rows of programs that wait to be signed in."""

from __future__ import annotations

from datetime import datetime, timedelta

from towline.domain.device_login import DeviceLogin, DeviceLoginState
from towline.store.rows.codec import Row, maybe_micros, micros, moment
from towline.store.rows.connection import Connection
from towline.store.rows.uniqueness import unique

_COLUMNS = (
    "device_digest, user_digest, client_id, peer,"
    " created_at, expires_at, interval, polled_at, state, user_guid, approver_guid"
)
_MICROSECOND = timedelta(microseconds=1)


class DeviceLogins:
    """The port ``DeviceLoginRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, login: DeviceLogin) -> None:
        """Insert a login; see the port."""
        with unique("this code is in use"):
            self._connection.execute(
                f"INSERT INTO device_logins ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                _row(login),
            )

    def by_device(self, digest: bytes) -> DeviceLogin | None:
        """Return the login of a device code."""
        return self._one("device_digest", digest)

    def by_user_code(self, digest: bytes) -> DeviceLogin | None:
        """Return the login of a user code."""
        return self._one("user_digest", digest)

    def save(self, login: DeviceLogin) -> None:
        """Replace what changes: pace, state and who answered."""
        self._connection.execute(
            "UPDATE device_logins SET interval = ?, polled_at = ?, state = ?, user_guid = ?,"
            " approver_guid = ? WHERE device_digest = ?",
            (
                login.interval // _MICROSECOND,
                maybe_micros(login.polled_at),
                login.state.value,
                login.user_guid,
                login.approver_guid,
                login.device_digest,
            ),
        )

    def remove(self, device_digest: bytes) -> None:
        """Delete a login."""
        self._connection.execute("DELETE FROM device_logins WHERE device_digest = ?", (device_digest,))

    def remove_of(self, user_guid: str, *, approver_guid: str = "") -> None:
        """Delete what somebody has approved, all or in one session; see the port."""
        condition = "user_guid = ?"
        values: tuple[str, ...] = (user_guid,)
        if approver_guid:
            condition, values = "user_guid = ? AND approver_guid = ?", (user_guid, approver_guid)
        self._connection.execute(f"DELETE FROM device_logins WHERE {condition}", values)

    def remove_expired(self, before: datetime) -> int:
        """Delete what ended before this; return how many."""
        return self._connection.execute(
            "DELETE FROM device_logins WHERE expires_at <= ?", (micros(before),)
        ).rowcount

    def count(self, *, peer: str = "") -> int:
        """Return how many there are, all or those of one peer."""
        condition, values = (" WHERE peer = ?", (peer,)) if peer else ("", ())
        statement = f"SELECT count(*) FROM device_logins{condition}"
        return int(self._connection.execute(statement, values).fetchone()[0])

    def _one(self, column: str, digest: bytes) -> DeviceLogin | None:
        statement = f"SELECT {_COLUMNS} FROM device_logins WHERE {column} = ?"
        row = self._connection.execute(statement, (digest,)).fetchone()
        return _login(row) if row else None


def _row(login: DeviceLogin) -> Row:
    return (
        login.device_digest,
        login.user_digest,
        login.client_id,
        login.peer,
        micros(login.created_at),
        micros(login.expires_at),
        login.interval // _MICROSECOND,
        maybe_micros(login.polled_at),
        login.state.value,
        login.user_guid,
        login.approver_guid,
    )


def _login(row: Row) -> DeviceLogin:
    device, user, client, peer, created, expires, interval, polled, state, user_guid, approver = row
    return DeviceLogin(
        device,
        user,
        client,
        peer,
        created_at=moment(created),
        expires_at=moment(expires),
        interval=timedelta(microseconds=interval),
        polled_at=None if polled is None else moment(polled),
        state=DeviceLoginState(state),
        user_guid=user_guid,
        approver_guid=approver,
    )
