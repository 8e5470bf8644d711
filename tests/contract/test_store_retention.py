"""What is only history, and how it goes: by the rules, in small batches, and nothing else."""

from datetime import timedelta

from store_samples import ALPHA, BETA, JANE, deployment, later, pull_secret

from parts.fakes import NOON, ManualClock
from towline.domain.events import Event, EventKind, NoticeFormat, Webhook
from towline.domain.listing import Page
from towline.domain.proof import Answer, Proof, Verdict
from towline.domain.retention import Retention
from towline.services.pruning import BATCH, Pruning
from towline.services.tally import Tally

HOOK = Webhook(
    "hook-1", "ops", BETA.guid, "https://example.com/", NoticeFormat.JSON, kinds=(), created_at=NOON
)
DAY = 86400


def event(number: int, *, days: float = 0, project: str = ALPHA.guid) -> Event:
    return Event(f"event-{number}", project, EventKind.TEST, later(days * DAY), JANE.guid, "x")


def proof(number: int, image: str, *, days: float) -> Proof:
    secret = pull_secret("pull").secret.metadata.guid
    return Proof(
        f"proof-{number}", secret, 1, at=later(days * DAY), answer=Answer(Verdict.VERIFIED), image=image
    )


async def pruned(store, *, at_day: float, rules: Retention | None = None, rests: list | None = None) -> Tally:
    async def nothing() -> None:
        return None

    async def rest(seconds: float) -> None:
        if rests is not None:
            rests.append(seconds)

    tally = Tally()
    pruning = Pruning(
        store=store,
        clock=ManualClock(later(at_day * DAY)),
        rules=rules or Retention(),
        tally=tally,
        sweep=nothing,
        sleep=rest,
    )
    await pruning.round()
    return tally


async def events_of(store, project: str) -> list[str]:
    listing = await store.read(lambda tx: tx.events.page(project, Page(limit=500)))
    return [each.guid for each in listing.items]


async def test_events_go_by_age_and_by_number_of_each_project(store):
    def fill(tx):
        for number in range(10):
            tx.events.add(event(number, days=number))
            tx.events.add(event(100 + number, days=number, project=BETA.guid))
        for number in range(20, 25):
            tx.events.add(event(number, days=9))

    await store.write(fill)
    rules = Retention(events=timedelta(days=5), events_most=7)
    tally = await pruned(store, at_day=10, rules=rules)
    assert await events_of(store, ALPHA.guid) == [
        "event-8",
        "event-9",
        *(f"event-{n}" for n in range(20, 25)),
    ]
    assert await events_of(store, BETA.guid) == [f"event-{n}" for n in range(105, 110)]
    assert tally.counts["pruned", (("kind", "events"),)] == 13


async def test_an_event_whose_delivery_is_due_waits_for_it(store):
    def fill(tx):
        tx.webhooks.add(HOOK, b"sealed")
        tx.events.add(event(1, project=BETA.guid))

    await store.write(fill)
    await pruned(store, at_day=365)
    assert await events_of(store, BETA.guid) == ["event-1"]
    [due] = await store.write(lambda tx: tx.events.claim(now=later(1), until=later(2), most=9))
    await store.write(lambda tx: tx.events.settle(due, outcome="gone", due=None))
    await pruned(store, at_day=365)
    assert await events_of(store, BETA.guid) == []


async def test_the_newest_proof_of_each_image_stays_however_old(store):
    def fill(tx):
        tx.secrets.add(pull_secret("pull"))
        for number, (image, day) in enumerate([("", 0), ("a", 1), ("a", 2), ("", 3), ("a", 99)]):
            tx.proofs.add(proof(number, image, days=day))

    await store.write(fill)
    await pruned(store, at_day=100)
    secret = pull_secret("pull").secret.metadata.guid
    left = await store.read(lambda tx: tx.proofs.newest(secret))
    assert [each.guid for each in left] == ["proof-4", "proof-3"]


async def test_an_ended_deployment_goes_once_its_containers_are_gone(store):
    ended, busy, live = deployment("ended"), deployment("busy"), deployment("live")

    def fill(tx):
        for each in (ended, busy, live):
            tx.deployments.add(each, due=NOON)
        for each in (ended, busy):
            tx.deployments.wish(each.stopped(at=NOON), due=NOON)

    await store.write(fill)
    claims = await store.write(lambda tx: tx.deployments.claim("me", now=later(1), until=later(60), most=9))
    [claim] = [each for each in claims if each.deployment.guid == ended.guid]
    settle = {"due": None, "release": True, "until": later(60)}
    await store.write(lambda tx: tx.deployments.settle(claim, claim.deployment.status, **settle))
    await pruned(store, at_day=29)
    assert await guids(store) == {ended.guid, busy.guid, live.guid}
    await pruned(store, at_day=31)
    assert await guids(store) == {busy.guid, live.guid}


async def guids(store) -> set[str]:
    names = ("dep-ended", "dep-busy", "dep-live")
    found = await store.read(lambda tx: [tx.deployments.get(ALPHA.guid, "", guid=name) for name in names])
    return {each.guid for each in found if each is not None}


async def test_much_goes_in_small_batches_with_rests_between(store):
    await store.write(lambda tx: [tx.events.add(event(number)) for number in range(BATCH * 3 + 1)] and None)
    rests: list[float] = []
    await pruned(store, at_day=365, rests=rests)
    assert await events_of(store, ALPHA.guid) == []
    assert len(rests) == 4
