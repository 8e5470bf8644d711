"""PACKAGES and DEPLOYMENTS, AUDIT, MEMBERS & TOKENS, SETTINGS: forms as people send them, no scripts."""

import json
import re
from dataclasses import replace
from html import unescape

import pytest
import yaml

from parts.world import JANE, JANES_PASSWORD, docker_draft
from towline.console.live import LiveParts, message, rest_after
from towline.console.pulls import Pace, Pull, pulls_of
from towline.console.texts import ERROR_TEXTS
from towline.domain.account import Permission, TokenLevel
from towline.domain.causes import FindingCode
from towline.domain.credential import Password
from towline.domain.deployment import DeploymentStatus, ExecutableStatus, LayerProgress, Phase, Status
from towline.domain.errors import NotFound, NotSignedIn
from towline.domain.findings import Finding
from towline.domain.image import ImageReference
from towline.domain.listing import LabelSelector, Page
from towline.domain.registry import RegistrySettings
from towline.domain.workload import PullAccess, Workload, WorkloadExecutable
from towline.services.bell import LocalBell
from towline.wire import packages as wire

REGISTRY = "reg.example.com"
IMAGE = f"{REGISTRY}/team/app:1"
PACKAGE = {
    "name": "talker",
    "version": "v1",
    "description": "says hello",
    "replicas": "2",
    "executable_name": ["app", ""],
    "executable_image": [IMAGE, ""],
    "executable_secret": ["pull", ""],
    "executable_row": ["1", "2"],
    "executable_private": ["1"],
    "executable_policy": ["Always", "IfNotPresent"],
    "executable_command": ["sh\n-c\nsleep 1", ""],
    "executable_cpu": ["0.5", ""],
    "executable_memory": ["64", ""],
    "variable_name": ["GREETING", "TOKEN", ""],
    "variable_value": ["hello", "", ""],
    "variable_secret": ["", "keys", ""],
    "variable_key": ["", "API_KEY", ""],
}


@pytest.fixture(autouse=True)
async def pull_secret(world):
    world.prover.registry(REGISTRY, jane="right").has("team/app:1")
    draft = docker_draft("pull", registry=REGISTRY, username="jane", password="right")
    await world.secrets.create(world.access, draft)


async def package(world, name="talker"):
    return await world.packages.get(world.access, name)


async def failing(world, name, finding):
    """Let a deployment fail as the reconciler would."""
    [claim] = await world.store.write(
        lambda tx: tx.deployments.claim("test", now=world.clock(), until=world.clock(), most=10)
    )
    status = claim.deployment.status.failed((finding,), at=world.clock())
    await world.store.write(
        lambda tx: tx.deployments.settle(claim, status, due=None, release=True, until=world.clock())
    )


async def test_a_package_is_made_from_the_form(jane, world):
    assert (await jane.send("/new/package", PACKAGE)).status_code == 303
    spec = (await package(world)).spec
    [run] = spec.executables
    assert (run.image, run.pull_secret, run.command) == (IMAGE, "pull", ("sh", "-c", "sleep 1"))
    assert (run.limits.cpu, run.limits.memory, spec.replicas) == (0.5, 64, 2)
    assert [(each.name, each.value) for each in spec.environment] == [("GREETING", "hello"), ("TOKEN", None)]
    page = await jane.see("/packages/talker/v1")
    assert IMAGE in page
    assert "key API_KEY of secret" in page


async def test_the_manifest_makes_the_same_package_again(jane, world):
    await jane.send("/new/package", PACKAGE)
    answer = await jane.client.get(f"{jane.home}/packages/talker/v1/manifest")
    assert answer.headers["content-disposition"] == 'attachment; filename="talker.yaml"'
    draft = wire.draft(json.dumps(yaml.safe_load(answer.text)).encode())
    made = await package(world)
    assert (draft.name, draft.version, draft.spec) == (made.name, made.version, made.spec)


async def test_a_package_that_is_not_right_is_shown_again_with_all_that_was_typed(jane):
    answer = await jane.send("/new/package", PACKAGE | {"name": "not a name", "version": ""})
    assert answer.status_code == 400
    assert 'value="not a name"' in answer.text
    assert f'value="{IMAGE}"' in answer.text
    answer = await jane.send("/new/package", PACKAGE | {"executable_cpu": ["much"]})
    assert answer.status_code == 400
    assert '<a href="#executable-cpu-1">Executable 1, processors</a>' in answer.text


