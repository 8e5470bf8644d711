"""The official SDK's blocking client against a live server: the minimum contract, call by call."""

from __future__ import annotations

from typing import Any

import pytest
from rapyuta_io_sdk_v2 import Client, walk_pages
from rapyuta_io_sdk_v2.exceptions import (
    HttpAlreadyExistsError,
    HttpNotFoundError,
    MethodNotAllowedError,
    UnauthorizedAccessError,
)

from parts.live import Live
from parts.sdk import configuration, deployment, docker_secret, opaque_secret, package
from parts.world import JANE, JANES_PASSWORD
from towline.domain.account import ProjectRole
from towline.domain.image import ImageReference
from towline.domain.package import PullPolicy
from towline.domain.registry import RegistrySettings
from towline.domain.workload import PullAccess, Workload, WorkloadExecutable

PASSWORD = "p@ss:word/1 €"


# --- signing in ---------------------------------------------------------------------------------------


def test_login_gives_a_token_that_opens_the_api(live: Live) -> None:
    client = Client(configuration(live, auth_token=""))
    client.login(JANE, JANES_PASSWORD)
    assert client.get_myself().spec.email_id == JANE
    assert client.get_subject(client.config.auth_token)["data"]["email"] == JANE
    client.c.close()


def test_a_wrong_password_is_unauthorized(live: Live, client: Client) -> None:
    with pytest.raises(UnauthorizedAccessError, match="e-mail address or password is wrong"):
        client.login(JANE, "guessed")


def test_a_refreshed_token_works_and_the_old_one_does_not(live: Live) -> None:
    old = live.sign_in()
    client = Client(configuration(live, auth_token=old))
    fresh = client.refresh_token()
    assert fresh != old
    assert client.get_myself().metadata.name == "Jane Doe"
    client.config.auth_token = old
    with pytest.raises(UnauthorizedAccessError):
        client.get_myself()
    client.c.close()


def test_refresh_answers_under_both_names_that_clients_read(live: Live, client: Client) -> None:
    answer = client.c.post(f"{live.url}/refreshtoken", json={"token": live.sign_in()})
    data = answer.json()["data"]
    assert data["token"] == data["Token"] != ""


def test_a_token_is_accepted_with_bearer_in_any_case(live: Live, client: Client) -> None:
    headers = {"Authorization": f"bEaReR {live.token}"}
    assert client.c.get(f"{live.url}/user/info", headers=headers).status_code == 200


def test_logout_ends_the_token(live: Live) -> None:
    client = Client(configuration(live, auth_token=live.sign_in()))
    client.logout()
    with pytest.raises(UnauthorizedAccessError):
        client.get_myself()
    client.c.close()


# --- people -------------------------------------------------------------------------------------------


def test_users_me_holds_all_that_rio_insists_on(live: Live, client: Client) -> None:
    myself = client.get_myself()
    assert myself.spec.organizations[0].short_guid
    assert myself.spec.organizations[0].role_names == ["rio-org_admin"]
    assert myself.spec.projects[0].role_names == ["project_admin"]
    assert myself.spec.projects[0].organization_guid == live.organization
    assert myself.spec.user_groups == []


def test_people_rename_themselves(client: Client) -> None:
    myself = client.get_myself()
    myself.spec.last_name = "Dee"
    assert client.update_myself(myself).spec.last_name == "Dee"
    myself.spec.last_name = "Doe"
    client.update_myself(myself)


def test_an_organization_shows_its_members_and_takes_others(live: Live, client: Client) -> None:
    live.stranger("joiner@example.net")
    organization = client.get_organization()
    assert [member.subject.name for member in organization.spec.members] == [JANE]
    body = organization.model_dump(by_alias=True)
    body["spec"]["members"].append(
        {"subject": {"kind": "User", "name": "joiner@example.net"}, "roleNames": ["rio-org_member"]}
    )
    changed = client.update_organization(body, organization_guid=live.organization)
    assert {member.subject.name for member in changed.spec.members} == {JANE, "joiner@example.net"}
    listed = client.list_users()
    assert all(user.spec.email_id and user.spec.organizations for user in listed.items)


# --- projects -----------------------------------------------------------------------------------------


