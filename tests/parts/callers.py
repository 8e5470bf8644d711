"""The small programs, run as processes against a live server, each test with a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from parts.live import Live

REGISTRY = "registry.example.com:5000"
PASSWORD = ' p@ss:wörd/1 "$" '


@dataclass(frozen=True)
class Caller:
    """A user of one program, with a token in the environment."""

    live: Live
    home: Path
    token: str

    def start(
        self, program: str, *words: str, stdin: str | bytes = "", **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of ``towline.outlets``."""
        content = stdin.encode() if isinstance(stdin, str) else stdin
        environment = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "TOWLINE_URL": self.live.url,
            "TOWLINE_TOKEN": self.token,
            **environ,
        }
        done = subprocess.run(
            [sys.executable, "-m", f"towline.outlets.{program}", *words],
            input=content,
            capture_output=True,
            check=False,
            timeout=60,
            env={name: value for name, value in environment.items() if value},
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )


def keep(live: Live, name: str, registry: str, username: str = "robot") -> None:
    """Keep a docker pull secret as Jane."""
    docker = {"registry": registry, "username": username, "password": PASSWORD, "email": "j@example.com"}
    body = {"metadata": {"name": name}, "spec": {"type": "Docker", "docker": docker}}
    httpx.post(f"{live.url}/v2/secrets/", json=body, headers=live.headers()).raise_for_status()


def token_of(live: Live, *scopes: str) -> str:
    """Return a token of Jane's with these scopes, for her project."""
    spec = {"scopes": list(scopes), "days": 1, "projectGUID": live.project}
    body: dict[str, Any] = {"metadata": {"name": "robot"}, "spec": spec}
    answer = httpx.post(f"{live.url}/v2/tokens/", json=body, headers=live.headers())
    made: str = json.loads(answer.content)["token"]
    return made
