"""Views cost what they show: counted in rows that the store hands out, in a project with very many."""

from collections import Counter

import pytest

from parts.world import deployment_draft, docker_draft, opaque_draft, package_draft
from towline.domain.proof import Verdict
from towline.services.views import SHELF, Order, SecretFilter, Views

MANY = 700
USING = 12


class Counting:
    """The store of a world, which counts the rows that a question is handed, and where it is asked."""

    def __init__(self, store):
        self._store = store
        self.rows = Counter()
        self.ways = []

    async def read(self, question):
        self.ways.append("read")
        return await self._store.read(lambda tx: question(_Seen(tx, self.rows)))

    async def survey(self, question):
        self.ways.append("survey")
        return await self._store.survey(lambda tx: question(_Seen(tx, self.rows)))


class _Seen:
    def __init__(self, tx, rows):
        self._tx, self._rows = tx, rows

    def __getattr__(self, noun):
        return _Rows(getattr(self._tx, noun), noun, self._rows)


class _Rows:
    def __init__(self, real, noun, rows):
        self._real, self._noun, self._rows = real, noun, rows

    def __getattr__(self, name):
        def asked(*arguments, **named):
            answer = getattr(self._real, name)(*arguments, **named)
            listed = getattr(answer, "items", answer)
            self._rows[self._noun] += len(listed) if isinstance(listed, (tuple, list)) else 1
            return answer

        return asked


@pytest.fixture
def counting(world):
    return Counting(world.store)


@pytest.fixture
def views(counting):
    return Views(store=counting)


@pytest.fixture
async def crowd(world):
    """Many secrets and packages, a dozen deployments of one secret, and one secret that fails."""
    world.prover.registry("registry.example.com", robot="hunter2")
    for number in range(MANY):
        await world.secrets.create(world.access, opaque_draft(f"keys-{number:04}"))
        await world.packages.create(world.access, package_draft(f"quiet-{number:04}"))
    await world.secrets.create(world.access, docker_draft("wrong", password="wrong"))
    await world.secrets.create(world.access, docker_draft("pull"))
    await world.packages.create(world.access, package_draft("talker", secret="pull"))
    for number in range(USING):
        await world.deployments.create(world.access, deployment_draft(f"app-{number}", package="talker"))
    return world


async def test_the_overview_reads_what_needs_a_hand_and_counts_the_rest(crowd, views, counting):
    seen = await views.overview(crowd.access, is_near=lambda _: False)
    assert [each.metadata.name for each in seen.failing] == ["wrong"]
    assert seen.failing[0].standing.verdict is Verdict.FAILING
    assert (seen.secrets, seen.packages, seen.deployments) == (MANY + 2, MANY + 1, USING)
    assert (seen.running, seen.in_error, seen.expiring) == (0, (), [])
    assert counting.rows == {"secrets": 2, "packages": 1, "deployments": 1}
    assert counting.ways == ["survey"]


async def test_a_secrets_use_reads_what_names_it(crowd, views, counting):
    usage = await views.usage(crowd.access, "pull")
    assert len(usage.deployments) == USING
    assert [each.name for each in usage.packages] == ["talker"]
    assert counting.rows == {"secrets": 1, "packages": 1, "deployments": USING}
    assert counting.ways == ["survey"]


async def test_a_page_by_name_reads_a_page_on_the_loop(crowd, views, counting):
    shelf = await views.shelf(crowd.access, SecretFilter(), after=f"keys-{MANY - 10:04}")
    assert {line.secret.metadata.name: line.used_by for line in shelf.lines}["pull"] == USING
    full = await views.shelf(crowd.access, SecretFilter())
    assert len(full.lines) == SHELF
    assert counting.rows["secrets"] <= SHELF + 20
    assert counting.ways == ["read", "read"]


@pytest.mark.parametrize("order", [order for order in Order if order is not Order.NAME])
async def test_another_order_is_made_beside_the_loop(crowd, views, counting, order):
    shelf = await views.shelf(crowd.access, SecretFilter(), order=order)
    assert len(shelf.lines) == SHELF
    assert counting.ways == ["survey"]


async def test_a_search_is_made_beside_the_loop(crowd, views, counting):
    shelf = await views.shelf(crowd.access, SecretFilter("wron"))
    assert [line.secret.metadata.name for line in shelf.lines] == ["wrong"]
    await views.packages(crowd.access, text="talk")
    await views.deployments(crowd.access, text="app-1")
    assert counting.ways == ["survey"] * 3