def test_a_project_is_made_found_by_exact_name_changed_and_deleted(live: Live, client: Client) -> None:
    made = client.create_project(
        {"metadata": {"name": "second", "labels": {"createdBy": "rio-cli"}}, "spec": {}}
    )
    assert made.status.status == "Success"
    assert [each.metadata.name for each in client.list_projects(name="second").items] == ["second"]
    assert client.list_projects(name="secon").items == []
    fetched = client.get_project(made.metadata.guid)
    assert fetched.spec.members[0].subject.name == JANE
    body = fetched.model_dump(by_alias=True)
    body["spec"]["features"]["vpn"] = {"enabled": True, "subnets": ["10.81.0.0/16"]}
    assert client.update_project(body, project_guid=made.metadata.guid).spec.features.vpn.enabled
    client.delete_project(made.metadata.guid)
    with pytest.raises(HttpNotFoundError):
        client.get_project(made.metadata.guid)


def test_a_project_name_is_taken_once(client: Client) -> None:
    with pytest.raises(HttpAlreadyExistsError):
        client.create_project({"metadata": {"name": "demo"}, "spec": {}})


# --- secrets ------------------------------------------------------------------------------------------


def test_a_docker_hub_secret_is_kept_under_the_one_right_key(client: Client) -> None:
    made = client.create_secret(docker_secret("hub-pull"))
    assert made.spec.docker.registry == "https://index.docker.io/v1/"
    assert made.spec.docker.username == "robot"
    assert set(made.spec.secret_keys) == {"username", "password", "email", "registry"}
    assert made.metadata.projectName == "demo"
    assert made.metadata.organizationName == "acme"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("https://registry.example.com:5000", "registry.example.com:5000"),
        ("http://registry.example.com", "http://registry.example.com"),
        ("docker.io", "https://index.docker.io/v1/"),
    ],
)
def test_a_registry_is_normalised(client: Client, typed: str, kept: str) -> None:
    name = f"normal-{abs(hash(typed)) % 1000}"
    assert client.create_secret(docker_secret(name, registry=typed)).spec.docker.registry == kept
    client.delete_secret(name)


def test_no_answer_holds_a_password_or_value(live: Live, client: Client) -> None:
    client.create_secret(docker_secret("quiet", registry="quiet.example.com"))
    client.create_secret(opaque_secret("quiet-data", API_KEY="value-to-hide"))
    for path in ("/v2/secrets/quiet/", "/v2/secrets/quiet-data/", "/v2/secrets/"):
        text = client.c.get(live.url + path, headers=live.headers()).text
        assert "p@ss" not in text
        assert "value-to-hide" not in text
        assert '"data"' not in text


def test_a_minted_secret_is_an_ordinary_one_to_the_sdk(live: Live, client: Client) -> None:
    live.world.mint.registry = live.world.prover.registry("minted.example.com", AWS="nothing yet")
    mint = {"kind": "ecr", "settings": {"region": "eu-west-1"}, "key": "AKIA-OBVIOUSLY-A-TEST"}
    docker = {"registry": "minted.example.com", "email": "a@example.com", "mint": mint}
    body = {"kind": "Secret", "metadata": {"name": "minted"}, "spec": {"type": "Docker", "docker": docker}}
    answer = client.c.post(f"{live.url}/v2/secrets/", headers=live.headers(), json=body)
    assert answer.status_code == 201, answer.text
    assert "AKIA" not in answer.text
    assert client.get_secret("minted").spec.docker.username == "AWS"
    assert client.c.get(f"{live.url}/v2/secrets/minted/", headers=live.headers()).json()["status"]["mint"]
    for wrong, field in (
        ({**mint, "key": ""}, "spec.docker.mint.key"),
        ({**mint, "kind": "gcr"}, "spec.docker.mint.kind"),
        ({**mint, "settings": {}}, "spec.docker.mint.settings.region"),
    ):
        docker["mint"] = wrong
        refused = client.c.put(f"{live.url}/v2/secrets/minted/", headers=live.headers(), json=body)
        assert (refused.status_code, refused.json()["field"]) == (400, field)


def test_an_opaque_secret_shows_its_keys_alone(client: Client) -> None:
    made = client.create_secret(opaque_secret("app-keys", API_KEY="abc123", DB_PASSWORD="hunter2"))
    assert made.spec.type == "Opaque"
    assert sorted(made.spec.secret_keys) == ["API_KEY", "DB_PASSWORD"]
    assert made.spec.data is None


