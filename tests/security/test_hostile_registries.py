"""Registries that mean harm: none gets the login, none holds us up, none speaks through our terminal."""

import asyncio
import contextlib
import gzip
import json
import zlib
from collections.abc import AsyncIterator

import pytest

from security.villain import BASIC, LOGIN, PASSWORD, USER, Call, Villain, answer, loose, poured, refusal
from towline.domain.causes import FindingCode
from towline.domain.credential import Credential, Password
from towline.domain.image import ImageReference
from towline.domain.proof import Answer, Platform, Verdict
from towline.domain.registry import RegistrySettings
from towline.domain.workload import PullAccess
from towline.registry import Patience, Registry
from towline.registry.auth import LONGEST_LIFE, bearer_of
from towline.registry.manifests import digest_of
from towline.registry.transport import Reply

AMD = Platform("linux", "amd64")
SHORT = Patience(answer=0.6, connect=0.5, read=0.4)
LONG_AGO = 10.0
"""Seconds after which something hung: nothing here waits for longer than its patience a few times over."""
HEAD_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"


@contextlib.asynccontextmanager
async def room(patience: Patience | None = None) -> AsyncIterator[Registry]:
    registry = Registry(patience=patience)
    try:
        yield registry
    finally:
        await registry.close()


def access(netloc: str, **settings) -> PullAccess:
    credential = Credential(USER, Password(PASSWORD))
    return PullAccess(RegistrySettings(netloc, **settings), credential, plain_http=True)


async def pulled(villain: Villain, *, patience: Patience | None = None, **settings) -> Answer:
    """Return the proof of an image at ``villain``, and see that it came in time."""
    image = ImageReference.parse(f"{villain.netloc}/team/app:1")
    async with room(patience) as registry, asyncio.timeout(LONG_AGO):
        return await registry.prover.image(image, access(villain.netloc, **settings), platform=AMD)


def told(answer: Answer) -> tuple[FindingCode, str]:
    """Return a finding's code and detail, the evidence being there and clean of the login."""
    finding = answer.finding
    assert finding is not None
    assert finding.evidence
    everything = repr(finding) + "".join(map(str, finding.evidence))
    assert PASSWORD not in everything
    assert LOGIN not in everything
    return finding.code, finding.detail


def all_shown(answer: Answer) -> list[str]:
    """Return every text of an answer that people and programs get to see."""
    assert answer.finding is not None
    lines = [answer.finding.detail, *(str(each) for each in answer.evidence)]
    return lines + [text for each in answer.evidence for pair in each.headers for text in pair]


def plain(text: str) -> bool:
    return text.isprintable() and "<" not in text


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\n", b"X-More: a\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"a"),
        (HEAD_OK + b"Content-Length: 4000000\r\n\r\n", b" "),
        (HEAD_OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (HEAD_OK + b"\r\n", b" "),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["status line", "headers", "one header", "body", "chunks", "body without length", "continue"],
)
async def test_a_registry_that_drips_is_given_up_in_time(first, drop):
    async with loose(lambda _: poured(first, drop, every=0.05)) as villain:
        answer = await pulled(villain, patience=SHORT)
        assert not villain.authorized
    code, detail = told(answer)
    assert code in (FindingCode.REGISTRY_TIMEOUT, FindingCode.NOT_A_REGISTRY)
    assert villain.netloc in detail
    assert answer.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("where", ["ping", "login", "manifest"])
async def test_a_body_without_end_is_cut_off_wherever_it_comes(where):
    def says(call: Call):
        endless = poured(HEAD_OK + b"\r\n", b" " * 65536)
        if where == "ping" or (where == "manifest" and "/manifests/" in call.path):
            return endless
        if not call.authorization:
            return refusal("UNAUTHORIZED", "log in")
        return endless if where == "login" else answer(200)

    async with loose(says) as villain:
        code, detail = told(await pulled(villain))
    assert code in (FindingCode.REGISTRY_ERROR, FindingCode.MANIFEST_NOT_SUPPORTED)
    assert "larger than 4096 KiB" in detail


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_bomb_in_a_content_coding_is_never_unpacked(coding, pack):
    bomb = pack(b" " * (64 << 20))

    def says(call: Call):
        if "/manifests/" not in call.path:
            return answer(200) if call.authorization else refusal("UNAUTHORIZED", "log in")
        return answer(200, bomb, headers=f"Content-Encoding: {coding}\r\n")

    async with loose(says) as villain:
        code, _ = told(await pulled(villain))
    assert code is FindingCode.MANIFEST_NOT_SUPPORTED
    assert {"identity"} == {accepted_coding(call) for call in villain.heard}


def accepted_coding(call: Call) -> str:
    lines = (line.partition(": ") for line in call.head.split("\r\n"))
    return next(text for name, _, text in lines if name.lower() == "accept-encoding")