@pytest.mark.parametrize(
    ("change", "field", "label"),
    [
        ({"executable_name": ["", "", "Not A Name"]}, "executable-name-3", "Executable 3, name"),
        ({"executable_image": ["", "", "NOT AN IMAGE"]}, "executable-image-3", "Executable 3, image"),
        ({"executable_image": ["", "", ""]}, "executable-image-3", "Executable 3, image"),
        ({"executable_memory": ["", "", "-1"]}, "executable-memory-3", "Executable 3, memory"),
        ({"executable_cpu": ["", "", "much"]}, "executable-cpu-3", "Executable 3, processors"),
        ({"variable_name": ["", "A=B"]}, "variable-name-2", "Variable 2, name"),
        (
            {"variable_name": ["", "A"], "variable_value": ["", "nul\0"]},
            "variable-value-2",
            "Variable 2, value",
        ),
        (
            {"variable_name": ["", "A"], "variable_secret": ["", "keys"], "variable_key": ["", ""]},
            "variable-secret-2",
            "Variable 2, secret",
        ),
    ],
)
async def test_what_is_wrong_in_a_row_is_told_beside_its_field(jane, change, field, label):
    rows = {key: ["", "", value[0]] for key, value in PACKAGE.items() if key.startswith("executable_")}
    rows |= {"executable_row": ["1", "2", "3"], "executable_private": ["3"]}
    variables = {f"variable_{name}": ["", ""] for name in ("name", "value", "secret", "key")}
    answer = await jane.send("/new/package", PACKAGE | rows | variables | change)
    assert answer.status_code == 400
    assert f'<a href="#{field}">{label}</a>' in answer.text
    assert f'aria-describedby="{field}-error' in answer.text
    assert f'id="{field}-error"' in answer.text


async def test_the_same_version_twice_is_told(jane):
    await jane.send("/new/package", PACKAGE)
    answer = await jane.send("/new/package", PACKAGE)
    assert answer.status_code == 409
    assert '<a href="#version">' in answer.text


async def test_rows_are_added_without_scripts(jane):
    answer = await jane.send("/new/package", PACKAGE | {"more": "yes"})
    assert answer.text.count('name="executable_image"') == 3 + 1
    assert 'value="says hello"' in answer.text


async def test_images_are_proved_before_anything_is_saved(jane, world):
    answer = await jane.send("/new/package/check", PACKAGE)
    assert "Can be pulled" in answer.text
    answer = await jane.send("/new/package/check", PACKAGE | {"executable_private": []})
    assert "secret-needed" in answer.text
    listing = await world.packages.list(world.access, Page(), selector=LabelSelector())
    assert not listing.items


async def test_a_secret_is_made_beside_the_package_and_chosen(jane, world):
    beside = {
        "add_secret": "yes",
        "secret_name": "fresh",
        "registry": REGISTRY,
        "username": "jane",
        "password": "right",
        "email": JANE,
    }
    wrong = await jane.send("/new/package", PACKAGE | beside | {"secret_name": "NOT"})
    assert wrong.status_code == 400
    assert '<a href="#secret_name">' in wrong.text
    answer = await jane.send("/new/package", PACKAGE | {"executable_secret": ["", ""]} | beside)
    assert answer.status_code == 200
    assert re.search(r'<option value="fresh" selected>', answer.text)
    assert 'value="says hello"' in answer.text
    assert (await world.secrets.get(world.access, "fresh")).username == "jane"


async def test_a_deployment_is_made_updated_restarted_and_deleted(jane, world):
    await jane.send("/new/package", PACKAGE)
    await jane.send("/new/package", PACKAGE | {"version": "v2"})
    page = await jane.see("/new/deployment?package=talker&version=v1")
    assert f'hx-get="{jane.home}/packages/talker/v1/preflight"' in page
    assert "Can be pulled" in await jane.see("/packages/talker/v1/preflight")
    form = {"package": "talker v1", "name": "hello"}
    assert "Can be pulled" in (await jane.send("/new/deployment", form | {"check": "yes"})).text
    assert (await jane.send("/new/deployment", form)).status_code == 303
    assert (await jane.send("/new/deployment", form)).status_code == 409
    assert (await jane.send("/new/deployment", form | {"package": ""})).status_code == 400
    assert (await jane.send("/deployments/hello/update", {"package": "talker v2"})).status_code == 303
    assert (await jane.send("/deployments/hello/update")).status_code == 303
    deployment = await world.deployments.get(world.access, "hello")
    assert (deployment.generation, deployment.wish.package_version) == (3, "v2")
    assert (await jane.send("/deployments/hello/delete", {"confirm": "hell"})).status_code == 400
    assert (await jane.send("/deployments/hello/delete", {"confirm": "hello"})).status_code == 303
    await jane.see("/deployments/hello", status=404)