def test_a_secret_answers_how_it_stands_at_its_registry(live: Live, client: Client) -> None:
    live.world.prover.registry("standing.example.com", robot=PASSWORD)
    path = f"{live.url}/v2/secrets/standing/"
    client.create_secret(docker_secret("standing", registry="standing.example.com", password="wrong"))
    status = client.c.get(path, headers=live.headers()).json()["status"]
    assert status["verdict"] == "failing"
    assert status["finding"]["code"] == "wrong-credentials"
    assert status["finding"]["fix"]
    client.update_secret("standing", docker_secret("standing", registry="standing.example.com"))
    status = client.c.get(path, headers=live.headers()).json()["status"]
    assert status["verdict"] == "verified"
    assert "finding" not in status


def test_require_verified_saves_nothing_that_is_refused(live: Live, client: Client) -> None:
    live.world.prover.registry("strict.example.com", robot="another")
    body = docker_secret("strict", registry="strict.example.com")
    answer = client.c.post(f"{live.url}/v2/secrets/?require=verified", headers=live.headers(), json=body)
    assert answer.status_code == 412
    assert answer.json()["finding"]["code"] == "wrong-credentials"
    with pytest.raises(HttpNotFoundError):
        client.get_secret("strict")


def test_verify_tries_the_stored_credential_also_with_an_image(live: Live, client: Client) -> None:
    registry = live.world.prover.registry("verify.example.com", robot=PASSWORD)
    client.create_secret(docker_secret("verify", registry="verify.example.com"))
    registry.users.clear()
    path = f"{live.url}/v2/secrets/verify/verify/"
    again = client.c.post(path, headers=live.headers()).json()
    assert again["status"]["verdict"] == "unproved"
    with_image = client.c.post(path, headers=live.headers(), json={"image": "verify.example.com/a:1"})
    assert with_image.status_code == 200


def test_a_name_is_taken_once_in_a_project_and_free_in_others(live: Live, client: Client) -> None:
    client.create_secret(opaque_secret("twice"))
    with pytest.raises(HttpAlreadyExistsError):
        client.create_secret(opaque_secret("twice"))
    other = client.create_project({"metadata": {"name": "third"}, "spec": {}}).metadata.guid
    assert client.create_secret(opaque_secret("twice"), project_guid=other).metadata.name == "twice"


def test_an_update_keeps_guid_and_time_of_creation(live: Live, client: Client) -> None:
    first = client.create_secret(opaque_secret("kept"))
    live.world.clock.advance(seconds=60)
    second = client.update_secret("kept", opaque_secret("kept", OTHER="x"))
    assert (second.metadata.guid, second.metadata.createdAt) == (
        first.metadata.guid,
        first.metadata.createdAt,
    )
    assert second.metadata.updatedAt != first.metadata.updatedAt
    assert client.get_secret(first.metadata.guid).spec.secret_keys == ["OTHER"]


def test_a_deleted_secret_is_gone(client: Client) -> None:
    client.create_secret(opaque_secret("brief"))
    client.delete_secret("brief")
    for call in (client.get_secret, client.delete_secret):
        with pytest.raises(HttpNotFoundError, match="brief"):
            call("brief")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (docker_secret("Upper"), "metadata.name"),
        (docker_secret("-dash"), "metadata.name"),
        (docker_secret("a" * 254), "metadata.name"),
        (docker_secret("bad", email="nobody"), "spec.docker.email"),
        (docker_secret("bad", username=""), "spec.docker.username"),
        (docker_secret("bad", password=""), "spec.docker.password"),
        (docker_secret("bad", registry="ftp://x"), "spec.docker.registry"),
        (opaque_secret("bad", **{"not a key": "x"}), "spec.data"),
    ],
)
def test_a_broken_rule_of_secrets_names_its_field(client: Client, body: dict[str, Any], field: str) -> None:
    with pytest.raises(MethodNotAllowedError, match=field):
        client.create_secret(body)


def test_pages_hold_every_secret_once(live: Live, client: Client) -> None:
    project = client.create_project({"metadata": {"name": "paged"}, "spec": {}}).metadata.guid
    names = [f"s{number:02}" for number in range(7)]
    for name in names:
        client.create_secret(opaque_secret(name), project_guid=project)
    pages = list(walk_pages(client.list_secrets, limit=3, project_guid=project))
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [secret.metadata.name for page in pages for secret in page] == names


