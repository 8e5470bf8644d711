"""The audit trail as a whole: whatever is changed in it, in an export or in the database, is found."""

import json
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parts.fakes import NOON, ManualClock
from towline.domain.audit import GENESIS, AuditEntry
from towline.domain.audit_chain import HEAD, PRUNED, Statement
from towline.domain.audit_export import verified
from towline.domain.errors import Conflict
from towline.services.audit_trail import LONGEST_UNSIGNED, MOST_UNSIGNED, AuditTrail
from towline.store.anchor import anchored_at, anchored_in
from towline.store.keyring import Keyring
from towline.store.signing import Ed25519Signing
from towline.store.sqlite import SqliteStore
from towline.store.vault import SealingVault

SIGNING = Ed25519Signing()
UNGUARDED = (
    "DROP TRIGGER IF EXISTS audit_is_not_changed",
    "DROP TRIGGER IF EXISTS audit_is_not_deleted",
    "DROP TRIGGER IF EXISTS audit_is_not_replaced",
)


def entry(number: int, *, at=None) -> AuditEntry:
    detail = (("door", "engine-pull"), ("peer", f"192.0.2.{number % 250}"), ("image", "r.example.com/ä:1"))
    return AuditEntry(
        at or NOON + timedelta(hours=number),
        f"user{number}@example.com",
        "secret.opened",
        f"secret-{number % 3}",
        project_guid="project-a",
        detail=detail,
    )


@pytest.fixture
async def store():
    made = SqliteStore.memory()
    yield made
    await made.close()


@pytest.fixture
def clock():
    return ManualClock()


def trail_on(store, clock, *, vault=None, **options) -> AuditTrail:
    vault = vault or SealingVault(Keyring("k", {"k": b"k" * 32}))
    return AuditTrail(store=store, vault=vault, signing=SIGNING, clock=clock, **options)


@pytest.fixture
def trail(store, clock):
    return trail_on(store, clock)


async def fill(store, count: int, *, begin: int = 1) -> None:
    rows = [entry(number) for number in range(begin, begin + count)]
    await store.write(lambda tx: [tx.audit.append(row) for row in rows])


async def exported(trail, **limits) -> list[bytes]:
    return [line async for line in trail.export(**limits)]


async def intrude(store, *statements: str) -> None:
    """Change the database as one does who has it."""
    await store.write(lambda tx: [tx.audit._connection.execute(each) for each in (*UNGUARDED, *statements)])


async def rewrite(store, first: int) -> None:
    """Make the hashes fit again from a row on, as an intruder does who knows how."""

    def change(tx):
        found = tx.audit.row(first - 1)
        previous = found.hash if found else GENESIS
        for row in tx.audit.rows(after=first - 1, most=10_000):
            previous = row.entry.chained(previous)
            tx.audit._connection.execute("UPDATE audit SET hash = ? WHERE seq = ?", (previous, row.seq))

    await store.write(change)


# --- signing and verifying -----------------------------------------------------------------------


async def test_an_empty_trail_holds_together_and_has_nothing_to_sign(trail):
    assert await trail.sign() is None
    report = await trail.verify()
    assert (report.problem, report.rows, report.unsigned) == ("", 0, 0)


async def test_a_trail_is_signed_up_to_its_newest_row_and_later_rows_wait(store, trail):
    await fill(store, 5)
    statement = await trail.sign()
    await fill(store, 2, begin=6)
    report = await trail.verify()
    assert (report.problem, report.rows, report.signed_to, report.unsigned) == ("", 7, 5, 2)
    assert report.oldest_unsigned == entry(6).at
    assert (statement.kind, statement.seq) == (HEAD, 5)
    assert SIGNING.check(await trail.public_key(), statement.message(), statement.signature)


async def test_statements_are_made_as_rows_come_or_time_goes_by(store, clock, trail):
    await fill(store, 3)
    await trail.round()
    await fill(store, 3, begin=4)
    await trail.round()
    assert (await trail.verify()).signed_to == 3
    clock.advance(seconds=LONGEST_UNSIGNED.total_seconds())
    await trail.round()
    assert (await trail.verify()).signed_to == 6
    await fill(store, MOST_UNSIGNED, begin=7)
    await trail.round()
    assert (await trail.verify()).unsigned == 0