@pytest.mark.parametrize(
    "headers",
    [
        "".join(f"X-{number}: a\r\n" for number in range(100_000)),
        f"X-Giant: {'a' * (8 << 20)}\r\n",
        f'WWW-Authenticate: Basic realm="{"a" * (1 << 20)}"\r\n',
    ],
    ids=["a hundred thousand headers", "one of 8 MiB", "a giant challenge"],
)
async def test_headers_beyond_measure_are_no_answer(headers):
    async with loose(lambda _: answer(401, headers=headers)) as villain:
        code, detail = told(await pulled(villain))
    assert code in (FindingCode.NOT_A_REGISTRY, FindingCode.REGISTRY_RESET)
    assert not villain.authorized
    assert len(detail) < 500


@pytest.mark.parametrize("unclosed", ['a="' * 2700, "a " * 4000, "b a=" + '\\"' * 4000])
@pytest.mark.parametrize("times", [1, 100, 1000])
async def test_challenges_that_follow_no_grammar_lead_nowhere(unclosed, times):
    async with loose(lambda _: answer(401, headers=f"WWW-Authenticate: {unclosed}\r\n" * times)) as villain:
        code, _ = told(await pulled(villain))
    assert code is FindingCode.NOT_A_REGISTRY
    assert not villain.authorized


async def test_of_a_hundred_sound_challenges_the_login_follows_one():
    foreign = "".join(
        f'WWW-Authenticate: Bearer realm="https://evil{number}.example/token"\r\n' for number in range(100)
    )
    async with loose(lambda _: answer(401, headers=foreign + BASIC)) as villain:
        code, detail = told(await pulled(villain))
    assert code is FindingCode.REALM_REFUSED
    assert "evil0.example" in detail
    assert not villain.authorized


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("where", ["ping", "login", "manifest", "token"])
async def test_a_login_follows_no_redirect(status, where):
    async with loose(lambda _: answer(200, b'{"token": "caught"}')) as trap:
        away = answer(status, headers=f"Location: http://{trap.netloc}/caught\r\n")

        def says(call: Call):
            bearer = where == "token"
            if (where == "manifest" and "/manifests/" in call.path) or (bearer and call.path == "/token"):
                return away
            if where == "ping" or (where == "login" and call.authorization):
                return away
            challenge = f'WWW-Authenticate: Bearer realm="http://{villain.netloc}/token"\r\n'
            if not call.authorization:
                return refusal("UNAUTHORIZED", "log in", headers=challenge if bearer else BASIC)
            return answer(200)

        async with loose(says) as villain:
            code, detail = told(await pulled(villain))
        assert trap.heard == []
    assert code in (FindingCode.REDIRECT_REFUSED, FindingCode.NOT_A_REGISTRY)
    assert str(status) in detail


async def test_a_redirect_in_a_circle_ends():
    def says(call: Call):
        if "/manifests/" not in call.path:
            return answer(200)
        return answer(302, headers=f"Location: {call.path}?again\r\n")

    async with loose(says) as villain:
        image = ImageReference.parse(f"{villain.netloc}/team/app:1")
        nobody = PullAccess(RegistrySettings(villain.netloc), plain_http=True)
        async with room() as registry, asyncio.timeout(LONG_AGO):
            answered = await registry.prover.image(image, nobody, platform=AMD)
    assert told(answered)[0] is FindingCode.REDIRECT_REFUSED
    assert len(villain.heard) < 16


async def test_a_redirected_config_is_fetched_without_the_login():
    config = b'{"os": "linux", "architecture": "amd64"}'
    digest = digest_of(config)
    manifest = {"schemaVersion": 2, "config": {"digest": digest, "size": len(config)}, "layers": []}

    async with loose(lambda _: answer(200, config)) as storage:

        def says(call: Call):
            if not call.authorization:
                return refusal("UNAUTHORIZED", "log in")
            if "/blobs/" in call.path:
                return answer(307, headers=f"Location: http://{storage.netloc}/config?signature=x\r\n")
            return answer(200, json.dumps(manifest).encode() if "/manifests/" in call.path else b"")

        async with loose(says) as villain:
            answered = await pulled(villain)
        assert (len(storage.heard), storage.authorized) == (1, [])
    assert answered.verdict is Verdict.VERIFIED
    assert "signature" not in repr(answered)