def test_labels_select_by_all_terms(client: Client) -> None:
    body = docker_secret("labelled", registry="labels.example.com")
    body["metadata"]["labels"] = {"team": "robots", "tier": "gold"}
    client.create_secret(body)
    both = client.list_secrets(label_selector=["team=robots", "tier=gold"])
    assert [secret.metadata.name for secret in both.items] == ["labelled"]
    assert client.list_secrets(label_selector=["team=robots", "tier=none"]).items == []
    assert [each.metadata.name for each in client.list_secrets(names=["labelled"]).items] == ["labelled"]


# --- packages -----------------------------------------------------------------------------------------


def test_a_package_comes_back_as_it_was_sent(client: Client) -> None:
    made = client.create_package(package("talker"))
    assert client.get_package("talker", "v1.0.0") == made
    run = made.spec.executables[0]
    assert run.command == ["sleep", "3600"]
    assert run.docker.pull_secret.depends.name_or_guid == "private-pull"
    assert made.spec.environmentVars[1].valueFrom.secret_key_ref.key == "API_KEY"
    assert made.metadata.guid.startswith("pkg-")


def test_run_as_bash_is_not_echoed_so_the_command_is_wrapped_once(client: Client) -> None:
    client.create_package(package("bashed", command="echo hi", runAsBash=True))
    assert client.get_package("bashed").spec.executables[0].command == ["/bin/bash", "-c", "echo hi"]


def test_an_exposed_variable_without_a_name_is_refused_and_lists_stay_readable(client: Client) -> None:
    body = package("exposed")
    body["spec"]["environmentVars"] = [{"name": "A", "exposed": True}]
    with pytest.raises(MethodNotAllowedError, match="exposedName"):
        client.create_package(body)
    assert client.list_packages().items is not None


def test_versions_are_told_apart_and_without_one_the_newest_comes(live: Live, client: Client) -> None:
    for version in ("v1", "v2"):
        client.create_package(package("versions", version))
        live.world.clock.advance(seconds=1)
    with pytest.raises(HttpAlreadyExistsError):
        client.create_package(package("versions", "v1"))
    assert client.get_package("versions").metadata.version == "v2"
    assert {each.metadata.version for each in client.list_packages(name="versions").items} == {"v1", "v2"}
    client.delete_package("versions", "v2")
    assert client.get_package("versions").metadata.version == "v1"
    with pytest.raises(HttpNotFoundError):
        client.get_package("versions", "v2")


def test_a_package_for_devices_is_kept_but_not_deployed(client: Client) -> None:
    body = package("edge", "1")
    body["spec"] |= {"runtime": "device", "device": {"arch": "amd64", "restart": "onfailure"}}
    del body["spec"]["cloud"]
    client.create_package(body)
    with pytest.raises(MethodNotAllowedError, match="no device engine"):
        client.create_deployment(deployment("edge-1", "edge", "1"))


# --- deployments --------------------------------------------------------------------------------------


def test_a_deployment_is_wished_shown_redeployed_and_stopped(live: Live, client: Client) -> None:
    client.create_package(package("runner"))
    made = client.create_deployment(deployment("runner-1", "runner"))
    assert (made.status.phase, made.status.status) == ("InProgress", "Pending")
    assert list(made.status.executables_status) == ["app"]
    shown = client.get_deployment("runner-1")
    assert shown.metadata.depends.name_or_guid == "runner"
    again = client.update_deployment(shown)
    assert again.metadata.generation == 2
    assert again.metadata.guid == made.metadata.guid
    client.delete_deployment("runner-1")
    with pytest.raises(HttpNotFoundError):
        client.get_deployment("runner-1")
    stopped = client.get_deployment("runner-1", guid=made.metadata.guid)
    assert (stopped.status.phase, stopped.status.status) == ("Stopped", "Stopped")
    assert stopped.metadata.deletedAt
    assert client.create_deployment(deployment("runner-1", "runner")).metadata.guid != made.metadata.guid


def test_a_live_deployment_has_its_name_alone(client: Client) -> None:
    client.create_package(package("alone"))
    client.create_deployment(deployment("alone-1", "alone"))
    with pytest.raises(HttpAlreadyExistsError):
        client.create_deployment(deployment("alone-1", "alone"))


def test_a_deployment_of_no_package_is_not_found(client: Client) -> None:
    with pytest.raises(HttpNotFoundError, match="package"):
        client.create_deployment(deployment("lost", "nowhere"))


