"""Rows of users and tokens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from towline.domain.account import Permission, Token, User, UserKind
from towline.domain.listing import LabelSelector, Listing, Page
from towline.domain.scopes import Scope
from towline.store.rows.codec import Row, maybe_micros, maybe_moment, micros, moment, text, value
from towline.store.rows.connection import Connection
from towline.store.rows.paging import Filter
from towline.store.rows.uniqueness import unique

_USER_COLUMNS = (
    "guid", "email", "first_name", "last_name", "created_at", "kind", "organization_guid", "disabled_at",
    "description", "labels",
)  # fmt: skip
USER = ", ".join(f"users.{column}" for column in _USER_COLUMNS)
"""What ``user_of`` makes a user of."""

_TOKEN = (
    "t.digest", "t.guid", "t.user_guid", "t.created_at", "t.expires_at", "t.kind", "t.name", "t.ceiling",
    "t.scopes", "t.project_guid", "t.via", "t.peer", "t.parent_guid", "t.provider_session",
)  # fmt: skip
_TOKENS = (
    f"SELECT {', '.join(_TOKEN)} FROM tokens AS t WHERE user_guid = ? ORDER BY t.created_at DESC, t.guid"
)
_WITH_USER = f"""
SELECT {", ".join(_TOKEN)}, {USER}
FROM tokens AS t JOIN users ON users.guid = t.user_guid WHERE t.digest = ?
"""


class Accounts:
    """The port ``AccountRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add_user(self, user: User, *, password_hash: str) -> None:
        """Insert a user; see the port."""
        with unique(f"{user.email} has an account already"):
            self._connection.execute(
                "INSERT INTO users (guid, email, email_key, first_name, last_name, password_hash, created_at,"
                " kind, organization_guid, disabled_at, description, labels)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    user.guid,
                    user.email,
                    user.address_key,
                    user.first_name,
                    user.last_name,
                    password_hash,
                    micros(user.created_at),
                    user.kind.value,
                    user.organization_guid,
                    maybe_micros(user.disabled_at),
                    user.description,
                    text(user.labels),
                ),
            )

    def user(self, *, guid: str = "", email: str = "") -> tuple[User, str] | None:
        """Return a user and the password hash."""
        column, wanted = ("guid", guid) if guid else ("email_key", email.casefold())
        row = self._connection.execute(
            f"SELECT {USER}, password_hash FROM users WHERE {column} = ?", (wanted,)
        ).fetchone()
        return (user_of(row[:-1]), row[-1]) if row else None

    def save_user(self, user: User, *, password_hash: str) -> None:
        """Replace all that changes of a user; see the port."""
        self._connection.execute(
            "UPDATE users SET first_name = ?, last_name = ?, password_hash = ?, disabled_at = ?,"
            " description = ?, labels = ? WHERE guid = ?",
            (
                user.first_name,
                user.last_name,
                password_hash,
                maybe_micros(user.disabled_at),
                user.description,
                text(user.labels),
                user.guid,
            ),
        )

    def remove_user(self, guid: str) -> None:
        """Delete a user; see the port."""
        self._connection.execute("DELETE FROM users WHERE guid = ?", (guid,))

    def service_account(self, organization_guid: str, name: str) -> User | None:
        """Return an organization's service account of exactly that name."""
        row = self._connection.execute(
            f"SELECT {USER} FROM users WHERE organization_guid = ? AND first_name = ?",
            (organization_guid, name),
        ).fetchone()
        return user_of(row) if row else None

    def service_accounts(
        self, organization_guid: str, page: Page, *, selector: LabelSelector, name: str = ""
    ) -> Listing[User]:
        """Return a page of an organization's service accounts."""
        wanted = Filter("organization_guid = ?", organization_guid)
        wanted.selected(selector)
        wanted.one_of("first_name", [name] if name else [])
        return wanted.page(
            self._connection, f"SELECT seq, {USER} FROM users", page, make=lambda row: user_of(row[1:])
        )

    def users(self, organization_guid: str, page: Page, *, guids: Sequence[str] = ()) -> Listing[User]:
        """Return a page of an organization's members; see the port."""
        wanted = Filter(
            "guid IN (SELECT user_guid FROM effective_roles WHERE owner_guid = ?) AND kind = ?",
            organization_guid,
            UserKind.PERSON.value,
        )
        wanted.one_of("guid", guids)
        return wanted.page(
            self._connection,
            f"SELECT seq, {USER} FROM users",
            page,
            make=lambda row: user_of(row[1:]),
        )

    def count(self) -> int:
        """Return how many users there are."""
        return int(self._connection.execute("SELECT count(*) FROM users").fetchone()[0])

    def add_token(self, token: Token) -> None:
        """Insert a token."""
        self._connection.execute(
            "INSERT INTO tokens (digest, guid, user_guid, created_at, expires_at, kind, name, ceiling,"
            " scopes, project_guid, via, peer, parent_guid, provider_session)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
                token.via,
                token.peer,
                token.parent_guid,
                token.provider_session,
            ),
        )

    def token(self, digest: bytes) -> tuple[Token, User] | None:
        """Return a token by its SHA-256, with its user."""
        row = self._connection.execute(_WITH_USER, (digest,)).fetchone()
        if row is None:
            return None
        found = user_of(tuple(row[len(_TOKEN) :]))
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
        parent_guid: str = "",
        provider_session: str = "",
        expired_before: datetime | None = None,
    ) -> int:
        """Delete tokens; see the port."""
        removed = 0
        which = {"guid": guid, "digest": digest, "user_guid": user_guid, "parent_guid": parent_guid}
        for column, wanted in {**which, "provider_session": provider_session}.items():
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
    digest, guid, user_guid, created, expires, kind, name, ceiling, scopes, project, *session = row
    via, peer, parent_guid, provider_session = session
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
        via=via,
        peer=peer,
        parent_guid=parent_guid,
        provider_session=provider_session,
    )


def user_of(row: Row) -> User:
    """Return the user of a row with the columns ``USER``."""
    guid, email, first_name, last_name, created, kind, organization, disabled, description, labels = row
    return User(
        guid,
        email,
        first_name=first_name,
        last_name=last_name,
        created_at=moment(created),
        kind=UserKind(kind),
        organization_guid=organization,
        disabled_at=maybe_moment(disabled),
        description=description,
        labels=value(dict[str, str], labels),
    )
