"""Having the Engine pull an image, with the least that opens it and the progress of every layer.

The Engine sends what it is handed to whatever registry the image names and compares nothing, so that
image and credential were matched before (``Keychain.resolve``). Errors come late too, inside a stream
that began with status 200. Header: moby ``api/types/registry``, base64url with padding.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

import structlog

from towline.domain.causes import FindingCode
from towline.domain.credential import Credential
from towline.domain.deployment import LayerProgress
from towline.domain.errors import PullRefused
from towline.domain.findings import Finding
from towline.engines.docker import refusals
from towline.engines.docker.daemon import Refused, lines
from towline.ports import PullToken

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from towline.domain.image import ImageReference
    from towline.domain.workload import PullAccess
    from towline.engines.docker.daemon import Daemon, Json
    from towline.ports import Clock, PullTokens

log = structlog.get_logger("towline.engine.docker")

MOST_TOKENS = 4
"""How many tokens one pull may use up: a token lives minutes, a slow pull longer."""

HEADER = "X-Registry-Auth"


class Pulls:
    """Pulls through one Engine."""

    def __init__(self, daemon: Daemon, tokens: PullTokens, clock: Clock) -> None:
        self._daemon = daemon
        self._tokens = tokens
        self._clock = clock

    async def is_here(self, image: ImageReference) -> bool:
        """Whether the Engine has the image."""
        try:
            await self._daemon.ask("GET", f"/images/{called(image)}/json")
        except Refused as refused:
            if refused.status == 404:
                return False
            raise
        return True

    async def pull(
        self, image: ImageReference, access: PullAccess, *, tell: Callable[[Sequence[LayerProgress]], None]
    ) -> None:
        """Have the Engine pull ``image``; raise PullRefused. A token that has run out is renewed."""
        for turn in range(1, MOST_TOKENS + 1):
            login = await self._login(image, access)
            said = await pulled(self._daemon, image, login, tell)
            if not said:
                return
            renewable = isinstance(login, PullToken) and refusals.is_about_login(said)
            if not renewable or turn == MOST_TOKENS:
                raise PullRefused(_finding(said, image, login))
            log.info("token.renewed", image=str(image), turn=turn)

    async def _login(self, image: ImageReference, access: PullAccess) -> PullToken | Credential | None:
        """Return the least that opens the image: the credential itself only where no token is given, or
        taken: podman knows no ``registrytoken`` (decision 39).
        """
        if access.credential is None or self._daemon.is_podman:
            return access.credential
        token = await self._tokens.pull_token(image, access, now=self._clock())
        return access.credential if token is None else token


async def pulled(
    daemon: Daemon,
    image: ImageReference,
    login: PullToken | Credential | None,
    tell: Callable[[Sequence[LayerProgress]], None] = lambda _: None,
) -> str:
    """Have an Engine pull once; return what it says went wrong, "" when nothing did."""
    query = {"fromImage": image.name, "tag": image.reference}
    progress = Progress()
    try:
        async with daemon.stream("POST", "/images/create", query, headers=header(image, login)) as content:
            async for line in lines(content):
                if said := progress.note(line):
                    return said
                tell(progress.layers)
    except Refused as refused:
        return refused.said
    return ""


class Progress:
    """How far each layer is, from the lines of a pull's stream."""

    def __init__(self) -> None:
        self._layers: dict[str, LayerProgress] = {}

    @property
    def layers(self) -> Sequence[LayerProgress]:
        """All layers, in the image's order."""
        return tuple(self._layers.values())

    def note(self, line: Json) -> str:
        """Take one line; return the error that it tells, "" when it tells none."""
        if not isinstance(line, dict):
            return ""
        if "error" in line or "errorDetail" in line:
            detail = line.get("errorDetail") or {}
            return str(detail.get("message") or line.get("error") or "an error without a text")
        name, status = str(line.get("id", "")), str(line.get("status", ""))
        if status == "Pulling fs layer" or (status == "Already exists" and name):
            self._layers.setdefault(name, LayerProgress(name, 0, unpacked=status == "Already exists"))
        known = self._layers.get(name)
        if known is not None:
            self._layers[name] = _moved(known, status, line.get("progressDetail") or {})
        return ""


def _moved(known: LayerProgress, status: str, detail: Mapping[str, int]) -> LayerProgress:
    match status:
        case "Downloading":
            size = int(detail.get("total") or known.size)
            return replace(known, size=max(size, 0), received=int(detail.get("current") or 0))
        case "Download complete" | "Extracting":
            size = known.size or int(detail.get("total") or 0)
            return replace(known, size=size, received=size)
        case "Pull complete":
            return replace(known, received=known.size, unpacked=True)
        case _:
            return known


def called(image: ImageReference) -> str:
    """Return what the Engine calls the image: by its digest alone, where it has one."""
    return f"{image.name}@{image.digest}" if image.digest else f"{image.name}:{image.tag}"


def header(image: ImageReference, login: PullToken | Credential | None) -> Mapping[str, str]:
    """Return the header that hands a login over; none for an anonymous pull. As secret as the login."""
    match login:
        case None:
            return {}
        case PullToken():
            words = {"registrytoken": login.token.reveal()}
        case Credential() if login.is_identity_token:
            words = {"identitytoken": login.password.reveal()}
        case Credential():
            words = {"username": login.username, "password": login.password.reveal()}
        case _:
            assert_never(login)
    document = json.dumps({**words, "serveraddress": image.registry}).encode()
    return {HEADER: base64.urlsafe_b64encode(document).decode()}


def _finding(said: str, image: ImageReference, login: PullToken | Credential | None) -> Finding:
    finding = refusals.pull_finding(said, image, with_login=login is not None)
    if isinstance(login, PullToken) and finding.code is FindingCode.WRONG_CREDENTIALS:
        return replace(finding, code=FindingCode.TOKEN_NOT_ACCEPTED)
    return finding