def test_deployments_are_listed_by_phase_package_and_guid(live: Live, client: Client) -> None:
    client.create_package(package("listed"))
    first = client.create_deployment(deployment("listed-1", "listed"))
    client.create_deployment(deployment("listed-2", "listed"))
    client.delete_deployment("listed-2")

    def names(**filters: Any) -> list[str]:
        found = client.list_deployments(package_name="listed", package_version="v1.0.0", **filters)
        return [each.metadata.name for each in found.items]

    assert names() == ["listed-1"]
    assert names(phases=["Stopped"]) == ["listed-2"]
    assert names(phases=["InProgress", "Provisioning"]) == ["listed-1"]
    assert names(guids=[first.metadata.guid]) == ["listed-1"]


def test_dependencies_are_shown_with_their_state_history_and_graph(client: Client) -> None:
    client.create_package(package("chain"))
    client.create_deployment(deployment("chain-a", "chain"))
    needs = [{"kind": "deployment", "nameOrGUID": "chain-a", "wait": True}]
    client.create_deployment(deployment("chain-b", "chain", depends=needs))
    shown = client.get_deployment("chain-b")
    assert [each.name for each in shown.status.dependencies.deployments] == ["chain-a"]
    graph = client.get_deployment_graph("chain-b")
    assert graph["edges"] == [{"from": "chain-b", "to": "chain-a", "wait": True}]
    history = client.get_deployment_history("chain-b", guid="")
    assert [row["action"] for row in history["items"]] == ["deployment.created"]


def test_a_log_is_streamed_until_its_container_ends(live: Live, client: Client) -> None:
    client.create_package(package("logged"))
    guid = client.create_deployment(deployment("logged-1", "logged")).metadata.guid
    live.run(_started(live, guid))
    lines = client.stream_deployment_logs("logged-1", "app")
    assert next(lines) == "hello"
    live.run(_said_and_ended(live, guid))
    assert list(lines) == ["world"]


async def _started(live: Live, guid: str) -> None:
    run = WorkloadExecutable(
        "app",
        ImageReference.parse("registry.example.com:5000/team/talker:1.0"),
        access=PullAccess(RegistrySettings.default("registry.example.com:5000")),
        pull_policy=PullPolicy.IF_NOT_PRESENT,
    )
    workload = Workload(guid, "logged-1", live.project, generation=1, executables=(run,))
    await live.world.engine.apply(workload)
    live.world.engine.says(guid, "app", b"hello\n")


async def _said_and_ended(live: Live, guid: str) -> None:
    live.world.engine.says(guid, "app", b"world\n")
    live.world.engine.ends(guid, "app", exit_code=0)


# --- roles and projects -------------------------------------------------------------------------------


def test_a_viewer_sees_names_alone_and_changes_nothing(live: Live, client: Client) -> None:
    client.create_secret(docker_secret("viewed", registry="viewed.example.com"))
    token = live.member("viewer@example.com", role=ProjectRole.VIEWER)
    viewer = Client(configuration(live, auth_token=token))
    seen = viewer.get_secret("viewed")
    assert seen.spec.docker is None
    assert (
        "viewed.example.com" not in viewer.c.get(f"{live.url}/v2/secrets/", headers=live.headers(token)).text
    )
    with pytest.raises(MethodNotAllowedError, match="subject is not authorized for this operation"):
        viewer.delete_secret("viewed")
    viewer.c.close()


def test_a_foreign_project_is_not_found_and_a_missing_one_is_a_mistake(live: Live, client: Client) -> None:
    stranger = Client(configuration(live, auth_token=live.stranger("stranger@example.org")))
    with pytest.raises(HttpNotFoundError):
        stranger.list_secrets()
    stranger.c.close()
    answer = client.c.get(f"{live.url}/v2/secrets/", headers={"Authorization": f"Bearer {live.token}"})
    assert (answer.status_code, answer.json()["field"]) == (400, "project")


def test_projects_can_be_asked_for_by_status(client: Client) -> None:
    assert client.list_projects(status=["Success"]).items
    assert client.list_projects(status=["Deleting"]).items == []


@pytest.mark.parametrize("level", ["low", "med", "high", ""])
def test_rio_asks_for_tokens_of_a_level(live: Live, client: Client, level: str) -> None:
    body = {"email": JANE, "password": JANES_PASSWORD}
    answer = client.c.post(f"{live.url}/user/login?type={level}", json=body)
    assert answer.json()["data"]["token"].startswith("tow_")