async def test_nothing_is_signed_over_rows_that_do_not_fit(store, trail):
    await fill(store, 5)
    await intrude(store, "UPDATE audit SET body = replace(body, 'user3@', 'user9@') WHERE seq = 3")
    with pytest.raises(Conflict, match="row 3 was changed"):
        await trail.sign()
    await trail.round()
    assert (await trail.verify()).signed_to == 0


TAMPERED = [
    ("UPDATE audit SET body = replace(body, 'user3@', 'user9@') WHERE seq = 3", 3),
    ("DELETE FROM audit WHERE seq = 4", 4),
    ("DELETE FROM audit WHERE seq = 1", 1),
    ("DELETE FROM audit WHERE seq > 6", 7),
    ("DELETE FROM audit WHERE seq > 6; UPDATE sqlite_sequence SET seq = 6 WHERE name = 'audit'", 7),
    ("UPDATE audit SET body = 'none' WHERE seq = 2", 2),
    ("UPDATE audit SET subject = 'secret-x' WHERE seq = 2", 2),
    ("UPDATE audit_statements SET hash = x'00' WHERE seq = 8", 8),
    ("UPDATE audit_statements SET signature = x'00' WHERE seq = 8", 8),
]


@pytest.mark.parametrize(("statements", "seq"), TAMPERED)
async def test_what_is_changed_in_the_database_is_found(store, trail, statements, seq):
    await fill(store, 8)
    await trail.sign()
    await intrude(store, *statements.split("; "))
    report = await trail.verify()
    assert report.problem
    assert report.seq == seq


@pytest.mark.parametrize("row", [1, 4, 8])
async def test_a_chain_that_was_made_to_fit_again_is_found_by_the_statement(store, trail, row):
    await fill(store, 8)
    await trail.sign()
    await intrude(store, f"UPDATE audit SET body = replace(body, 'user{row}@', 'nobody@') WHERE seq = {row}")
    await rewrite(store, row)
    report = await trail.verify()
    assert (report.seq, "is not the one that was signed" in report.problem) == (8, True)


async def test_statements_by_another_key_are_not_believed(store, clock, trail):
    await fill(store, 8)
    await trail.sign()
    await intrude(store, "DELETE FROM audit_statements", "DELETE FROM audit_signers")
    other = SealingVault(Keyring("k", {"k": b"x" * 32}))
    await trail_on(store, clock, vault=other).sign()
    report = await trail.verify()
    assert "signed by a key that is not known" in report.problem


async def test_a_tail_that_was_cut_with_its_statements_is_found_by_the_anchor(store, clock, tmp_path):
    trail = trail_on(store, clock, anchor=anchored_at(tmp_path / "anchor"))
    await fill(store, 5)
    await trail.sign()
    await fill(store, 3, begin=6)
    await trail.sign()
    await intrude(
        store,
        "DELETE FROM audit WHERE seq > 5",
        "DELETE FROM audit_statements WHERE seq > 5",
        "UPDATE sqlite_sequence SET seq = 5 WHERE name = 'audit'",
    )
    assert (await trail.verify()).problem == ""
    report = await trail.verify(anchors=anchored_in(tmp_path / "anchor"))
    assert (report.seq, "a statement was signed about them" in report.problem) == (6, True)


async def test_a_public_key_may_be_named_instead_of_the_keyring(store, clock, trail):
    await fill(store, 3)
    await trail.sign()
    stranger = trail_on(store, clock, vault=SealingVault(None))
    key = await trail.public_key()
    assert (await stranger.verify(public_keys=[key])).problem == ""
    assert "not known" in (await stranger.verify()).problem


# --- pruning -------------------------------------------------------------------------------------


async def test_old_rows_go_and_a_statement_stands_in_their_place(store, clock):
    trail = trail_on(store, clock, keep_days=1)
    await fill(store, 40)
    clock.advance(seconds=40 * 3600)
    await trail.round()
    report = await trail.verify()
    assert (report.problem, report.first, report.seq, report.unsigned) == ("", 16, 40, 0)
    assert (await store.read(lambda tx: tx.audit.verify())) is None
    await fill(store, 1, begin=41)
    assert (await trail.verify()).problem == ""


