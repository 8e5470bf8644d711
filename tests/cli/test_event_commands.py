"""``towline event`` and ``towline webhook``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from parts.world import REGISTRY, docker_draft
from towline.domain.credential import Password

if TYPE_CHECKING:
    from parts.live import Live
    from parts.shell import Shell


def turned(live: Live, name: str) -> None:
    """Let a new secret's verdict turn from verified to failing: one event."""
    registry = live.world.prover.registry(REGISTRY, robot="hunter2")
    live.run(live.world.secrets.create(live.world.access, docker_draft(name)))
    registry.users["robot"] = Password("rotated")
    live.run(live.world.proofs.stored(live.project, name, actor="test"))


def test_events_are_listed_for_people_and_for_programs(live: Live, jane: Shell) -> None:
    turned(live, "listed")
    assert "Secret listed: verified -> failing (wrong-credentials)" in jane.towline("event", "list").stdout
    shown = json.loads(jane.towline("event", "list", "--kind", "secret.verdict-changed", "-o", "json").stdout)
    assert shown[-1]["subject"]["name"] == "listed"


def test_events_are_printed_as_they_come(live: Live, jane: Shell) -> None:
    turned(live, "before")
    words = [sys.executable, "-m", "towline", "event", "watch", "--since", "0", "-o", "json"]
    environ = {**os.environ, "XDG_CONFIG_HOME": str(jane.home)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=environ, text=True) as watching:
        try:
            assert watching.stdout is not None
            names = {json.loads(watching.stdout.readline())["subject"]["name"]}
            turned(live, "after")
            while "after" not in names:
                names.add(json.loads(watching.stdout.readline())["subject"]["name"])
        finally:
            watching.terminate()


def test_a_webhook_is_made_tested_listed_and_deleted(jane: Shell) -> None:
    made = jane.towline("webhook", "create", "ops", "--url", "https://hooks.example.com/x", "-o", "json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["signingKey"].startswith("twh_")
    assert jane.towline("webhook", "test", "ops").returncode == 0
    assert "https://hooks.example.com" in jane.towline("webhook", "list").stdout
    assert jane.towline("webhook", "delete", "ops", "--yes").returncode == 0
    assert jane.towline("webhook", "test", "ops").returncode == 3
