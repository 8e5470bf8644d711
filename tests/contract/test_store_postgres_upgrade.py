"""Servers of the version before work on today's schema: their statements, word for word (decision 36)."""

from pathlib import Path

import pytest

from parts.postgres import connected
from towline.store.postgres.dialect import translated

KEPT = Path(__file__).with_name("statements_before.sql")
"""Every statement that the rows ran in these tests at the version before, one a paragraph."""

TIMES = {"now", "until", "due"}
"""Parameters whose type PREPARE could only guess; psycopg sends it along."""

STATEMENTS = [each.strip() for each in KEPT.read_text().split("\n\n") if each.strip()]


def test_the_statements_of_the_version_before_are_all_there():
    assert len(STATEMENTS) > 80
    assert {each.split()[0] for each in STATEMENTS} == {"SELECT", "INSERT", "UPDATE", "DELETE"}


@pytest.fixture(scope="module")
def database(postgres_server):
    address = postgres_server.database(template="model")
    with connected(address) as connection:
        yield connection
    postgres_server.leave(address)


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda each: " ".join(each.split())[:60])
def test_a_statement_of_the_version_before_is_still_understood(database, statement):
    """PREPARE checks tables, columns and types, and runs nothing."""
    numbers = iter(range(1, 100))
    names: dict[str, int] = {}
    words = translated(statement)[0].replace("%%", "%")
    parts = words.split("%")
    text = parts[0]
    for part in parts[1:]:
        if part.startswith("s"):
            text += f"${next(numbers)}{part[1:]}"
        elif part.startswith("("):
            name, _, rest = part[1:].partition(")s")
            kind = "::bigint" if name in TIMES else ""
            text += f"${names.setdefault(name, len(names) + 1)}{kind}{rest}"
        else:
            text += f"%{part}"
    database.execute(f"PREPARE before AS {text}".encode())
    database.execute(b"DEALLOCATE before")
