"""Cases on real registries: Debian's docker-registry with a password file, tokens, TLS, or as a cache.

The image is pushed once into an open registry; every other registry begins with a copy of its storage.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import msgspec

from findings.cases import Case, Real
from findings.run import Outcome, ask, judged
from findings.sample import PARTS
from findings.stage import black_hole
from parts.registry import (
    PASSWORD,
    USER,
    RealRegistry,
    certificate,
    free_port,
    htpasswd_auth,
    running_registry,
)
from parts.token_server import User, token_server
from towline.domain.proof import Answer

REPOSITORY, TAG = "team/app", "1.0"
_ELSEWHERE = "192.0.2.7"
_HELD = (("config", "layer", "manifest"), ("config-arm64", "layer", "manifest-arm64"))


@dataclass
class RealRegistries:
    """The registries that real cases need, each started when it is first asked for."""

    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _running: dict[Real, RealRegistry] = field(default_factory=dict)
    _content: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def of(self, real: Real) -> RealRegistry:
        """Return the registry of this kind."""
        if real not in self._running:
            self._running[real] = self._started(real)
        return self._running[real]

    def _started(self, real: Real) -> RealRegistry:
        match real.address:
            case "closed":
                return RealRegistry(f"127.0.0.1:{free_port()}")
            case "black-hole":
                return RealRegistry("{}:{}".format(*black_hole(self._stack)))
            case "unresolvable":
                return RealRegistry("registry.invalid")
            case _:
                return self._served(real)

    def _served(self, real: Real) -> RealRegistry:
        folder = self._folder()
        shutil.copytree(self._image(), folder / "storage")
        auth = self._auth(real, folder)
        if real.tls == "plain":
            registry = self._stack.enter_context(running_registry(folder, auth=auth))
        else:
            made = certificate(
                folder,
                address=_ELSEWHERE if real.tls == "wrong-name" else "127.0.0.1",
                days=-1 if real.tls == "expired" else 30,
            )
            registry = self._stack.enter_context(running_registry(folder, auth=auth, certificate=made))
        return self._cache(registry, real.through) if real.through else registry

    def _auth(self, real: Real, folder: Path) -> str:
        match real.auth:
            case "htpasswd":
                return htpasswd_auth(folder)
            case "token":
                users = {USER: User(PASSWORD, {REPOSITORY: ("pull",)})}
                return self._stack.enter_context(token_server(users)).auth(folder)
            case _:
                return ""

    def _cache(self, upstream: RealRegistry, password: str) -> RealRegistry:
        told = {
            "remoteurl": f"http://{upstream.netloc}",
            "username": USER,
            "password": PASSWORD if password == "right" else "not-the-password",
        }
        section = f"proxy: {msgspec.json.encode(told).decode()}"
        return self._stack.enter_context(running_registry(self._folder(), auth=section))

    def _image(self) -> Path:
        """Return the storage of a registry that holds the sample image."""
        if self._content is None:
            folder = self._folder()
            with running_registry(folder, auth="") as registry:
                for parts in _HELD:
                    _push(f"http://{registry.netloc}/v2/{REPOSITORY}", parts)
            self._content = folder / "storage"
        return self._content

    def _folder(self) -> Path:
        return Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="towline-findings-")))


def filled_in(case: Case, registry: RealRegistry) -> Case:
    """Return the case with the registry's address and the right password in their places."""
    wish = case.ask
    changed = msgspec.structs.replace(
        wish,
        image=wish.image.replace("@registry", registry.netloc),
        login=wish.login.replace("@registry", registry.netloc),
        password=wish.password.replace("@password", PASSWORD),
    )
    return msgspec.structs.replace(case, ask=changed)


async def play_real(case: Case, registry: RealRegistry) -> Outcome:
    """Run a case on its real registry."""
    filled = filled_in(case, registry)
    trusted = case.real is not None and case.real.tls != "unknown-authority"
    began = time.monotonic()
    answer = await ask(filled, ca_pem=registry.ca_pem if trusted else "")
    took = round((time.monotonic() - began) * 1000)
    return judged(
        Outcome(filled, answer, took, _hosts(answer), _hosts(answer, authorized=True), _logins(answer))
    )


def _hosts(answer: Answer, *, authorized: bool = False) -> frozenset[str]:
    asked = (each for each in answer.evidence if not authorized or each.sent != "none")
    return frozenset(urlsplit(each.origin).hostname or "" for each in asked)


def _logins(answer: Answer) -> tuple[tuple[str, int], ...]:
    """Return the requests that held the password, as the evidence tells them."""
    with_it = (each for each in answer.evidence if each.sent == "basic")
    return tuple((urlsplit(each.origin).hostname or "", each.status or 0) for each in with_it)


def _push(repository: str, names: tuple[str, ...]) -> None:
    """Put blobs and, last, their manifest into an open registry (distribution-spec, pushing)."""
    *blobs, manifest = names
    for name in blobs:
        part = PARTS[name]
        with urlopen(Request(f"{repository}/blobs/uploads/", method="POST")) as begun:
            place = begun.headers["Location"]
        both = "&" if "?" in place else "?"
        _put(f"{place}{both}digest={part.digest}", part.content, "application/octet-stream")
    part = PARTS[manifest]
    tag = TAG if manifest == "manifest" else TAG + manifest.removeprefix("manifest")
    _put(f"{repository}/manifests/{tag}", part.content, part.kind)


def _put(url: str, content: bytes, kind: str) -> None:
    with urlopen(Request(url, data=content, headers={"Content-Type": kind}, method="PUT")):
        pass
