"""How PostgreSQL finds rows: by an index, and without sorting what an index has in order."""

import pytest
from store_samples import ALPHA, deployment, later, pull_secret

from towline.domain.listing import LabelSelector, Page
from towline.ports import DeploymentQuery
from towline.store.postgres.connection import Connection
from towline.store.rows import AllRows

ANY = LabelSelector()
LABELLED = LabelSelector.parse(["team=blue"])

QUESTIONS = {
    "a secret by name": lambda tx: tx.secrets.get(ALPHA.guid, "pull-50"),
    "a document by guid": lambda tx: tx.secrets.document(ALPHA.guid, "secret-project-alpha-pull-50"),
    "a page of documents": lambda tx: tx.secrets.documents(ALPHA.guid, Page(after=40), selector=ANY),
    "secrets by names": lambda tx: tx.secrets.page(ALPHA.guid, Page(), selector=ANY, names=["pull-3"]),
    "a shelf": lambda tx: tx.secrets.by_name(ALPHA.guid, after="pull-2", most=50),
    "secrets of a registry": lambda tx: tx.secrets.of_registry(ALPHA.guid, "nowhere.example.com"),
    "what is due": lambda tx: tx.deployments.next_due(),
    "the trail of a subject": lambda tx: tx.audit.page(Page(), subject="secret-1"),
    "a token": lambda tx: tx.accounts.token(b"digest"),
    "deliveries due": lambda tx: tx.events.next_due(),
    "proofs due": lambda tx: tx.schedule.next_due(),
}


class Explaining(Connection):
    """Keeps the plan of every statement that it runs."""

    def __init__(self, raw):
        super().__init__(raw)
        self.plans = []

    def execute(self, sql, parameters=(), /):
        found = super().execute(f"EXPLAIN {sql}", parameters).fetchall()
        self.plans.append("\n".join(line for (line,) in found))
        return super().execute(sql, parameters)


@pytest.fixture
async def full_store(postgres_store):
    """A store with enough rows for a plan to matter, and statistics about them."""

    def fill(tx):
        for number in range(3000):
            labels = {"team": "blue"} if number % 500 == 0 else {"team": "red", "rack": str(number)}
            tx.secrets.add(pull_secret(f"pull-{number}", labels=labels))
        for number in range(300):
            tx.deployments.add(deployment(f"d{number}"), due=later(number))

    await postgres_store.write(fill)
    await postgres_store.write(lambda tx: tx.settings._connection.execute("ANALYZE"))
    return postgres_store


async def plans(store, question):
    def explained(tx):
        explaining = Explaining(tx.settings._connection.raw)
        question(AllRows(explaining))
        return explaining.plans

    return await store.read(explained)


async def test_each_question_finds_its_rows_by_an_index(full_store):
    found = {what: await plans(full_store, ask) for what, ask in QUESTIONS.items()}
    assert {what: each for what, each in found.items() if "Seq Scan on secrets" in "\n".join(each)} == {}
    assert {what: each for what, each in found.items() if "Seq Scan on deployments" in "\n".join(each)} == {}
    sorted_pages = {what: found[what] for what in ("a page of documents", "a shelf")}
    assert {what: each for what, each in sorted_pages.items() if "Sort" in "\n".join(each)} == {}


async def test_a_list_by_label_walks_the_project_once_and_opens_only_rows_with_the_key(full_store):
    (plan,) = await plans(full_store, lambda tx: tx.secrets.documents(ALPHA.guid, Page(), selector=LABELLED))
    assert "strpos(labels, " in plan, plan
    assert plan.count("on secrets") == 1, plan
    found = await full_store.survey(lambda tx: tx.secrets.page(ALPHA.guid, Page(), selector=LABELLED))
    assert len(found.items) == 6


async def test_deployments_by_label_and_name_use_the_projects_index(full_store):
    query = DeploymentQuery(selector=LABELLED, names=("d3",))
    (plan,) = await plans(full_store, lambda tx: tx.deployments.page(ALPHA.guid, Page(), query=query))
    assert "Seq Scan on deployments" not in plan, plan
