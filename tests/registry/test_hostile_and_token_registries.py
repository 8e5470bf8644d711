"""Registries that no real program plays: token servers of every mood, and hostile ones. All on loopback."""

import base64
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from towline.domain.causes import FindingCode
from towline.domain.credential import Credential, Password
from towline.domain.image import ImageReference
from towline.domain.proof import Platform, Verdict
from towline.domain.registry import RegistryAddress, RegistrySettings
from towline.domain.workload import PullAccess
from towline.registry import Registry, cleaning, manifests

AMD = Platform("linux", "amd64")
GOOD = base64.b64encode(b"jane:hunter2").decode()
CONFIG = json.dumps(
    {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}}
).encode()


class Scripted:
    """A token registry: ``rights`` are the repositories that jane may pull; counts what it is asked."""

    def __init__(self) -> None:
        self.rights = {"team/app"}
        self.realm = ""
        self.token_status = 200
        self.manifest_answer: Callable[[], web.Response] | None = None
        self.ping_answer: web.StreamResponse | None = None
        self.seen: Counter[str] = Counter()
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": manifests.MANIFEST_TYPES[0],
                "config": {"digest": manifests.digest_of(CONFIG), "size": len(CONFIG)},
                "layers": [],
            }
        ).encode()

    async def ping(self, request: web.Request) -> web.StreamResponse:
        if self.ping_answer is not None:
            return self.ping_answer
        return web.Response() if self._token(request) else self._challenge("")

    async def token(self, request: web.Request) -> web.StreamResponse:
        login = request.headers.get("Authorization", "")
        self.seen["login" if login else "anonymous"] += 1
        if self.token_status != 200:
            return web.json_response({"details": "too many failed login attempts"}, status=self.token_status)
        if login and login != f"Basic {GOOD}":
            return web.json_response({"details": "incorrect username or password"}, status=401)
        who = "jane" if login else "anonymous"
        return web.json_response({"token": f"{who}.{request.query.get('scope', '')}".replace(" ", ".")})

    async def manifests(self, request: web.Request) -> web.StreamResponse:
        if self.manifest_answer is not None:
            return self.manifest_answer()
        token = self._token(request)
        name = request.match_info["name"]
        if token != f"jane.repository:{name}:pull" or name not in self.rights:
            return self._challenge('error="insufficient_scope"')
        return web.Response(body=self.manifest, content_type=manifests.MANIFEST_TYPES[0])

    async def blob(self, _: web.Request) -> web.StreamResponse:
        return web.Response(body=CONFIG)

    def _challenge(self, error: str) -> web.Response:
        header = f'Bearer realm="{self.realm}",service="s"' + (f",{error}" if error else "")
        body = {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}
        return web.json_response(body, status=401, headers={"WWW-Authenticate": header})

    def _token(self, request: web.Request) -> str:
        return request.headers.get("Authorization", "").removeprefix("Bearer ")


@asynccontextmanager
async def served(script: Scripted) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/v2/", script.ping)
    app.router.add_get("/token", script.token)
    app.router.add_route("*", "/v2/{name:.+}/manifests/{reference}", script.manifests)
    app.router.add_get("/v2/{name:.+}/blobs/{digest}", script.blob)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        script.realm = script.realm or f"http://127.0.0.1:{port}/token"
        yield f"127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def room():
    registry = Registry()
    yield registry
    await registry.close()


def access(netloc: str, password: str = "hunter2") -> PullAccess:
    return PullAccess(RegistrySettings(netloc), Credential("jane", Password(password)), plain_http=True)


async def prove(room, netloc: str, *, repository: str = "team/app", password: str = "hunter2"):
    image = ImageReference.parse(f"{netloc}/{repository}:1")
    return await room.prover.image(image, access(netloc, password), platform=AMD)


def code(answer) -> FindingCode | None:
    return answer.finding and answer.finding.code


