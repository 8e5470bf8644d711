"""Keys: listed, added, rotated while writes go on, retired; what a lost one takes with it."""

import asyncio
import gc
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from parts.world import REGISTRY, World, docker_draft, opaque_draft, present, small_world
from towline.domain.audit import Door
from towline.domain.causes import FindingCode
from towline.domain.credential import Password
from towline.domain.errors import Conflict, NotFound
from towline.domain.events import WebhookDraft
from towline.domain.keys import Progress
from towline.domain.package import SecretKeyRef
from towline.domain.proof import Verdict
from towline.ports import Binding
from towline.services.key_watch import KeyWatch
from towline.services.keys import Keys
from towline.store.custody import Custody
from towline.store.keyring import Keyring
from towline.store.keyring_places import FilePlace, GivenPlace
from towline.store.vault import SealingVault

ADMIN = "admin:test"


@dataclass
class Kept:
    """A world whose keyring is a file, as a server's is, and an administrator beside it."""

    world: World
    place: FilePlace
    vault: SealingVault
    keys: Keys
    watch: KeyWatch

    async def ids(self):
        return [state.id for state in await self.keys.list()]

    async def secret(self, name):
        return await self.world.secrets.get(self.world.access, name)


@pytest.fixture
async def kept(tmp_path):
    async with _kept(tmp_path / "keyring.json") as made:
        yield made


@asynccontextmanager
async def _kept(path):
    Keyring.at(path)
    place = FilePlace(path)
    vault = SealingVault(place.now(), place=place)
    async with small_world(vault=vault) as world:
        # what administers is another process: it has a vault of its own on the same file
        beside = SealingVault(place.now(), place=FilePlace(path))
        keys = Keys(store=world.store, custody=Custody(beside, FilePlace(path)), clock=world.clock)
        custody = Custody(vault, place)
        watch = KeyWatch(store=world.store, custody=custody, present=present, clock=world.clock)
        world.prover.registry(REGISTRY, robot="hunter2")
        yield Kept(world, place, vault, keys, watch)


async def _fill(kept, count=3):
    world = kept.world
    for number in range(count):
        await world.secrets.create(world.access, opaque_draft(f"keys-{number}", VALUE=f"value-{number}"))
    await world.secrets.create(world.access, docker_draft())
    draft = WebhookDraft.checked("hook", url="https://hooks.example.com/x", form="json", kinds=())
    await world.webhooks.create(world.access, draft)


async def _opens(kept, name):
    record = await kept.world.store.read(lambda tx: tx.secrets.get(kept.world.access.project.guid, name))
    metadata = record.secret.metadata
    binding = Binding(metadata.project_guid, metadata.guid, version=metadata.version)
    return (await kept.vault.open(record.sealed, binding)).reveal()


async def test_keys_are_listed_with_what_stands_under_them(kept):
    await _fill(kept)
    (only,) = await kept.keys.list()
    assert (only.active, only.uses) == (True, {"secret": 4, "webhook": 1})
    assert only.place.startswith("file /")


async def test_a_rotation_moves_every_value_and_says_how_far_it_is(kept):
    await _fill(kept)
    (before,) = await kept.ids()
    told = []
    outcome = await kept.keys.rotate(actor=ADMIN, told=told.append)
    assert (outcome.moved, outcome.unreadable) == (5, [])
    assert told == [Progress(0, 5), Progress(4, 5), Progress(5, 5)]
    after, old = await kept.keys.list()
    assert (after.active, after.used, old.id, old.used) == (True, 5, before, 0)
    assert await _opens(kept, "keys-2") == '{"VALUE": "value-2"}'


async def test_a_server_that_runs_seals_under_the_new_key_at_once(kept):
    await _fill(kept)
    outcome = await kept.keys.rotate(actor=ADMIN)
    await kept.world.secrets.create(kept.world.access, opaque_draft("later"))
    (active, _) = await kept.keys.list()
    assert (active.id, active.used) == (outcome.active, 6)


async def test_a_key_that_was_added_is_rotated_to_when_one_says_so(kept):
    await _fill(kept)
    added = await kept.keys.add(actor=ADMIN)
    assert not next(state for state in await kept.keys.list() if state.id == added).active
    assert (await kept.keys.rotate(actor=ADMIN, to=added)).active == added
    with pytest.raises(NotFound):
        await kept.keys.rotate(actor=ADMIN, to="none")


async def test_a_key_in_use_or_active_is_not_retired_and_an_unused_one_is_gone(kept):
    await _fill(kept)
    (old,) = await kept.ids()
    with pytest.raises(Conflict, match="is the active one"):
        await kept.keys.retire(old, actor=ADMIN)
    added = await kept.keys.add(actor=ADMIN)
    await kept.keys._custody.activate(added)
    with pytest.raises(Conflict, match="5 values still stand under it"):
        await kept.keys.retire(old, actor=ADMIN)
    await kept.keys.rotate(actor=ADMIN)
    assert await kept.keys.retire(old, actor=ADMIN) == ""
    assert old not in await kept.ids()
    assert old not in kept.place.now().keys
    with pytest.raises(NotFound):
        await kept.keys.retire("k-none", actor=ADMIN)
    assert await _opens(kept, "keys-0") == '{"VALUE": "value-0"}'


