"""Where a database is: ``postgresql://user@host/name``, its password kept apart from the first moment on.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from towline.domain.credential import Password
from towline.domain.errors import InvalidInput

SCHEMES = ("postgresql", "postgres")
_RULE = "write it as postgresql://user@host:5432/name; empty keeps SQLite in the data folder"
_STRICTEST = "verify-full"


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """A PostgreSQL database. ``url`` holds no password and may be shown.

    ``direct`` is PostgreSQL's own address where a pooler answers at ``url`` that gives a connection for one
    transaction only.
    """

    url: str
    password: Password | None = field(default=None, repr=False)
    direct: DatabaseAddress | None = None

    @classmethod
    def parse(cls, text: str) -> DatabaseAddress:
        """Return the address; raise InvalidInput, which never repeats the text, for what is none.

        A host that is not this machine is asked for TLS with its name checked unless ``sslmode`` says else.
        """
        try:
            parts = urlsplit(text)
            options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        except ValueError as error:
            raise InvalidInput("database", problem="is no address", rule=_RULE) from error
        if parts.scheme not in SCHEMES:
            raise InvalidInput("database", problem="is no PostgreSQL address", rule=_RULE)
        user, _, hosts = parts.netloc.rpartition("@")
        name, colon, password = user.partition(":")
        secret = options.pop("password", unquote(password) if colon else None)
        if "sslmode" not in options and not _is_here(options.get("host", hosts)):
            options["sslmode"] = _STRICTEST
        netloc = f"{name}@{hosts}" if name else hosts
        query = f"?{urlencode(options, quote_via=quote, safe='/')}" if options else ""
        return cls(f"postgresql://{netloc}{parts.path}{query}", None if secret is None else Password(secret))

    def with_direct(self, text: str) -> DatabaseAddress:
        """Return this address with PostgreSQL's own beside it, where ``text`` names one."""
        if not text:
            return self
        return replace(self, direct=DatabaseAddress.parse(text))

    def with_password(self, password: Password | None) -> DatabaseAddress:
        """Return this address with a password, which is PostgreSQL's own address's too unless it has one."""
        direct = self.direct and replace(self.direct, password=self.direct.password or password)
        return replace(self, password=password, direct=direct)


def configured_address(settings: Mapping[str, object], *, flags: Collection[str]) -> DatabaseAddress | None:
    """Return where PostgreSQL is, None for SQLite; a password in a setting that came as a flag is refused."""
    if not settings.get("database"):
        return None
    address = DatabaseAddress.parse(str(settings["database"]))
    address = address.with_direct(str(settings.get("database_listen") or ""))
    password_file = str(settings.get("database_password_file", ""))
    for name, each in (("database", address), ("database_listen", address.direct)):
        if name in flags and each is not None and each.password is not None:
            raise InvalidInput(
                name,
                problem="a password in a flag is shown in the list of processes",
                rule=f"set TOWLINE_{name.upper()}, or TOWLINE_DATABASE_PASSWORD_FILE to a file that holds it",
            )
    if not password_file:
        return address.with_password(address.password)
    try:
        text = Path(password_file).read_text().removesuffix("\n")
    except OSError as error:
        raise InvalidInput(
            "database_password_file", problem=f"{password_file} cannot be read", rule=str(error.strerror)
        ) from error
    return address.with_password(Password(text))


def _is_here(hosts: str) -> bool:
    """Whether each of ``host:port,host:port`` is this machine: a socket's folder or a loopback address."""
    return all(_is_loopback(unquote(host)) for host in hosts.split(","))


def _is_loopback(place: str) -> bool:
    if not place or place.startswith(("/", "@")):
        return True
    host = place[1:].partition("]")[0] if place.startswith("[") else place.partition(":")[0]
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
