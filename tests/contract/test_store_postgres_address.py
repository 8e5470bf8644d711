"""Where a PostgreSQL is: its password apart, and TLS for other machines unless they are spared by name."""

import pytest

from towline import config
from towline.domain.credential import Password
from towline.domain.errors import InvalidInput
from towline.store.address import DatabaseAddress


@pytest.mark.parametrize(
    ("text", "url", "password"),
    [
        ("postgresql://me@localhost/db", "postgresql://me@localhost/db", None),
        ("postgres://me:s3%40t@127.0.0.1:5433/db", "postgresql://me@127.0.0.1:5433/db", "s3@t"),
        ("postgresql:///db?host=/run/postgresql", "postgresql:///db?host=/run/postgresql", None),
        ("postgresql://me@[::1]/db?password=x", "postgresql://me@[::1]/db", "x"),
        ("postgresql://me:a:b@db1/x", "postgresql://me@db1/x?sslmode=verify-full", "a:b"),
        ("postgresql://localhost,db2/x", "postgresql://localhost,db2/x?sslmode=verify-full", None),
        ("postgresql://db1/x?sslmode=require", "postgresql://db1/x?sslmode=require", None),
    ],
)
def test_an_address_is_taken_apart(text, url, password):
    address = DatabaseAddress.parse(text)
    assert address.url == url
    assert address.password == (None if password is None else Password(password))


@pytest.mark.parametrize("text", ["mysql://me:s3cret@db/x", "s3cret", "postgresql://me:s3cret@[db/x"])
def test_what_is_no_address_is_refused_without_repeating_it(text):
    with pytest.raises(InvalidInput, match="postgresql://user@host") as told:
        DatabaseAddress.parse(text)
    assert "s3cret" not in str(told.value)


def test_the_password_comes_from_the_environment_or_a_file_and_never_from_a_flag(tmp_path):
    with_password = "postgresql://me:s3cret@localhost/db"
    loaded = config.load({}, {"TOWLINE_DATABASE": with_password, "TOWLINE_DATA": str(tmp_path)})
    assert loaded.postgresql.password == Password("s3cret")
    assert "s3cret" not in repr(loaded)
    file = tmp_path / "password"
    file.write_text("from a file\n")
    flags = {"database": "postgresql://me@localhost/db", "data": str(tmp_path)}
    there = config.load(flags, {"TOWLINE_DATABASE_PASSWORD_FILE": str(file)})
    assert there.postgresql.password == Password("from a file")
    with pytest.raises(InvalidInput, match="list of processes") as told:
        config.load({**flags, "database": with_password}, {})
    assert "s3cret" not in str(told.value)