async def test_a_trail_of_which_all_was_pruned_goes_on(store, clock, trail):
    await fill(store, 5)
    assert await trail.prune(entry(100).at) == 5
    await fill(store, 2, begin=6)
    report = await trail.verify()
    assert (report.problem, report.first, report.seq) == ("", 6, 7)


async def test_a_pruning_that_was_killed_goes_on_and_hides_nothing(store, clock, trail):
    await fill(store, 10)
    await trail.prune(entry(4).at)
    walk = await trail.verify()
    assert walk.first == 4
    await fill(store, 1, begin=11)
    signer = await trail._signer()
    found = await store.read(lambda tx: tx.audit.row(8))
    half = trail._statement(signer, PRUNED, first=1, before=GENESIS, seq=8, digest=found.hash)
    await store.write(lambda tx: tx.audit.state(half))  # and then the plug was pulled
    assert (await trail.verify()).first == 9
    assert await trail.prune(entry(1).at) == 5
    assert (await trail.verify()).problem == ""


async def test_rows_do_not_go_without_a_statement_nor_by_a_forged_one(store, clock, trail):
    await fill(store, 5)
    with suppress(Exception):
        await store.write(lambda tx: tx.audit.prune(upto=3, most=10))
    assert (await trail.verify()).rows == 5
    row = await store.read(lambda tx: tx.audit.row(3))
    forged = Statement(PRUNED, 1, GENESIS, 3, row.hash, clock(), await trail.public_key(), b"x" * 64)
    await store.write(lambda tx: tx.audit.state(forged))
    assert "not genuine" in (await trail.verify()).problem


async def test_a_broken_trail_is_not_pruned(store, trail):
    await fill(store, 10)
    await intrude(store, "UPDATE audit SET body = replace(body, 'user3@', 'user9@') WHERE seq = 3")
    assert await trail.prune(entry(8).at) == 0
    assert len(await store.read(lambda tx: tx.audit.rows(after=0, most=99))) == 10


# --- exports -------------------------------------------------------------------------------------


async def test_an_export_is_verified_without_the_server(store, trail):
    await fill(store, 12)
    lines = await exported(trail)
    report = verified(lines, [await trail.public_key()], SIGNING.check)
    assert (report.problem, report.rows, report.first, report.seq, report.unsigned) == ("", 12, 1, 12, 0)
    row = json.loads(lines[3])
    assert (row["seq"], row["actor"], row["detail"][1]) == (3, "user3@example.com", ["peer", "192.0.2.3"])


async def test_an_export_of_a_stretch_holds_that_and_is_verified_too(store, trail):
    await fill(store, 30)
    lines = await exported(trail, since=entry(10).at, until=entry(20).at)
    assert [json.loads(line)["seq"] for line in lines[1:-1]] == list(range(10, 20))
    assert verified(lines, [await trail.public_key()], SIGNING.check).problem == ""
    nothing = await exported(trail, since=entry(100).at)
    assert verified(nothing, [await trail.public_key()], SIGNING.check).rows == 0


async def test_an_export_of_a_broken_trail_has_no_signed_end(store, trail):
    await fill(store, 6)
    await intrude(store, "UPDATE audit SET body = replace(body, 'user3@', 'user9@') WHERE seq = 3")
    got = list[bytes]()

    async def take() -> None:
        async for line in trail.export():
            got.append(line)

    with pytest.raises(Conflict, match="without its signed end"):
        await take()
    assert "missing" in verified(got, [await trail.public_key()], SIGNING.check).problem


async def _sample() -> tuple[list[bytes], str]:
    store, clock = SqliteStore.memory(), ManualClock()
    try:
        trail = trail_on(store, clock)
        await fill(store, 9)
        return await exported(trail), await trail.public_key()
    finally:
        await store.close()


@pytest.fixture(scope="module")
def sample():
    import asyncio  # noqa: PLC0415

    return asyncio.run(_sample())