async def test_a_failing_deployment_shows_the_exact_text_then_the_finding_and_the_way_to_the_fix(jane, world):
    await world.deployed("talker", image=IMAGE, secret="pull")
    hostile = "denied: <script>alert(1)</script>\x1b[31m"
    finding = Finding(FindingCode.WRONG_CREDENTIALS, hostile, image=IMAGE, executable="app", secret="pull")
    await failing(world, "talker", finding)
    page = await jane.see("/deployments/talker")
    text = f"DEP_E153 ({ERROR_TEXTS['DEP_E153']})"
    assert text == (
        "DEP_E153 (Could not pull either the docker image or the built package artifact "
        "for the component on the cloud)"
    )
    assert page.index(text) < page.index(finding.title)
    assert f'href="{jane.home}/secrets/pull/edit"' in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    deployment = await world.deployments.get(world.access, "talker")
    assert (deployment.status.phase, deployment.status.status) == (Phase.PROVISIONING, Status.ERROR)
    assert text in await jane.see("")


async def test_a_log_is_text_whatever_is_in_it(jane, world):
    guid = await world.deployed("talker", image=IMAGE, secret="pull")
    run = WorkloadExecutable("app", ImageReference.parse(IMAGE), PullAccess(RegistrySettings.default("x")))
    project = world.access.project.guid
    await world.engine.apply(Workload(guid, "talker", project, generation=1, executables=(run,)))
    world.engine.says(guid, "app", b"<b>bold</b> \x1b[31mred\x1b[0m\n")
    page = await jane.see("/deployments/talker/logs")
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    answer = await jane.client.get(f"{jane.home}/deployments/talker/log?download")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
    await jane.see("/deployments/talker/logs?replica=9", status=400)


async def test_the_log_of_the_run_before_is_shown_where_it_is_kept(jane, world):
    guid = await world.deployed("talker", image=IMAGE, secret="pull")
    path = "/deployments/talker/logs"
    assert 'id="run"' not in await jane.see(path)
    await jane.see(f"{path}?run=before", status=400)
    world.engine.name = "kubernetes"
    assert '<option value="before">The one before</option>' in await jane.see(path)
    assert "There was no run before the present one." in await jane.see(f"{path}?run=before")
    world.engine.earlier[guid, "app"] = b"- all is lost\n"
    page = await jane.see(f"{path}?run=before&executable=app")
    assert '<option value="before" selected>' in page
    assert 'aria-label="Log of app, the run before the present one"' in page
    assert ">- all is lost\n</div>" in page
    assert "data-stream" not in page, "it has ended: nothing is followed"
    answer = await jane.client.get(f"{jane.home}/deployments/talker/log?executable=app&run=before&download")
    assert answer.text == "- all is lost\n"
    assert "talker-app-0-before.log" in answer.headers["content-disposition"]


async def test_the_trail_is_searched_and_paged(jane, world):
    page = await jane.see("/audit?q=secret.created")
    assert page.count("<code>secret.created</code>") == 1
    assert "No row fits" in await jane.see("/audit?q=nothing-of-the-kind")


async def test_a_token_with_scopes_is_for_this_project_and_opens_no_page(jane):
    form = {"name": "node", "scope": "read", "days": "7", "scopes": "secrets:use:prod-*  deployments:read"}
    answer = await jane.send("/tokens", form)
    assert answer.status_code == 200
    [made] = re.findall(r"tow_[A-Za-z0-9_-]{43}_[A-Za-z0-9]{6}", answer.text)[:1]
    principal = await jane.world.accounts.authenticate(made)
    assert [str(each) for each in principal.scopes] == ["secrets:use:prod-*", "deployments:read"]
    assert principal.project_guid == jane.world.access.project.guid
    assert "<code>secrets:use:prod-*</code>" in await jane.see("/members")
    jane.client.cookies.set("towline", made)
    assert (await jane.client.get(jane.home)).status_code == 303


@pytest.mark.parametrize("scopes", ["everything", "secrets:use", "secrets:use:a secrets:read:b"])
async def test_a_wrong_scope_is_told_in_the_form(jane, scopes):
    answer = await jane.send("/tokens", {"name": "node", "scope": "read", "days": "7", "scopes": scopes})
    assert answer.status_code == 400
    assert 'id="scopes"' in answer.text
    assert "aria-invalid" in answer.text


