from dataclasses import replace

import pytest
from store_samples import ALPHA, BETA, all_pages, deployment, later, spec

from towline.domain.causes import FindingCode
from towline.domain.deployment import (
    Dependency,
    DeploymentStatus,
    ExecutableState,
    ExecutableStatus,
    LayerProgress,
    Phase,
    Status,
)
from towline.domain.errors import Conflict, NotFound
from towline.domain.findings import Exchange, Finding
from towline.domain.listing import LabelSelector, Page
from towline.domain.package import EnvVar, RestartPolicy
from towline.ports import DeploymentQuery

RICH_STATUS = DeploymentStatus(
    Phase.PROVISIONING,
    Status.ERROR,
    ("DEP_E153",),
    (Finding(FindingCode.TAG_NOT_FOUND, evidence=(Exchange("GET", "https://r", "/v2/", error="ä"),)),),
    (
        ExecutableStatus(
            "app",
            "r/app:1",
            ExecutableState.ERROR,
            restart_count=3,
            layers=(LayerProgress("sha256:00", size=10, received=4),),
        ),
    ),
    generation=2,
    serving=1,
    attempts=4,
    changed_at=later(0.000001),
)


async def with_deployments(store, *deployments, due=0):
    def change(tx):
        for each in deployments:
            tx.deployments.add(each, due=later(due))

    await store.write(change)


async def get(store, name, *, guid="", project=ALPHA):
    return await store.read(lambda tx: tx.deployments.get(project.guid, name, guid=guid))


async def page_of(store, **query):
    asked = DeploymentQuery(**query)
    listing = await store.read(lambda tx: tx.deployments.page(ALPHA.guid, Page(), query=asked))
    return [each.name for each in listing.items]


async def test_a_deployment_comes_back_as_it_was_by_name_and_by_guid(store):
    made = deployment("talker", plan=spec(secrets=["pull", "other"], values_of=["keys"]), labels={"a": "b"})
    wish = replace(
        made.wish,
        environment=(EnvVar("A", "b"), EnvVar("UNSET")),
        dependencies=(Dependency("db", wait=True),),
        restart=RestartPolicy.NEVER,
    )
    made = replace(made, wish=wish, status=RICH_STATUS)
    await with_deployments(store, made)
    assert await get(store, "talker") == made
    assert await get(store, made.guid) == made
    assert await get(store, "whatever", guid=made.guid) == made
    assert await get(store, "talker", project=BETA) is None
    assert await get(store, "talker", guid=made.guid, project=BETA) is None


async def test_a_live_name_is_taken_and_free_again_once_its_deployment_is_deleted(store):
    first = deployment("talker", guid="dep-first")
    await with_deployments(store, first, deployment("talker", guid="dep-b", project_guid=BETA.guid))
    with pytest.raises(Conflict, match="'talker' exists"):
        await with_deployments(store, deployment("talker", guid="dep-second"))
    await store.write(lambda tx: tx.deployments.wish(first.stopped(at=later(1)), due=later(1)))
    second = deployment("talker", guid="dep-second")
    await with_deployments(store, second)
    assert await get(store, "talker") == second
    assert await get(store, "dep-first") is None
    assert await get(store, "", guid="dep-first") == first.stopped(at=later(1))


async def test_a_wish_replaces_its_own_half_and_leaves_the_status(store):
    made = deployment("talker")
    await with_deployments(store, replace(made, status=RICH_STATUS))
    wish = replace(made.wish, package_version="v2", document=b"{}")
    wished = made.wished_again(wish, labels={"new": "yes"}, at=later(5))
    await store.write(lambda tx: tx.deployments.wish(wished, due=later(5)))
    assert await get(store, "talker") == replace(wished, status=RICH_STATUS)
    assert await page_of(store, package_version="v2") == ["talker"]
    assert await page_of(store, package_version="v1") == []


async def test_a_wish_for_a_deployment_that_is_gone_raises_not_found(store):
    with pytest.raises(NotFound):
        await store.write(lambda tx: tx.deployments.wish(deployment("talker"), due=later(0)))