@settings(max_examples=400)
@given(data=st.data())
def test_whatever_is_changed_in_an_export_is_found(sample, data):
    lines, key = list(sample[0]), sample[1]
    place = data.draw(st.integers(0, len(lines) - 1))
    match data.draw(st.sampled_from(["drop", "swap", "repeat", "byte", "cut", "move", "insert"])):
        case "drop":
            del lines[place]
        case "swap":
            other = data.draw(st.integers(0, len(lines) - 1).filter(lambda each: each != place))
            lines[place], lines[other] = lines[other], lines[place]
        case "repeat":
            lines.insert(place, lines[place])
        case "byte":
            at = data.draw(st.integers(0, len(lines[place]) - 1))
            was = lines[place][at]
            new = data.draw(st.integers(0, 255).filter(lambda each: each != was))
            whole = b"".join(lines[:place]) + lines[place][:at] + bytes([new]) + lines[place][at + 1 :]
            lines = (whole + b"".join(lines[place + 1 :])).splitlines(keepends=True)
        case "cut":
            lines = lines[:place]
        case "move":
            lines.insert(
                data.draw(st.integers(0, len(lines) - 1).filter(lambda to: to != place)), lines.pop(place)
            )
        case "insert":
            lines.insert(place, data.draw(st.binary(max_size=60)).replace(b"\n", b"") + b"\n")
    if lines == sample[0]:
        return
    assert verified(lines, [key], SIGNING.check).problem


def test_an_export_by_another_key_is_not_believed(sample):
    _, stranger = SIGNING.new()
    assert "not known" in verified(sample[0], [stranger], SIGNING.check).problem


async def test_a_trail_whose_signing_key_is_lost_is_closed_and_goes_on_under_another(store, clock):
    anchored = []
    old = trail_on(store, clock)
    await fill(store, 30)
    await old.sign()
    await old.prune(NOON + timedelta(hours=10))
    [lost] = [await old.public_key()]
    trail = trail_on(store, clock, vault=SealingVault(Keyring("n", {"n": b"n" * 32})), anchor=anchored.append)
    assert "not known" in (await trail.verify()).problem
    assert await trail.lost_signers() == (lost,)
    closed = await trail.close(actor="admin")
    assert (closed.seq, anchored) == (30, [closed])
    await fill(store, 5, begin=31)
    await trail.sign()
    report = await trail.verify()
    assert (report.problem, report.closed_to, report.signed_to) == ("", 30, 36)
    [noted] = [row.entry for row in await store.read(lambda tx: tx.audit.rows(after=30, most=1))]
    assert (noted.actor, noted.action) == ("admin", "audit.closed")
    assert lost in dict(noted.detail)["keys"]
    with pytest.raises(Conflict, match="nothing to close"):
        await trail.close(actor="admin")
    both = (await trail.public_key(), lost)
    assert (await trail.verify(public_keys=both)).problem == ""


async def test_what_is_done_to_closed_rows_afterwards_is_found(store, clock):
    await fill(store, 10)
    await trail_on(store, clock).sign()
    trail = trail_on(store, clock, vault=SealingVault(Keyring("n", {"n": b"n" * 32})))
    await trail.close(actor="admin")
    await intrude(store, "UPDATE audit SET body = replace(body, 'user4@', 'nobody@') WHERE seq = 4")
    await rewrite(store, 4)
    assert "row 10 is not the one that was signed" in (await trail.verify()).problem
    await intrude(store, "UPDATE audit_statements SET seq = 3 WHERE kind = 'closed'")
    assert "statement about row 3 is not genuine" in (await trail.verify()).problem


async def test_a_trail_that_does_not_hold_together_is_not_closed(store, clock):
    await fill(store, 10)
    await trail_on(store, clock).sign()
    await intrude(store, "DELETE FROM audit WHERE seq = 5")
    trail = trail_on(store, clock, vault=SealingVault(Keyring("n", {"n": b"n" * 32})))
    with pytest.raises(Conflict, match="row 5 is missing"):
        await trail.close(actor="admin")
    assert len(await trail.lost_signers()) == 1