async def test_a_token_is_shown_once_works_within_its_scope_and_is_revoked(jane, world):
    answer = await jane.send("/tokens", {"name": "robot", "scope": "read", "days": "7"})
    [text] = re.findall(r"tow_[A-Za-z0-9_-]{40,}", answer.text)
    assert text not in await jane.see("/members")
    principal = await world.accounts.authenticate(text)
    access = await world.accounts.access(principal, world.access.project.guid, permission=1)
    assert access.permission.name == "VIEW"
    guid = re.search(r'name="guid" value="([^"]+)"', await jane.see("/members"))[1]
    assert (await jane.send("/tokens/revoke", {"guid": guid})).status_code == 303
    assert f'value="{guid}"' not in await jane.see("/members")
    assert (await jane.send("/tokens/revoke", {"guid": guid})).status_code == 404
    with pytest.raises(NotSignedIn):
        await world.accounts.authenticate(text)
    for wrong in ({"name": ""}, {"days": "9999"}, {"days": "x"}, {"scope": "root"}):
        form = {"name": "robot", "scope": "read", "days": "7"} | wrong
        assert (await jane.send("/tokens", form)).status_code == 400


async def test_all_other_sessions_are_ended_at_once(jane, world):
    others = [
        await world.accounts.login(JANE, Password(JANES_PASSWORD), level=TokenLevel.LOW, peer="elsewhere")
        for _ in range(2)
    ]
    await jane.send("/tokens", {"name": "robot", "scope": "read", "days": "7"})
    before = (await jane.see("/members")).count('name="guid"')
    answer = await jane.send("/tokens/revoke", {"others": "yes"})
    page = (await jane.client.get(answer.headers["location"])).text
    assert re.search(r"[23] sessions were revoked", page)
    assert page.count('name="guid"') == 2 < before
    for token in others:
        with pytest.raises(NotSignedIn):
            await world.accounts.authenticate(token)


async def test_members_come_and_go(jane, world):
    await world.member("eve@example.com", role="project_viewer")
    unknown = await jane.send("/members", {"email": "who@example.com", "remove": "yes"})
    assert unknown.status_code == 400
    assert "who@example.com" in unknown.text
    await jane.send("/members", {"email": "eve@example.com", "role": "rio-org_member"})
    assert "eve@example.com" in await jane.see("/members")
    await jane.send("/members", {"email": "eve@example.com", "remove": "yes"})
    await jane.send("/members/project", {"email": "eve@example.com", "remove": "yes"})
    assert 'value="eve@example.com"' not in await jane.see("/members")


async def test_a_member_of_the_organization_gets_a_role_in_the_project(jane, world):
    eve = {"email": "eve@example.com"}
    made = {"password": Password(JANES_PASSWORD), "organization": world.access.organization.name}
    await world.accounts.create_user(**eve, **made)
    project = world.access.project.guid

    async def may() -> Permission:
        token = await world.accounts.login(
            "eve@example.com", Password(JANES_PASSWORD), level=TokenLevel.LOW, peer="here"
        )
        principal = await world.accounts.authenticate(token)
        return (await world.accounts.access(principal, project, permission=Permission.VIEW)).permission

    with pytest.raises(NotFound):
        await may()
    for role, permission in (
        ("project_viewer", Permission.VIEW),
        ("project_developer", Permission.DEPLOY),
        ("project_admin", Permission.MANAGE_PROJECT),
    ):
        answer = await jane.send("/members/project", eve | {"project_role": role})
        assert answer.status_code == 303
        assert await may() is permission
    rows = (await world.audit.page(world.access, Page(limit=500))).items
    assert [dict(row.detail)["role"] for row in rows if row.action == "project.member-set"] == [
        "project_viewer",
        "project_developer",
        "project_admin",
    ]
    for wrong in (eve | {"project_role": "root"}, {"email": "who@example.com", "project_role": role}):
        answer = await jane.send("/members/project", wrong)
        assert answer.status_code == 400
        assert 'role="alert"' in answer.text
    await jane.send("/members/project", eve | {"remove": "yes"})
    with pytest.raises(NotFound):
        await may()


async def test_a_project_is_made_and_one_is_led_there(jane):
    assert 'href="' + jane.home + "/new/project" in await jane.see("")
    assert (await jane.send("/new/project", {"name": "Not A Name"})).status_code == 400
    answer = await jane.send("/new/project", {"name": "second"})
    page = await jane.client.get(answer.headers["location"])
    assert "Project second was made." in page.text
    assert "<h1>second</h1>" in page.text
    assert (await jane.send("/new/project", {"name": "second"})).status_code == 409