async def test_a_list_holds_what_the_query_asks_for_and_the_deleted_only_by_name_of_their_phase(store):
    gone = deployment("gone", labels={"team": "red"})
    running = replace(
        deployment("running", package_name="other"), status=DeploymentStatus(Phase.SUCCEEDED, Status.RUNNING)
    )
    await with_deployments(store, deployment("new", version="v2", labels={"team": "red"}), gone, running)
    await store.write(lambda tx: tx.deployments.wish(gone.stopped(at=later(1)), due=later(1)))
    red = LabelSelector((("team", "red"),))
    assert await page_of(store) == ["new", "running"]
    assert await page_of(store, phases=[Phase.STOPPED]) == ["gone"]
    assert await page_of(store, phases=[Phase.STOPPED, Phase.SUCCEEDED]) == ["gone", "running"]
    assert await page_of(store, names=["running", "gone"]) == ["running"]
    assert await page_of(store, guids=["dep-new", "dep-gone"]) == ["new"]
    assert await page_of(store, names=["new"], guids=["dep-running"]) == []
    assert await page_of(store, package_name="other") == ["running"]
    assert await page_of(store, package_name="talker", package_version="v2") == ["new"]
    assert await page_of(store, selector=red) == ["new"]
    assert await page_of(store, selector=red, phases=[Phase.STOPPED]) == ["gone"]


async def test_pages_of_deployments_come_in_order_of_creation(store):
    made = [deployment(name) for name in ("c", "a", "b")]
    await with_deployments(store, *made, deployment("d", project_guid=BETA.guid))

    def ask(tx):
        query = DeploymentQuery()
        return all_pages(lambda page: tx.deployments.page(ALPHA.guid, page, query=query), limit=2)

    assert await store.read(ask) == [made[:2], made[2:]]


async def test_a_secret_is_used_by_the_live_deployments_that_name_it_in_any_way(store):
    pulls = deployment("pulls", plan=spec(secrets=["pull"]))
    reads = deployment("reads", plan=spec(values_of=["secret-guid"]))
    gone = deployment("gone", plan=spec(secrets=["pull"]))
    elsewhere = deployment("elsewhere", project_guid=BETA.guid, plan=spec(secrets=["pull"]))
    await with_deployments(store, reads, pulls, gone, elsewhere, deployment("without"))
    await store.write(lambda tx: tx.deployments.wish(gone.stopped(at=later(1)), due=later(1)))
    both = await store.read(lambda tx: tx.deployments.using_secret(ALPHA.guid, ["pull", "secret-guid"]))
    assert [each.name for each in both] == ["reads", "pulls"]
    assert await store.read(lambda tx: tx.deployments.users_of(ALPHA.guid, ["pull", "secret-guid"])) == 2
    again = pulls.wished_again(replace(pulls.wish, plan=spec()), labels={}, at=later(2))
    await store.write(lambda tx: tx.deployments.wish(again, due=later(2)))
    assert await store.read(lambda tx: tx.deployments.users_of(ALPHA.guid, ["pull"])) == 0
    assert await store.read(lambda tx: tx.deployments.using_secret(ALPHA.guid, ["pull"])) == ()
    assert await store.read(lambda tx: tx.deployments.using_secret(ALPHA.guid, [])) == ()


async def test_a_secret_may_be_used_by_more_deployments_than_fit_on_a_page(store):
    await with_deployments(store, *(deployment(f"d{n}", plan=spec(secrets=["pull"])) for n in range(501)))
    assert len(await store.read(lambda tx: tx.deployments.using_secret(ALPHA.guid, ["pull"]))) == 501


async def test_the_living_are_counted_by_status_and_listed_by_one(store):
    wrong = replace(deployment("wrong"), status=RICH_STATUS)
    gone = deployment("gone")
    elsewhere = replace(deployment("elsewhere", project_guid=BETA.guid), status=RICH_STATUS)
    await with_deployments(store, deployment("a"), wrong, gone, elsewhere)
    await store.write(lambda tx: tx.deployments.wish(gone.stopped(at=later(1)), due=later(1)))
    counts = await store.read(lambda tx: tx.deployments.counts(ALPHA.guid))
    assert counts == {Status.PENDING: 1, Status.ERROR: 1}
    assert await store.read(lambda tx: tx.deployments.in_status(ALPHA.guid, Status.ERROR)) == (wrong,)


async def test_the_living_of_all_projects_are_told(store):
    gone = deployment("gone")
    await with_deployments(store, deployment("a"), gone, deployment("b", project_guid=BETA.guid))
    await store.write(lambda tx: tx.deployments.wish(gone.stopped(at=later(1)), due=later(1)))
    assert await store.read(lambda tx: tx.deployments.live_guids()) == {"dep-a", "dep-b"}
