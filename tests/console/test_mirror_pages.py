"""Mirrors in the console: the form, what it refuses, how a mirror fares, taking it away."""

from __future__ import annotations

from parts.world import docker_draft
from towline.domain.mirror import MirrorPlace, PlaceState

FORM = {"namespaces": "web, shop", "selector": "", "accounts": "default", "object_name": "", "nudge": "yes"}


async def test_a_mirror_is_asked_for_seen_and_taken_away(jane, world):
    await world.secrets.create(world.access, docker_draft())
    assert "Mirror it into namespaces" in await jane.see("/secrets/pull")
    assert "Whoever may read secrets there can read it" in await jane.see("/secrets/pull/mirror")
    answer = await jane.send("/secrets/pull/mirror", FORM)
    assert answer.headers["location"].endswith("/secrets/pull")
    [state] = await world.mirrors.list(world.access, "pull")
    assert (state.mirror.namespaces, state.mirror.accounts, state.mirror.nudge) == (
        ("web", "shop"),
        ("default",),
        True,
    )
    guid = state.mirror.guid
    place = MirrorPlace(
        guid, "web", PlaceState.WAITING, "there is no service account default yet", version=1, pods=("a-pod",)
    )
    await world.store.write(lambda tx: tx.mirrors.set_places(guid, [place]))
    page = await jane.see("/secrets/pull")
    assert "waiting: there is no service account default yet<br>a-pod" in page
    assert "Exactly what was put into the cluster" in await jane.see(f"/secrets/pull/mirror/{guid}/remove")
    await jane.send(f"/secrets/pull/mirror/{guid}/remove")
    assert "leaving" in await jane.see("/secrets/pull")


async def test_what_is_not_right_is_said_beside_its_field(jane, world):
    await world.secrets.create(world.access, docker_draft())
    answer = await jane.send("/secrets/pull/mirror", FORM | {"namespaces": "web finance"})
    assert answer.status_code == 400
    assert 'id="namespaces-error"' in answer.text
    assert "may not be chosen in this installation" in answer.text
    assert 'value="web finance"' in answer.text
    answer = await jane.send("/secrets/pull/mirror", FORM | {"selector": "team web"})
    assert 'id="selector-error"' in answer.text
    assert await jane.see("/secrets/absent/mirror", status=404)


async def test_the_cluster_is_chosen_where_there_are_several(jane, world):
    await world.secrets.create(world.access, docker_draft())
    assert 'name="engine"' not in await jane.see("/secrets/pull/mirror")
    world.clusters.append("prod")
    page = await jane.see("/secrets/pull/mirror")
    assert '<label class="form-label" for="engine">Cluster</label>' in page
    assert '<option value="kubernetes">kubernetes</option><option value="prod">prod</option>' in page
    answer = await jane.send("/secrets/pull/mirror", FORM | {"engine": "prod", "namespaces": "web"})
    assert 'id="namespaces-error"' in answer.text
    assert '<option value="prod" selected>' in answer.text
    answer = await jane.send("/secrets/pull/mirror", FORM | {"engine": "prod", "namespaces": "apps"})
    assert answer.headers["location"].endswith("/secrets/pull")
    assert "on prod" in await jane.see("/secrets/pull")