async def test_things_are_found_by_name(jane, world):
    await world.deployed("talker", image=IMAGE, secret="pull")
    assert "Add new secret" in await jane.see("/find")
    found = await jane.see("/find?q=pul")
    assert f'href="{jane.home}/secrets/pull"' in found
    found = await jane.see("/find?q=TALK")
    assert f'href="{jane.home}/deployments/talker"' in found
    assert "called that" in await jane.see("/find?q=nothing-of-the-kind")


async def test_viewers_find_no_secrets(visitor, world):
    await world.member("eve@example.com", role="project_viewer")
    await visitor.sign_in("eve@example.com")
    assert "/secrets/pull" not in await visitor.see("/find?q=pull")
    assert "Add new secret" not in await visitor.see("/find")


async def test_a_private_image_wants_its_credential(jane, world):
    answer = await jane.send("/new/package", PACKAGE | {"executable_secret": ["", ""]})
    assert answer.status_code == 400
    assert '<a href="#executable-secret-1">Executable 1, credential</a>' in answer.text
    await jane.send("/new/package", PACKAGE | {"executable_private": []})
    [run] = (await package(world)).spec.executables
    assert run.pull_secret is None


async def test_a_pulls_speed_is_told_from_what_was_seen_before(world):
    pace = Pace(world.clock)
    layers = [LayerProgress("sha256:" + "a" * 64, 10_000_000), LayerProgress("sha256:" + "b" * 64, 5_000_000)]

    def seen(received: int) -> Pull:
        now = (replace(layers[0], received=received), replace(layers[1], received=5_000_000, unpacked=True))
        run = ExecutableStatus("app", IMAGE, layers=now)
        return pulls_of(DeploymentStatus(executables=(run,)), pace)["app"]

    first = seen(0)
    assert (first.size, first.received, first.speed, first.left) == (15_000_000, 5_000_000, 0, "")
    world.clock.advance(seconds=2)
    second = seen(1_000_000)
    assert (second.speed, second.left) == (500_000, "about 18 s left")
    world.clock.advance(seconds=2)
    assert seen(1_040_000).left == "about 34 s left"
    world.clock.advance(seconds=400)
    assert seen(1_040_000).left == "about 58 min 01 s left"
    assert seen(10_000_000).left == ""
    assert seen(0).speed == 0


async def test_rios_settings_point_here(jane, world):
    answer = await jane.client.get(f"{jane.home}/settings/rio")
    settings = json.loads(answer.text)
    assert settings["environment"] == "local"
    assert {settings[key] for key in settings if key.endswith("_host")} == {"http://towline.test"}
    assert settings["project_id"] == world.access.project.guid
    assert answer.text in unescape(await jane.see("/settings"))


async def test_a_part_is_sent_when_it_reads_differently_until_it_is_over():
    bell = LocalBell()
    readings = iter(["one", "one", "two"])

    async def part() -> str:
        bell.ring()
        try:
            return next(readings)
        except StopIteration:
            raise NotFound("deployment", "talker") from None

    async def may() -> bool:
        return True

    answer = await LiveParts(bell).stream("talker", part, form_token="", still_may=may)
    assert answer.media_type == "text/event-stream"
    parts = [chunk async for chunk in answer.body_iterator]
    assert parts == [b"data: one\n\n", b"data: two\n\n", b"event: over\ndata: \n\n"]


def test_a_look_that_is_heavy_is_taken_rarely():
    assert rest_after(0.002) == 0
    assert rest_after(0.5) == 10


def test_a_message_keeps_its_lines():
    assert message("a\r\nb\rc\n\nd") == b"data: a\ndata: b\ndata: c\ndata: \ndata: d\n\n"


async def test_looking_at_a_preflight_does_not_try_a_refused_password_again(jane, world):
    wrong = docker_draft("wrong", registry=REGISTRY, username="eve", password="wrong")
    await world.secrets.create(world.access, wrong)
    await jane.send("/new/package", PACKAGE | {"executable_secret": ["wrong", ""]})

    def tried() -> int:
        return sum(each.username == "eve" and each.image == IMAGE for each in world.prover.asked)

    await jane.send("/packages/talker/v1/preflight")
    once = tried()
    for _ in range(3):
        assert "wrong-credentials" in await jane.see("/packages/talker/v1/preflight")
    assert tried() == once
    world.clock.advance(seconds=60)
    await jane.send("/packages/talker/v1/preflight")
    assert tried() > once
