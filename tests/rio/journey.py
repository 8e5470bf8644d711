"""Every command of ``rio`` on Towline's path, in the order in which somebody would type them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from rio.stage import approve, deny, end_when_read, note_token, write_config
from rio.steps import Step, fails, works

if TYPE_CHECKING:
    from parts.rio import Ran, Rio
    from rio.stage import Stage

LOGIN = "auth login --email $EMAIL --password"
THERE = "--organization acme --project demo --silent"


def _when(status: str) -> Callable[[Stage, Rio], None]:
    def wait(stage: Stage, _: Rio) -> None:
        stage.until_status("talker-1", status)

    return wait


def _note_deployment(stage: Stage, rio: Rio, _: Ran) -> None:
    metadata = stage.server.call("GET", "/v2/deployments/talker-1/")["metadata"]
    rio.words = {**rio.words, "DEPLOYMENT": metadata["guid"]}
    stage.facts["generation"] = metadata["generation"]


def _note_speed(stage: Stage, _: Rio, ran: Ran) -> None:
    stage.facts["seconds to notice DEP_E153"] = ran.seconds


def _note_robot(_: Stage, rio: Rio, ran: Ran) -> None:
    found = re.search(r"\b[0-9]{5,}\b", ran.text)
    assert found is not None, ran.text
    rio.words = {**rio.words, "NUMBER": found[0]}


def _note_tokens(stage: Stage, rio: Rio, _: Ran) -> None:
    note_token("refreshed")(stage, rio)


SIGNING_IN = (
    Step(command="auth status", code=1, says=("You are logged out",), note="without a file: `logged out`"),
    replace(
        fails(f"{LOGIN} wrong {THERE}", "Incorrect email/password"),
        before=write_config,
        note="a wrong password: `Incorrect email/password`",
    ),
    works(f"{LOGIN} $PASSWORD {THERE}", "Your project has been set to 'demo'", "Logged in successfully"),
    works("auth status", "You are logged in"),
    works("auth token --password $PASSWORD --level 0", "tow_", note="24 hours"),
    works("auth token --password $PASSWORD --level 1", "tow_", note="7 days"),
    works("auth token --password $PASSWORD --level 2", "tow_", note="30 days"),
    fails("auth token --password wrong", "Incorrect email/password"),
    replace(
        works("auth refresh-token", "Token refreshed successfully", note="the old token ends"),
        before=note_token("old"),
        after=_note_tokens,
    ),
    works(f"auth login --auth-token $TOKEN {THERE}", "Logged in successfully"),
    replace(
        fails("auth login", "Authorization was denied by the user", note="after DENY in the browser"),
        drive=deny,
    ),
    Step(
        command="auth login --organization acme --project demo",
        says=("Waiting for authorization", "Your project has been set to 'demo'", "Logged in successfully"),
        note="after APPROVE in the browser",
        drive=approve,
        stdin="y\n",
    ),
    works("context view", "environment: local", "project_name: demo"),
)
ORGANIZATIONS = (
    works("organization list", "acme", "umbrella"),
    works("organization inspect acme", "rio-org_admin", "jane@example.com"),
    works("organization inspect umbrella -f json", '"roleNames"', "ann@example.com"),
    works("organization users", "jane@example.com", "['rio-org_admin']"),
    fails(
        "organization add-user ann@example.com",
        "not a valid email address",
        note="`rio` itself: it looks the address's domain up in DNS first, and example.com takes no mail. "
        "What it sends after that works",
    ),
    fails(
        "organization remove-user ann@example.com",
        "not a valid email address",
        note="likewise",
    ),
    works("organization select umbrella --silent", "umbrella"),
    works("project list", hides=("demo",), note="none: a member of an organization is in no project by that"),
    works("organization select acme --silent", "acme"),
    works(
        "project select demo",
        "is selected",
        "Towline has no SSH certificates",
        note="warns that Towline has no SSH certificates",
    ),
)
PERMISSIONS = (
    works(
        "permission check secret create", "Authorized: Can perform 'create' on 'secret:.*' in Project:demo"
    ),
    works("permission check project create -d Organization:acme", "Authorized"),
    fails("permission check secret create -d Organization:acme", "Unauthorized"),
    works("permission inspect", '"deployment"', '".*"'),
)
PROJECTS = (
    works("project list", "demo", "Success"),
    works("project list --wide", "Created At", "demo"),
    works("project create third", "Project created successfully"),
    fails("project create third", "exists in this organization"),
    works("project list --label createdBy=rio-cli", "third", hides=("demo",)),
    works("project inspect third", "createdBy: rio-cli", "status: Success"),
    works("project whoami --project-name third", "project_admin"),
    works("project features vpn third true", "Done", note="kept and shown; Towline runs no VPN"),
    works(
        "project features dockercache third true --proxy-device edge --proxy-interface eth0"
        " --registry-url https://registry.example.com --registry-secret private-pull",
        "Done",
        note="kept and shown; Towline runs no cache on devices",
    ),
    works("project inspect third -f json", '"registrySecret": "private-pull"', '"vpn": "Disabled"'),
    works("project features vpn third false", "Done"),
    works("apply -f project.yaml", "Created project:from-manifest"),
    works("apply -f project.yaml", "Updated project:from-manifest", note="a Project that is there"),
    works("project delete from-manifest -f", "Project deleted successfully"),
    works("project delete third -f", "Project deleted successfully"),
    fails("project delete third -f", "project not found"),
)
GROUPS = (
    works("usergroup list", hides=("operators",)),
    fails(
        "apply -f team.yaml",
        "'robot' is no service account",
        note="a member that is not there yet: `rio` does not wait for it in the same run",
    ),
    works("apply -f robot.yaml", "Created serviceaccount:robot"),
    works("apply -f robot.yaml", "Updated serviceaccount:robot"),
    works("apply -f team.yaml", "Created usergroup:operators"),
    works("apply -f team.yaml", "Updated usergroup:operators"),
    works("usergroup list", "operators", "on call", "2"),
    works("usergroup inspect operators", "rio-group_admin", "jane@example.com", "project_developer"),
    works("usergroup inspect operators -f json", '"membersCount": 2', '"ServiceAccount"'),
    fails("usergroup inspect absent", "usergroup not found"),
    works("service-account list", "robot", "deploys from CI"),
    works("service-account list -l team=none", hides=("robot",)),
    works("service-account inspect robot", "project_viewer", "project_developer"),
    fails("service-account inspect absent", "service account 'absent' not found"),
    works("service-account token create robot", "Token created with expiry", "tow_", note="for 90 days"),
    works("service-account token create robot '3 days'", "Token created with expiry", "tow_"),
    fails(
        "service-account token create robot 0",
        "every token ends",
        note="a token without an end is refused: `every token ends: choose a time within 366 days`",
    ),
    replace(works("service-account token list robot", "Time Remaining"), after=_note_robot),
    works("service-account token refresh robot $NUMBER '5 days'", "Token refreshed with expiry", "tow_"),
    works("service-account token delete robot $NUMBER", "deleted successfully"),
    fails("service-account token delete robot 1", "token '1' not found"),
    works("apply -f members.yaml", "Created project:with-members"),
    works(
        "project inspect with-members",
        "jane@example.com",
        "UserGroup",
        "operators",
        "ServiceAccount",
        "robot",
        note="members are users, user groups and service accounts with their roles",
    ),
    works("project whoami --project-name with-members", "project_admin", "project_developer"),
    works("apply -f members.yaml", "Updated project:with-members", note="the members are replaced"),
    works("project features vpn with-members true", "Done", note="the members stay"),
    works("project inspect with-members -f json", '"operators"', '"project_viewer"'),
    works("organization inspect acme", "robot", "ServiceAccount"),
    works("project delete with-members -f", "Project deleted successfully"),
    works("usergroup delete operators -f", "User group deleted successfully"),
    fails("usergroup delete operators -f", "usergroup not found"),
    works("service-account delete robot -f", "Service account robot deleted"),
    fails("service-account delete robot -f", "service account 'robot' not found"),
)
DEPLOYING = (
    works("apply --dryrun hub.yaml", "Created secret:hub-pull", "Apply successful"),
    fails("apply -f git.yaml", "Git", note="source secrets are of old"),
    replace(
        works(
            "apply -f app.yaml",
            "Created secret:private-pull",
            "Created secret:app-keys",
            "Created package:talker:v1.0.0",
            "Created deployment:talker-1",
            "Apply successful",
        ),
        after=_note_deployment,
    ),
    works("deployment wait talker-1", "Phase: Succeeded Status: Running"),
    works("deployment status talker-1", "Running"),
    works("deployment list", "talker (v1.0.0)", "Succeeded", "Running"),
    works("deployment list --wide -l team=robots", "dep-", "talker-1"),
    works("deployment list --device rover", hides=("talker-1",)),
    works("deployment inspect talker-1", "generation: 1", "DB_PASSWORD", hides=("hunter2",)),
    works("deployment inspect $DEPLOYMENT -f json", '"status": "Running"', note="by its guid"),
    fails("deployment execute talker-1 -- ls", "Only device runtime is supported"),
    works("secret list", "private-pull", "app-keys"),
    works("secret list -l team=robots", "private-pull", hides=("app-keys",)),
    works("secret inspect private-pull", "username: robot", hides=("password:", "p@ss")),
    works("secret inspect app-keys -f json", '"API_KEY"', hides=("abc123", "hunter2")),
    works("package list", "talker", "v1.0.0", "private image demo"),
    works("package list --filter nothing", hides=("talker",)),
    works("package inspect talker", "private-pull", "targetPort: 8080"),
    works("package inspect talker --version v1.0.0 -f json", '"runAsBash": false'),
    works("package deployments talker", "talker-1", "Running"),
    works("apply -f follower.yaml", "Created deployment:follower", note="waits until talker-1 runs"),
    works("delete -f follower.yaml", "Deleted deployment:follower"),
    fails("project delete demo -f", "still has deployments (talker-1)"),
    replace(works("deployment restart talker-1 -f", "Restarted"), after=_note_deployment),
    works("deployment wait talker-1", "Phase: Succeeded Status: Running"),
    works(
        "apply -f app.yaml",
        "Updated secret:private-pull",
        "Updated secret:app-keys",
        "package:talker:v1.0.0 already exists",
        "deployment:talker-1 already exists",
    ),
    works(
        "apply -f --recreate app.yaml",
        "Deleted deployment:talker-1",
        "Deleted package:talker:v1.0.0",
        "Created package:talker:v1.0.0",
        "Created deployment:talker-1",
    ),
    replace(works("deployment update 'talk.*' -f", "Restarted"), before=_when("Running")),
)
A_WRONG_PASSWORD = (
    replace(works("apply -f wrong.yaml", "Updated secret:private-pull"), before=_when("Running")),
    works("deployment restart 'talk.*' -f", "Restarted"),
    replace(
        fails(
            "deployment wait talker-1",
            "Deployment not running. Phase: Provisioning",
            note="at once when the pull is refused (DEP_E153)",
        ),
        before=_when("Error"),
        after=_note_speed,
    ),
    works("deployment status talker-1", "Error"),
    works("deployment list", "[DEP_E153]", note="shows `[DEP_E153]` in place of the status"),
    works("deployment list --phase Provisioning", "talker-1"),
    works("apply -f right.yaml", "Updated secret:private-pull", note="the corrected secret is all it takes"),
    replace(works("deployment wait talker-1", "Phase: Succeeded Status: Running"), before=_when("Running")),
)
DISKS = (
    works("disk list", hides=("data",)),
    works("disk create data --capacity 4", "Disk data created successfully"),
    fails("disk create data --capacity 4", "disk 'data' exists in this project"),
    fails("disk create odd --capacity 5", "capacity", note="`rio` itself: an even number from 4 to 512"),
    works(
        "apply -f disk.yaml",
        "Created disk:kept",
        "Created deployment:with-disk",
        note="a Disk, and a Deployment that mounts it",
    ),
    works("disk list", "data", "Available", "kept", "Bound", "with-disk"),
    works("disk list -l team=robots", "kept", hides=("data",)),
    works("deployment wait with-disk", "Phase: Succeeded Status: Running"),
    works("deployment inspect with-disk", "mountPath: /data", "nameOrGUID: kept", "status: Bound"),
    fails(
        "disk delete kept -f",
        "is used by deployment 'with-disk'",
        note="while a deployment has it: says which",
    ),
    works("apply -f disk.yaml", "disk:kept already exists", note="a Disk that is there"),
    works("delete -f disk.yaml", "Deleted deployment:with-disk", "Deleted disk:kept"),
    works("disk delete data -f", "Disk(s) deleted successfully"),
    works("disk delete data -f", "Disk(s) not found"),
)
ENDING = (
    Step(
        command="deployment logs talker-1",
        says=("hello from a private image",),
        note="streams until the container ends",
        drive=end_when_read,
    ),
    works("apply -f app.yaml", "Created deployment:talker-1"),
    works("deployment delete 'talk.*' -f", "Deployment Deleted Successfully"),
    works("deployment delete 'talk.*' -f", "Deployment(s) not found"),
    works("deployment list --phase Stopped --wide", "talker-1", "Stopped"),
    fails(
        "apply -f edge.yaml",
        "Created package:edge:1",
        "no device engine",
        note="a package for devices is kept; a deployment of one is refused",
    ),
    works("package delete edge --version 1 -f", "Package deleted successfully"),
    works(
        "delete -f app.yaml",
        "deployment:talker-1 not found",
        "Deleted package:talker:v1.0.0",
        "Deleted secret:private-pull",
    ),
    works("delete -f app.yaml", "package:talker:v1.0.0 not found", note="what is gone: `not found`"),
    works("apply -f right.yaml", "Created secret:private-pull"),
    works("secret delete 'other.*' -f", "Secret(s) not found"),
    works("secret delete 'private.*' -f", "Secret deleted successfully"),
    works("apply -f app.yaml", "Created deployment:talker-1"),
    works("package delete 'talk.*' -f", "Package deleted successfully", note="its deployment goes on"),
    works("delete -f app.yaml", "Deleted deployment:talker-1", "package:talker:v1.0.0 not found"),
    works("apply -f right.yaml", "Created secret:private-pull"),
    works("secret delete --all -f", "Secret deleted successfully"),
    works("secret list", hides=("private-pull",)),
    fails("secret inspect private-pull", "secret 'private-pull' not found"),
    fails("package inspect talker", "package not found"),
    works("package delete", "Nothing to delete"),
    *(
        fails(f"deployment {verb} talker-1", "deployment 'talker-1' not found")
        for verb in ("inspect", "status", "wait", "logs")
    ),
)
WITHOUT_A_SERVER = (
    works("version", "rio 10.11.0"),
    works("help", "Usage: rio"),
    works("completion bash", "rio"),
    works("explain secret-docker", 'kind: "Secret"'),
    works("list-examples", "secret"),
    works("template app.yaml", "talker-1"),
    works("auth logout", "Logged out successfully", note="on your machine alone: the token stays valid"),
    fails("secret list", "Not logged in", note="then: `Not logged in`"),
)

LANE: tuple[Step, ...] = (
    *SIGNING_IN,
    *ORGANIZATIONS,
    *PERMISSIONS,
    *PROJECTS,
    *GROUPS,
    *DEPLOYING,
    *A_WRONG_PASSWORD,
    *DISKS,
    *ENDING,
    *WITHOUT_A_SERVER,
)