async def test_nothing_comes_to_stand_under_a_key_that_was_retired_meanwhile(kept):
    await _fill(kept)
    (old,) = await kept.ids()
    stale = SealingVault(kept.place.now(), place=GivenPlace(kept.place.now()))
    await kept.keys.rotate(actor=ADMIN)
    await kept.keys.retire(old, actor=ADMIN)
    record = await kept.world.store.read(lambda tx: tx.secrets.get(kept.world.access.project.guid, "keys-0"))
    metadata = record.secret.metadata.replaced(labels={}, at=kept.world.clock())
    binding = Binding(metadata.project_guid, metadata.guid, version=metadata.version)
    late = replace(
        record,
        secret=replace(record.secret, metadata=metadata),
        sealed=await stale.seal(Password("late"), binding),
    )
    with pytest.raises(Conflict, match="was retired"):
        await kept.world.store.write(lambda tx: tx.secrets.save(late))
    assert await _opens(kept, "keys-0") == '{"VALUE": "value-0"}'


async def test_writes_go_on_while_everything_is_moved_and_none_is_lost(kept):
    world, names = kept.world, [f"keys-{number}" for number in range(600)]
    await asyncio.gather(
        *(world.secrets.create(world.access, opaque_draft(name, VALUE="0")) for name in names)
    )
    (old,) = await kept.ids()
    rotating = asyncio.create_task(kept.keys.rotate(actor=ADMIN))
    written = 0
    while not rotating.done():
        changed = names[written % 600 : written % 600 + 40]
        await asyncio.gather(
            *(world.secrets.replace(world.access, name, opaque_draft(name, VALUE="1")) for name in changed)
        )
        written += 40
    outcome = await rotating
    states = {state.id: state.used for state in await kept.keys.list()}
    assert states == {outcome.active: 600, old: 0}
    values = {name: await _opens(kept, name) for name in names}
    for place, name in enumerate(names):
        assert values[name] == ('{"VALUE": "1"}' if place < written else '{"VALUE": "0"}')
    await kept.keys.retire(old, actor=ADMIN)


async def test_a_value_that_changed_after_it_was_read_is_not_put_back(kept):
    await _fill(kept, 1)
    world = kept.world
    values = await world.store.read(lambda tx: tx.keys.sealed("secret", after="", most=9))
    mine = next(value for value in values if value.name == "keys-0")
    await world.secrets.replace(world.access, "keys-0", opaque_draft("keys-0", VALUE="newer"))
    renewed = await kept.vault.rewrap(mine.sealed, mine.binding)
    assert not await world.store.write(lambda tx: tx.keys.rewrapped(mine, renewed))
    assert await _opens(kept, "keys-0") == '{"VALUE": "newer"}'


async def test_a_rotation_that_was_broken_off_goes_on_without_another_key(kept):
    await _fill(kept)

    class PulledPlug(Exception):
        pass

    def plug(progress):
        if progress.done == 4:
            raise PulledPlug

    with pytest.raises(PulledPlug):
        await kept.keys.rotate(actor=ADMIN, told=plug)
    target = await kept.keys.unfinished()
    outcome = await kept.keys.rotate(actor=ADMIN)
    assert (outcome.active, outcome.moved) == (target, 1)
    assert await kept.keys.unfinished() == ""
    assert len(await kept.ids()) == 2


async def test_a_keyring_that_others_keep_is_moved_to_and_not_written(kept):
    await _fill(kept)
    given = kept.place.now().with_key("theirs", b"t" * 32).activated("theirs")
    vault = SealingVault(given, place=GivenPlace(given))
    keys = Keys(store=kept.world.store, custody=Custody(vault, GivenPlace(given)), clock=kept.world.clock)
    with pytest.raises(Conflict, match="not Towline's to change"):
        await keys.add(actor=ADMIN)
    outcome = await keys.rotate(actor=ADMIN)
    assert (outcome.active, outcome.moved) == ("theirs", 5)
    with pytest.raises(Conflict, match="not Towline's to change"):
        await keys.rotate(actor=ADMIN)  # nothing is left to be moved
    (old,) = set(given.keys) - {"theirs"}
    assert "take it out where it is kept" in await keys.retire(old, actor=ADMIN)


async def test_what_is_done_with_keys_is_in_the_audit_trail(kept):
    await _fill(kept, 0)
    (old,) = await kept.ids()
    await kept.keys.rotate(actor=ADMIN)
    await kept.keys.retire(old, actor=ADMIN)
    rows = [(actor, action) for actor, action, *_ in await kept.world.rows() if action.startswith("key")]
    assert rows == [(ADMIN, "key.activated"), (ADMIN, "keys.rewrapped"), (ADMIN, "key.retired")]


# --- a lost key ----------------------------------------------------------------------------------


