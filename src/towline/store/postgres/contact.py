"""The first contact with a database: what a setting is to blame for is said at once, and not waited for.

What may stand between is a pooler (PgBouncer). It gives a client a connection for a session, or for one
transaction only; then LISTEN hears nothing, and what a session was set to is another's. It answers under a
process number of its own, and clients that do nothing do not keep a connection each.
https://www.pgbouncer.org/features.html
"""

from __future__ import annotations

import re
from contextlib import closing
from typing import NamedTuple

import psycopg

from towline.domain.errors import InvalidInput
from towline.store.address import DatabaseAddress
from towline.store.postgres.connection import Line, Raw, reason, unpooled

_CAUSES = (
    (
        r"certificate verify failed|signature failure",
        "its certificate is signed by nobody who is trusted here, or is out of date",
        "name the file with the certificate of the authority that signed it: ?sslrootcert=/path/to/ca.pem",
    ),
    (
        r'server certificate for .* does not match host name "[^"]*"',
        "",
        "use a name that the certificate holds, or give the server a certificate for this name",
    ),
    (
        r'root certificate file "[^"]*" does not exist',
        "",
        "name the file with the authority's certificate: ?sslrootcert=/path/to/ca.pem, or =system",
    ),
    (
        r"server does not support SSL, but SSL was required",
        "",
        "switch TLS on there (ssl = on), or say ?sslmode=disable where the network is yours alone",
    ),
    (r"password authentication failed", "", "set the password: TOWLINE_DATABASE_PASSWORD_FILE"),
    (r'(database|role) "[^"]*" does not exist', "", "make it first: docs/how-to/postgresql.md"),
    (r"no pg_hba.conf entry[^,]*", "", "let this machine in there: pg_hba.conf"),
)
"""What libpq and PostgreSQL say where waiting does not help; what is told instead; what would be right."""

_PATTERN = (0, 0, 1, 1, 0, 1)
"""In which order two clients ask where they are: who lends in turns does not lead each to its own place."""


class _Place(NamedTuple):
    """What tells one running database from another."""

    database: str
    schema: str
    since: str


def check(address: DatabaseAddress) -> None:
    """Raise InvalidInput where a setting stands in the way; an outage is for those who wait."""
    if address.direct is None:
        if is_shared_out(address):
            raise InvalidInput(
                "database",
                problem="a pooler answers there that gives a connection for one transaction only: servers"
                " would hear nothing of each other",
                rule="name PostgreSQL's own address in TOWLINE_DATABASE_LISTEN as well, or let the pooler"
                " use pool_mode=session",
            )
        return
    if is_shared_out(address.direct, setting="database_listen"):
        raise InvalidInput(
            "database_listen",
            problem="a pooler answers there that gives a connection for one transaction only",
            rule="name PostgreSQL's own address",
        )
    here, there = _place(address), _place(address.direct)
    if here != there and here is not None and there is not None:
        raise InvalidInput(
            "database_listen",
            problem=f"another database answers there: {there.database}, not {here.database}",
            rule="name the database of TOWLINE_DATABASE, at PostgreSQL's own address",
        )


def is_shared_out(address: DatabaseAddress, *, setting: str = "database") -> bool:
    """Whether a pooler answers that gives a connection for no longer than a transaction; not in an outage."""
    one = _met(address, setting)
    if one is None:
        return False
    with closing(one):
        if one.info.backend_pid == _process(one):
            return False
        other = Line(address).connected()
        with closing(other):
            clients = (one, other)
            seen = {(which, _process(clients[which])) for which in _PATTERN}
    return len({process for _, process in seen}) != len(clients) or len(seen) != len(clients)


def told(address: DatabaseAddress) -> str:
    """Return in words what answers, and how it is reached; raise as ``check`` and ``Line`` do."""
    check(address)
    with closing(Line(address).connected()) as raw:
        version = raw.info.server_version
        way = "by TLS" if raw.pgconn.ssl_in_use else "without TLS"
        pooled = ", through a pooler" if raw.info.backend_pid != _process(raw) else ""
        return f"PostgreSQL {version // 10000}.{version % 10000} {way}{pooled}"


def _met(address: DatabaseAddress, setting: str) -> Raw | None:
    """Return a connection, None where nobody answers; raise InvalidInput for what waiting does not help."""
    try:
        return unpooled(address)
    except psycopg.OperationalError as error:
        said = reason(error)
        for pattern, problem, rule in _CAUSES:
            if found := re.search(pattern, said):
                raise InvalidInput(setting, problem=problem or found[0], rule=rule) from None
        return None


def _process(raw: Raw) -> int:
    row = raw.execute(b"SELECT pg_backend_pid()").fetchone()
    return int(row[0]) if row else 0


def _place(address: DatabaseAddress) -> _Place | None:
    raw = _met(address, "database")
    if raw is None:
        return None
    with closing(raw):
        row = raw.execute(
            b"SELECT current_database(), current_schema(), pg_postmaster_start_time()::text"
        ).fetchone()
        return _Place(*row) if row else None
