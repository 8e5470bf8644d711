"""A real OpenID provider, the certified ``oidc-provider`` on node (``make .venv/.provider``)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
from joserfc.jwk import RSAKey

from parts.registry import free_port
from parts.require import require

HERE = Path(__file__).with_name("provider")
HOME = Path(sys.prefix) / "provider"
CLIENT, SECRET = "towline", "an obviously fake client secret"
PATIENCE = 30.0


@dataclass
class Provider:
    """Where it runs, and who is known there: claims by the name with which one signs in."""

    folder: Path
    port: int
    client: dict[str, object]
    keys: list[dict[str, Any]] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None

    @property
    def issuer(self) -> str:
        """Its identifier."""
        return f"http://127.0.0.1:{self.port}"

    def knows(self, **people: dict[str, object]) -> None:
        """Let these be the people who are known there."""
        (self.folder / "people.json").write_text(json.dumps(people))

    def start(self, *, key: str = "first") -> None:
        """Start with this key for signatures."""
        made = RSAKey.generate_key(2048, {"kid": key, "use": "sig", "alg": "RS256"}, private=True)
        given = {
            "issuer": self.issuer,
            "port": self.port,
            "client": self.client,
            "jwks": {"keys": [made.as_dict(private=True)]},
            "people": str(self.folder / "people.json"),
        }
        file = self.folder / "provider.json"
        file.write_text(json.dumps(given))
        shutil.copy(HERE / "provider.mjs", HOME / "provider.mjs")
        with (self.folder / "provider.log").open("a") as log:
            self.process = subprocess.Popen(
                ["node", str(HOME / "provider.mjs"), str(file)], stdout=log, stderr=log, text=True
            )
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                if httpx.get(f"{self.issuer}/.well-known/openid-configuration").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError((self.folder / "provider.log").read_text())

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def rotate(self) -> None:
        """Begin anew with another key: what it knew of sessions is gone."""
        self.stop()
        self.start(key="second")


@dataclass
class Browser:
    """A browser that follows links and fills in the provider's sign-in form, without scripts."""

    client: httpx.Client

    def go(self, address: str, *, name: str = "", until: str = "") -> httpx.Response:
        """Follow an address and its redirects, signing in at the provider as ``name`` where that asks.

        Stop before an address that begins with ``until``, where one is given: that redirect is returned.
        """
        answer = self.client.get(address)
        for _ in range(20):
            if answer.is_redirect:
                following = urljoin(str(answer.url), answer.headers["location"])
                if until and following.startswith(until):
                    return answer
                answer = self.client.get(following)
                continue
            form = re.search(r'<form[^>]*action="([^"]+/interaction/[^"]+)"', answer.text)
            if form is None:
                return answer
            fields = dict(re.findall(r'name="(prompt)" value="(\w+)"', answer.text))
            answer = self.client.post(
                urljoin(str(answer.url), form[1]), data={**fields, "login": name, "password": "any"}
            )
        raise AssertionError("the redirects do not end")


@contextmanager
def running_provider(folder: Path, server: str) -> Iterator[Provider]:
    """Run a provider that knows ``server`` as its client until the block ends."""
    require("node")
    require(str(HOME / "node_modules"))
    made = Provider(
        folder,
        free_port(),
        client={
            "client_id": CLIENT,
            "client_secret": SECRET,
            "redirect_uris": [f"{server}/sign-in/sso/back"],
            "post_logout_redirect_uris": [f"{server}/sign-in"],
            "backchannel_logout_uri": f"{server}/sign-in/sso/logout",
            "backchannel_logout_session_required": True,
            "response_types": ["code"],
            "grant_types": ["authorization_code"],
        },
    )
    made.knows()
    try:
        made.start()
        yield made
    finally:
        made.stop()