@pytest.mark.parametrize(
    "realm",
    [
        "https://evil.example/token",
        "http://{netloc}@evil.example/token",
        "http://evil.example\\@{netloc}/token",
        "http://{netloc}.evil.example/token",
        "http://evil.example#@{netloc}/token",
        "//evil.example/token",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/",
        "http://localhost/token",
        "gopher://{netloc}/token",
        "javascript:alert(1)",
        "",
    ],
)
async def test_a_realm_elsewhere_never_hears_of_the_login(realm):
    def says(call: Call):
        named = realm.format(netloc=villain.netloc)
        return refusal("UNAUTHORIZED", "log in", headers=f'WWW-Authenticate: Bearer realm="{named}"\r\n')

    async with loose(says) as villain:
        code, detail = told(await pulled(villain))
        assert not villain.authorized
        assert [call.path for call in villain.heard] == ["/v2/"]
    assert code is FindingCode.REALM_REFUSED
    assert plain(detail)


async def test_a_list_of_tags_beyond_measure_is_not_read_through():
    tags = [f"v1.{number}.{number * 7}" for number in range(200_000)]
    body = json.dumps({"tags": ["x" * 100_000, "v1.9", *tags]}).encode()

    def says(call: Call):
        if not call.authorization:
            return refusal("UNAUTHORIZED", "log in")
        if "/manifests/" in call.path:
            return refusal("MANIFEST_UNKNOWN", "no such tag", status=404, headers="")
        return answer(200, body)

    async with loose(says) as villain:
        code, detail = told(await pulled(villain))
    assert code is FindingCode.TAG_NOT_FOUND
    assert len(detail) < 400


ESCAPES = [
    "\x1b[2J\x1b[31mred\x1b[0m",
    "\x1b]0;your title\x07and \x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "\x9b31mc1 \x9d0;title\x9c",
    "\u202etxet desrever\u202c \u2066isolated\u2069 \u200fmark",
    "nul \x00 bell \x07 back \x08\x08\x08 delete \x7f",
    "two\r\nlines\nand\x0b\x0c\u2028\u2029\x85more",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "\ud800 lone \udfff",
    "e\u0301" * 5000,
    "\u200b\u2060\ufeff" * 3000,
]


def as_json(document: object) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize("text", ESCAPES, ids=range(len(ESCAPES)))
@pytest.mark.parametrize(
    "where",
    [
        "code",
        "message",
        "token server",
        "page",
        "tags",
        "media type",
        "kind",
        "artifact",
        "platform",
        "reason",
    ],
)
async def test_what_a_registry_says_is_shown_as_one_plain_line(text, where):
    manifests = {
        "media type": {"mediaType": text, "config": {"digest": "x"}},
        "artifact": {"config": {"digest": digest_of(b""), "mediaType": text}, "layers": []},
        "platform": {
            "manifests": [{"digest": digest_of(b""), "platform": {"os": text, "architecture": text}}] * 3
        },
    }

    def says(call: Call):
        if call.path == "/token":
            return answer(503, as_json({"error": text, "error_description": text}))
        if not call.authorization:
            challenge = f'WWW-Authenticate: Bearer realm="http://{villain.netloc}/token"\r\n'
            return refusal("UNAUTHORIZED", text, headers=challenge if where == "token server" else BASIC)
        if "/manifests/" in call.path:
            return manifest(call)
        if "/tags/" in call.path:
            return answer(200, as_json({"tags": [text, text[:100]]}))
        return answer(200)

    def manifest(_: Call):
        if where in manifests:
            return answer(200, as_json(manifests[where]))
        if where == "tags":
            return answer(404, as_json({"errors": [{"code": "MANIFEST_UNKNOWN", "message": text}]}))
        if where == "page":
            return answer(500, text.encode(errors="surrogatepass"), kind="text/html")
        code = text if where == "code" else "DENIED"
        return answer(403, as_json({"errors": [{"code": code, "message": text}]}))

    async with loose(says) as villain:
        answered = await pulled(villain)
    told(answered)
    shown = all_shown(answered)
    assert [line for line in shown if not plain(line)] == []
    assert max(len(line) for line in shown) < 1000


