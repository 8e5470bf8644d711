"""The first contact with PostgreSQL: TLS by a private authority, and the real PgBouncer in between."""

import asyncio
import os
import pwd
import shutil
from dataclasses import replace

import pytest
from store_samples import settle_in

from findings.authority import Authority
from parts.pgbouncer import pooling, through
from towline.config import Config
from towline.doctor import FAILED, examined
from towline.domain.credential import Password
from towline.domain.errors import InvalidInput, NotFound
from towline.services.bell import LocalBell
from towline.store.postgres import PostgresStore
from towline.store.postgres.bell import PostgresBell
from towline.store.postgres.contact import told


def asked(address, *, host="127.0.0.1", **options):
    words = "&".join(f"{name}={value}" for name, value in options.items())
    return replace(address, url=f"{address.url.replace('127.0.0.1', host)}?{words}")


async def test_what_else_only_a_setting_mends_is_said_at_once(postgres_address):
    for address, said in (  # before TLS is switched on below
        (asked(postgres_address, sslmode="require"), "switch TLS on there"),
        (replace(postgres_address, password=Password("wrong")), "TOWLINE_DATABASE_PASSWORD_FILE"),
        (replace(postgres_address, url=f"{postgres_address.url}x"), "make it first"),
    ):
        with pytest.raises(InvalidInput, match=said):
            await PostgresStore.open(address, connections=1)


@pytest.fixture(scope="module")
def authority(postgres_server, tmp_path_factory):
    """A private authority that signed the server's certificate, which names 127.0.0.1."""
    made = Authority()
    key = postgres_server.data / "server.key"
    chain = made.leaf("127.0.0.1")
    for path in (key, postgres_server.data / "server.crt"):
        path.write_bytes(chain)
        path.chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(path, pwd.getpwnam("nobody").pw_uid)
    postgres_server.run(b"ALTER SYSTEM SET ssl = on")
    postgres_server.run(b"SELECT pg_reload_conf()")
    folder = tmp_path_factory.mktemp("authority")
    (folder / "ca.pem").write_text(made.pem)
    (folder / "other.pem").write_text(Authority().pem)
    yield folder
    postgres_server.run(b"ALTER SYSTEM RESET ssl")
    postgres_server.run(b"SELECT pg_reload_conf()")


def test_the_name_and_the_private_authority_of_a_server_are_checked(postgres_address, authority):
    address = asked(postgres_address, sslmode="verify-full", sslrootcert=authority / "ca.pem")
    assert told(address).endswith(" by TLS")


@pytest.mark.parametrize(
    ("host", "options", "said"),
    [
        ("127.0.0.1", {"sslrootcert": "other.pem"}, r"signed by nobody who is trusted.*sslrootcert="),
        ("localhost", {"sslrootcert": "ca.pem"}, r'does not match host name "localhost".*a name that the'),
        ("127.0.0.1", {"sslrootcert": "none.pem"}, r"root certificate file .* does not exist.*ca\.pem"),
    ],
    ids=["authority", "name", "file"],
)
async def test_what_is_wrong_with_tls_is_said_at_once_with_what_would_be_right(
    postgres_address, authority, tmp_path, host, options, said
):
    given = {name: authority / file for name, file in options.items()}
    address = asked(postgres_address, host=host, sslmode="verify-full", **given)
    with pytest.raises(InvalidInput, match=said):
        await PostgresStore.open(address, connections=1)
    tmp_path.chmod(0o700)
    checks = await examined(Config(data=str(tmp_path), port=0, postgresql=address))
    [check] = [each for each in checks if each.name == "database"]
    assert check.state == FAILED
    assert "sslrootcert" in check.told or "certificate" in check.told


@pytest.fixture(scope="module")
def by_transaction(postgres_server):
    """A pooler that lends few connections to many clients."""
    with pooling(postgres_server, "transaction") as port:
        yield port


async def write_and_read(address):
    """Use a store as servers do: readers and writers at once, each statement often enough to be prepared."""
    stores = [await PostgresStore.open(address, connections=4) for _ in range(2)]
    try:
        await stores[0].write(settle_in)

        async def one(store, number):
            await store.write(lambda tx: tx.settings.put(f"n{number}", str(number)))
            await store.glance(lambda tx: tx.settings.get(f"n{number}"))
            assert await store.read(lambda tx: tx.settings.get(f"n{number}")) == str(number)

        await asyncio.gather(*(one(stores[number % 2], number) for number in range(60)))
        with pytest.raises(NotFound):
            await stores[1].write(fails)
        assert await stores[0].read(lambda tx: tx.settings.get("n0")) == "0"
    finally:
        for store in stores:
            await store.close()


def fails(tx):
    tx.settings.put("n0", "changed")
    raise NotFound("thing", "there")


async def hears(address):
    """Return what one server hears of another."""
    bells = [PostgresBell(address, LocalBell()) for _ in range(2)]
    heard = asyncio.Queue()
    bells[1].on("people", heard.put_nowait)
    try:
        assert await bells[1].listen().heard(30)
        bells[0].tell("people", "hello")
        async with asyncio.timeout(30):
            return await heard.get()
    finally:
        for bell in bells:
            await bell.close()


async def test_a_pooler_in_session_mode_is_as_good_as_none(postgres_server, postgres_address):
    with pooling(postgres_server, "session", size=40) as port:
        address = through(port, postgres_address)
        assert told(address).endswith("through a pooler")
        await write_and_read(address)
        assert await hears(address) == "hello"


async def test_a_pooler_in_transaction_mode_is_told_with_what_to_set(postgres_address, by_transaction):
    address = through(by_transaction, postgres_address)
    with pytest.raises(InvalidInput, match=r"for one transaction only.*TOWLINE_DATABASE_LISTEN"):
        await PostgresStore.open(address, connections=1)
    with pytest.raises(InvalidInput, match=r"database_listen.*PostgreSQL's own address"):
        await PostgresStore.open(replace(address, direct=address), connections=1)


async def test_a_pooler_in_transaction_mode_does_beside_the_direct_address(
    postgres_server, postgres_address, by_transaction
):
    address = replace(through(by_transaction, postgres_address), direct=postgres_address)
    assert told(address).endswith("through a pooler")
    await write_and_read(address)
    assert await hears(address) == "hello"
    elsewhere = postgres_server.database(template="model")
    with pytest.raises(InvalidInput, match="another database answers there"):
        await PostgresStore.open(replace(address, direct=elsewhere), connections=1)
    postgres_server.leave(elsewhere)