async def test_a_token_obtained_with_the_login_proves_it(room):
    async with served(Scripted()) as netloc:
        answer = await prove(room, netloc)
        login = await room.prover.login(RegistryAddress.parse(f"http://{netloc}"), access(netloc))
    assert (answer.verdict, login.verdict) == (Verdict.VERIFIED, Verdict.VERIFIED)


async def test_a_wrong_password_is_not_saved_by_the_anonymous_token(room):
    script = Scripted()
    async with served(script) as netloc:
        answer = await prove(room, netloc, password="wrong-one")
    assert (answer.verdict, code(answer)) == (Verdict.FAILING, FindingCode.WRONG_CREDENTIALS)
    assert script.seen["login"] == 1  # and one anonymous question: is it public?


async def test_a_login_without_the_right_is_told_from_a_wrong_login(room):
    async with served(Scripted()) as netloc:
        answer = await prove(room, netloc, repository="other/app")
    assert (answer.verdict, code(answer)) == (Verdict.VERIFIED, FindingCode.NO_PULL_PERMISSION)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (429, FindingCode.LOGIN_BLOCKED),
        (500, FindingCode.TOKEN_SERVER_ERROR),
        (302, FindingCode.REDIRECT_REFUSED),
    ],
)
async def test_a_token_server_in_trouble_says_nothing_about_the_login(room, status, expected):
    script = Scripted()
    script.token_status = status
    async with served(script) as netloc:
        answer = await prove(room, netloc)
    assert (answer.verdict, code(answer)) == (Verdict.UNKNOWN, expected)
    assert script.seen["login"] == 1


@pytest.mark.parametrize(
    "realm",
    [
        "https://evil.example/token",
        "http://169.254.169.254/latest/meta-data",
        "http://user:pass@127.0.0.1/token",
        "file:///etc/passwd",
        "not a url",
        "http://[::1",
    ],
)
async def test_a_foreign_realm_gets_no_credential(room, realm):
    script = Scripted()
    script.realm = realm
    async with served(script) as netloc:
        answer = await prove(room, netloc)
    assert code(answer) is FindingCode.REALM_REFUSED
    assert all(each.sent == "none" for each in answer.evidence)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (429, b"", FindingCode.RATE_LIMITED),
        (503, b"", FindingCode.REGISTRY_ERROR),
        (302, b"", FindingCode.REDIRECT_REFUSED),
        (200, b"not json", FindingCode.MANIFEST_NOT_SUPPORTED),
        (200, b'{"schemaVersion":1}', FindingCode.MANIFEST_NOT_SUPPORTED),
        (200, b"[" * 100_000, FindingCode.MANIFEST_NOT_SUPPORTED),
    ],
)
async def test_odd_answers_for_a_manifest_have_their_findings(room, status, body, expected):
    script = Scripted()
    async with served(script) as netloc:
        elsewhere = {"Location": "http://evil.example/"}
        script.manifest_answer = lambda: web.Response(status=status, body=body, headers=elsewhere)
        answer = await prove(room, netloc)
    assert code(answer) is expected


async def test_an_endless_answer_is_cut_off(room):
    script = Scripted()
    async with served(script) as netloc:
        script.manifest_answer = lambda: web.Response(body=b"x" * (5 << 20))
        answer = await prove(room, netloc)
    assert code(answer) is not None
    assert answer.image is None


@pytest.mark.parametrize("status", [200, 404, 302])
async def test_a_web_page_is_no_registry(room, status):
    script = Scripted()
    async with served(script) as netloc:
        script.ping_answer = web.Response(status=status, text="<html>hi</html>", content_type="text/html")
        answer = await prove(room, netloc)
    assert code(answer) is FindingCode.NOT_A_REGISTRY
    assert all(each.sent == "none" for each in answer.evidence)


def test_foreign_text_is_shown_as_one_plain_short_line():
    hostile = "\x1b[31mred\x1b[0m <script>alert(1)</script>\r\n\x00 \x1b]0;title\x07" + "x" * 500
    shown = cleaning.cleaned(hostile)
    assert shown.isprintable()
    assert "<" not in shown
    assert "\x1b" not in shown
    assert len(shown) <= cleaning.LONGEST