@pytest.mark.parametrize("byte", [b"\x1b[31m\xff\xfe\x7f\xe2\x80\xae<b>", b"\x00"])
@pytest.mark.parametrize(
    "name",
    [
        "Docker-Content-Digest", "Content-Type", "Location", "WWW-Authenticate", "Retry-After", "Server",
        "Date", "RateLimit-Limit",
        "Docker-RateLimit-Source", "Docker-Distribution-Api-Version", "X-JFrog-Version",
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [200, 307, 401, 404, 429])
async def test_bytes_in_a_header_do_no_harm(byte, name, status):
    odd = f"{name}: sha256:{byte.decode('latin-1')}?/../x\r\n"

    def says(call: Call):
        if not call.authorization:
            return refusal("UNAUTHORIZED", "log in")
        return answer(status, b"{}", headers=odd) if "/manifests/" in call.path else answer(200)

    async with loose(says) as villain:
        answered = await pulled(villain)
    told(answered)
    assert [line for line in all_shown(answered) if not plain(line)] == []


def registry_of(manifest: dict[str, object], config: dict[str, object]):
    """Return a registry with one image, whose documents are what they are."""

    def says(call: Call) -> bytes:
        if not call.authorization:
            return refusal("UNAUTHORIZED", "log in")
        if "/manifests/" in call.path:
            return answer(
                200, as_json(manifest), headers=f"Docker-Content-Digest: {manifest.get('named', '')}\r\n"
            )
        return answer(200, as_json(config) if "/blobs/" in call.path else b"")

    return says


@pytest.mark.parametrize("text", [text for text in ESCAPES if "\ud800" not in text])
async def test_an_image_that_can_be_pulled_speaks_as_plainly(text):
    config = {"os": "linux", "architecture": "amd64", "variant": ""}
    named = {"digest": digest_of(as_json(config)), "size": 1}
    manifest = {"mediaType": text, "config": named, "layers": []}
    async with loose(registry_of(manifest, config)) as villain:
        answered = await pulled(villain)
    assert answered.verdict is Verdict.VERIFIED
    assert answered.image is not None
    assert plain(answered.image.media_type)
    assert len(answered.image.media_type) <= 100
    assert answered.image.digest == digest_of(as_json(manifest))


@pytest.mark.parametrize("size", [-1, 1 << 62, 10**300, 1 << 48])
async def test_a_size_that_no_blob_has_is_refused(size):
    config = {"os": "linux", "architecture": "amd64"}
    manifest = {"config": {"digest": digest_of(as_json(config)), "size": size}, "layers": []}
    async with loose(registry_of(manifest, config)) as villain:
        code, _ = told(await pulled(villain))
    assert code is FindingCode.MANIFEST_NOT_SUPPORTED


async def test_many_layers_of_the_largest_size_are_a_number_that_can_be_kept():
    config = {"os": "linux", "architecture": "amd64"}
    layer = {"digest": digest_of(as_json(config)), "size": 1 << 47}
    manifest = {"config": layer, "layers": [layer] * 40_000}
    async with loose(registry_of(manifest, config)) as villain:
        answered = await pulled(villain)
    assert answered.image is None or answered.image.size < 1 << 63


@pytest.mark.parametrize("life", [-5, 0, 10**400, "ten", None, True, 1.5, [1]])
async def test_a_token_lives_for_a_time_that_can_be_reckoned_with(life):
    text = as_json({"token": "t", "expires_in": life})
    bearer = bearer_of(Reply(200, {}, (), text))
    assert bearer is None or 0 < bearer.expires_in <= LONGEST_LIFE


@pytest.mark.parametrize("token", ["a b", "a\r\nX-Evil: 1", "ä", "\x00", "", None, 7, ["t"]])
async def test_a_token_that_fits_no_header_is_none(token):
    assert bearer_of(Reply(200, {}, (), as_json({"token": token}))) is None


@pytest.mark.parametrize(
    "says",
    [
        lambda _: answer(407, b"<b>\x1b[31mlog in</b>", headers="Proxy-Authenticate: Basic\r\n"),
        lambda _: answer(502, b"no way"),
        lambda _: b"220 mail.example ESMTP ready\r\n",
        lambda _: b"",
        lambda _: b"HTTP/1.1 200 Connection established\r\n\r\nthis is no TLS",
        lambda _: poured(b"HTTP/1.1 200 OK\r\n", b"X-More: a\r\n", every=0.05),
        lambda _: answer(302, headers="Location: http://127.0.0.1:9/\r\n"),
    ],
    ids=["407", "502", "garbage", "nothing", "no tls", "drip", "redirect"],
)
async def test_a_proxy_that_opens_no_way_hears_no_login(says):
    async with loose(says) as proxy:
        image = ImageReference.parse("registry.example.com/team/app:1")
        settings = RegistrySettings("registry.example.com", proxy=f"http://{proxy.netloc}")
        through = PullAccess(settings, Credential(USER, Password(PASSWORD)))
        async with room(SHORT) as registry, asyncio.timeout(LONG_AGO):
            answered = await registry.prover.image(image, through, platform=AMD)
        assert {call.method for call in proxy.heard} == {"CONNECT"}
        assert not proxy.authorized
        assert not proxy.logins
    _, detail = told(answered)
    assert "registry.example.com" in detail
    assert "proxy" in detail
    assert plain(detail)
    assert answered.verdict is Verdict.UNKNOWN


async def test_a_proxy_that_asks_for_a_login_is_told_from_a_registry_that_does():
    async with loose(lambda _: answer(407, headers="Proxy-Authenticate: Basic\r\n")) as proxy:
        async with loose(lambda _: answer(200)) as villain:
            answered = await pulled(villain, proxy=f"http://{proxy.netloc}")
        assert not proxy.authorized
    assert told(answered)[0] is FindingCode.PROXY_ERROR
