"""Rows of users and tokens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from towline.domain.account import Permission, Token, User
from towline.domain.listing import Listing, Page
from towline.domain.scopes import Scope
from towline.store.rows.codec import Row, micros, moment
from towline.store.rows.connection import Connection
from towline.store.rows.paging import Filter
from towline.store.rows.uniqueness import unique

_USER = "guid, email, first_name, last_name, created_at"

_TOKEN = (
    "t.digest", "t.guid", "t.user_guid", "t.created_at", "t.expires_at", "t.kind", "t.name", "t.ceiling",
    "t.scopes", "t.project_guid",
)  # fmt: skip
_TOKENS = (
    f"SELECT {', '.join(_TOKEN)} FROM tokens AS t WHERE user_guid = ? ORDER BY t.created_at DESC, t.guid"
)
_WITH_USER = f"""
SELECT {", ".join(_TOKEN)}, u.guid, email, first_name, last_name, u.created_at
FROM tokens AS t JOIN users AS u ON u.guid = user_guid WHERE digest = ?
"""


class Accounts:
    """The port ``AccountRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add_user(self, user: User, *, password_hash: str) -> None:
        """Insert a user; see the port."""
        with unique(f"{user.email} has an account already"):
            self._connection.execute(
                "INSERT INTO users (guid, email, email_key, first_name, last_name, password_hash, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    user.guid,
                    user.email,
                    user.email.casefold(),
                    user.first_name,
                    user.last_name,
                    password_hash,
                    micros(user.created_at),
                ),
            )

    def user(self, *, guid: str = "", email: str = "") -> tuple[User, str] | None:
        """Return a user and the password hash."""
        column, wanted = ("guid", guid) if guid else ("email_key", email.casefold())
        row = self._connection.execute(
            f"SELECT {_USER}, password_hash FROM users WHERE {column} = ?", (wanted,)
        ).fetchone()
        return (_user(row[:-1]), row[-1]) if row else None

    def save_user(self, user: User, *, password_hash: str) -> None:
        """Replace names and password hash."""
        self._connection.execute(
            "UPDATE users SET first_name = ?, last_name = ?, password_hash = ? WHERE guid = ?",
            (user.first_name, user.last_name, password_hash, user.guid),
        )

    def users(self, organization_guid: str, page: Page, *, guids: Sequence[str] = ()) -> Listing[User]:
        """Return a page of an organization's members; see the port."""
        wanted = Filter("guid IN (SELECT user_guid FROM members WHERE owner_guid = ?)", organization_guid)
        wanted.one_of("guid", guids)
        return wanted.page(
            self._connection,
            f"SELECT seq, {_USER} FROM users",
            page,
            make=lambda row: _user(row[1:]),
        )

    def count(self) -> int:
        """Return how many users there are."""
        return int(self._connection.execute("SELECT count(*) FROM users").fetchone()[0])

    def add_token(self, token: Token) -> None:
        """Insert a token."""
        self._connection.execute(
            "INSERT INTO tokens (digest, guid, user_guid, created_at, expires_at, kind, name, ceiling,"
            " scopes, project_guid) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                token.digest,
                token.guid,
                token.user_guid,
                micros(token.created_at),
                micros(token.expires_at),
                token.kind,
                token.name,
                int(token.ceiling),
                " ".join(map(str, token.scopes)),
                token.project_guid,
            ),
        )

    def token(self, digest: bytes) -> tuple[Token, User] | None:
        """Return a token by its SHA-256, with its user."""
        row = self._connection.execute(_WITH_USER, (digest,)).fetchone()
        if row is None:
            return None
        found = _user(tuple(row[len(_TOKEN) :]))
        return _token(tuple(row[: len(_TOKEN)])), found

    def tokens_of(self, user_guid: str) -> Sequence[Token]:
        """Return a user's tokens, the newest first."""
        return tuple(_token(row) for row in self._connection.execute(_TOKENS, (user_guid,)))

    def remove_tokens(
        self,
        *,
        guid: str = "",
        digest: bytes = b"",
        user_guid: str = "",
        expired_before: datetime | None = None,
    ) -> int:
        """Delete tokens; see the port."""
        removed = 0
        for column, wanted in (("guid", guid), ("digest", digest), ("user_guid", user_guid)):
            if wanted:
                removed += self._connection.execute(
                    f"DELETE FROM tokens WHERE {column} = ?",
                    (wanted,),
                ).rowcount
        if expired_before is not None:
            removed += self._connection.execute(
                "DELETE FROM tokens WHERE expires_at <= ?", (micros(expired_before),)
            ).rowcount
        return removed


def _token(row: Row) -> Token:
    digest, guid, user_guid, created, expires, kind, name, ceiling, scopes, project = row
    return Token(
        guid,
        user_guid,
        digest,
        created_at=moment(created),
        expires_at=moment(expires),
        kind=kind,
        name=name,
        ceiling=Permission(ceiling),
        scopes=tuple(Scope.parse(each) for each in scopes.split()),
        project_guid=project,
    )


def _user(row: Row) -> User:
    guid, email, first_name, last_name, created = row
    return User(guid, email, first_name=first_name, last_name=last_name, created_at=moment(created))