def _lose(kept):
    """Take the keyring away and begin a new one, as one does who has no backup; return the lost one."""
    lost = kept.place.now()
    kept.place._path.unlink()
    made, _ = Keyring.at(kept.place._path)
    kept.vault._take(made)
    return lost


async def test_a_lost_key_is_told_with_all_that_it_takes_along(kept):
    await _fill(kept, 1)
    lost = _lose(kept)
    state = next(state for state in await kept.keys.list() if state.is_lost)
    assert (state.id, state.used) == (lost.active, 3)
    told = [(each.kind, each.name, each.project) for each in await kept.keys.lost()]
    assert sorted(told) == [
        ("secret", "keys-0", "demo"),
        ("secret", "pull", "demo"),
        ("webhook", "hook", "demo"),
    ]
    assert {each.guid for each in await kept.keys.unreadable()} == {
        each.guid for each in await kept.keys.lost()
    }


async def test_each_secret_of_a_lost_key_shows_a_finding_and_can_be_entered_anew(kept):
    await _fill(kept, 1)
    _lose(kept)
    await kept.watch.round()
    docker, opaque = await kept.secret("pull"), await kept.secret("keys-0")
    assert docker.standing.finding.code is opaque.finding.code is FindingCode.SECRET_UNREADABLE
    world = kept.world
    await world.secrets.replace(world.access, "pull", docker_draft())
    await world.secrets.replace(world.access, "keys-0", opaque_draft("keys-0", VALUE="anew"))
    assert (await kept.secret("keys-0")).finding is None
    assert (await kept.secret("pull")).standing.finding is None
    assert await _opens(kept, "keys-0") == '{"VALUE": "anew"}'
    await kept.watch.round()
    assert (await kept.secret("keys-0")).finding is None


async def test_nothing_else_breaks_with_a_lost_key(kept):
    await _fill(kept, 1)
    _lose(kept)
    await kept.watch.round()
    world = kept.world
    await world.secrets.create(world.access, opaque_draft("fresh", VALUE="x"))
    proof, _ = await world.secrets.verify(world.access, "pull")
    assert proof.answer.finding.code is FindingCode.SECRET_UNREADABLE
    outcome = await kept.keys.rotate(actor=ADMIN)
    assert outcome.moved == 1
    assert {each.name for each in outcome.unreadable} == {"keys-0", "pull", "hook"}
    await world.secrets.delete(world.access, "keys-0")


async def test_the_finding_goes_when_the_key_is_back_and_the_secret_is_tried_again(kept):
    await _fill(kept, 1)
    lost = _lose(kept)
    await kept.watch.round()
    kept.place.change(lambda ring: ring.with_key(lost.active, lost.keys[lost.active]))
    await kept.watch.round()
    docker, opaque = await kept.secret("pull"), await kept.secret("keys-0")
    assert docker.standing.finding is opaque.finding is None
    assert docker.standing.verdict is Verdict.VERIFIED
    due = await kept.world.store.read(lambda tx: tx.schedule.next_due())
    assert due == kept.world.clock()


async def test_a_file_that_disappears_takes_nothing_from_a_server_that_runs(kept):
    await _fill(kept, 1)
    kept.place._path.unlink()
    await kept.world.secrets.create(kept.world.access, opaque_draft("still", VALUE="1"))
    assert await _opens(kept, "still") == '{"VALUE": "1"}'


async def test_a_changed_value_is_found_by_trying_all(kept):
    await _fill(kept, 1)
    await kept.world.misplace("keys-0")
    (only,) = await kept.keys.unreadable()
    assert (only.name, "moved" in only.reason) == ("keys-0", True)
    assert await kept.keys.lost() == []


# --- how long a plaintext lives ------------------------------------------------------------------


FIRST_HALF = "only-ever"
SECOND_HALF = "typed-once"
HALVES = FIRST_HALF, SECOND_HALF  # in lines of their own: the source's lines are kept in memory too


def _holders():
    """Return the kinds of objects within the collector's reach that hold the whole password or value."""
    gc.collect()
    found = []
    for holder in gc.get_objects():
        for each in gc.get_referents(holder):
            if isinstance(each, str | bytes | bytearray):
                text = each if isinstance(each, str) else bytes(each).decode("latin-1")
                if all(half in text for half in HALVES):
                    found.append(type(holder))
    return found


async def test_a_plaintext_is_gone_when_its_use_is_over(kept):
    world = kept.world
    project = world.access.project.guid
    await world.secrets.create(world.access, docker_draft(password="+".join(HALVES)))
    await world.secrets.create(world.access, opaque_draft(VALUE="+".join(HALVES)))
    held = [
        await world.keychain.login(project, "pull", door=Door.EXPORT, actor="somebody"),
        await world.keychain.value(project, SecretKeyRef("keys", "VALUE"), actor="somebody"),
    ]
    assert len(_holders()) >= 2  # the search does find what is alive
    held.clear()
    await kept.keys.rotate(actor=ADMIN)
    assert await kept.keys.unreadable() == []
    assert _holders() == []
