"""Minting against providers that check signatures, times and rights; botocore judges what AWS would."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from parts.mints import (
    ACCESS_KEY,
    APP,
    CLIENT,
    CLIENT_SECRET,
    INSTALLATION,
    ROLE,
    SECRET_KEY,
    TENANT,
    Providers,
    pem,
    running_providers,
)
from towline.domain.causes import FindingCode
from towline.domain.credential import Password
from towline.domain.errors import InvalidInput, PullRefused
from towline.domain.minting import MINTS, Grant, Mint, MintKind, MintOrder
from towline.domain.registry import RegistryAddress
from towline.registry import Registry
from towline.registry.minting.aws_keys import access_key_in
from towline.registry.minting.mint import KINDS
from towline.registry.minting.sigv4 import AwsKey, signed

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PROOFS = ("eyJ", "Signature=", "a-session-of-a-role", "an-entra-token")


@pytest.fixture(scope="module")
def running():
    with running_providers() as made:
        yield made


@pytest.fixture
def providers(running: Providers) -> Providers:
    running.may_mint = True
    running.repeats = False
    running.lives.clear()
    running.asked.clear()
    return running


@pytest.fixture
async def registry():
    made = Registry()
    yield made
    await made.close()


def order(providers: Providers, kind: str, **changes: str) -> MintOrder:
    """Return an order of this kind at the stand-ins; ``changes`` are settings, and ``key``."""
    address = RegistryAddress.parse(f"http://127.0.0.1:{providers.port}")
    settings = {
        "ecr": {"region": "eu-west-1", "endpoint": f"{providers.url}/"},
        "google": {},
        "acr": {"endpoint": providers.url},
        "github-app": {
            "endpoint": f"{providers.url}/api/v3",
            "app-id": APP,
            "installation-id": INSTALLATION,
        },
    }[kind]
    keys = {
        "ecr": providers.aws_key(),
        "google": providers.google_key(),
        "acr": json.dumps({"appId": CLIENT, "password": CLIENT_SECRET, "tenant": TENANT}),
        "github-app": providers.private_key,
    }
    key = changes.pop("key", keys[kind])
    return MintOrder(Mint.checked(kind, {**settings, **changes}, registry=address), address, Password(key))


async def mint(registry: Registry, wanted: MintOrder, *, late: timedelta = timedelta()) -> Grant:
    registry.mint.check(wanted)
    return await registry.mint.mint(wanted, now=datetime.now(UTC) + late, settings={})


async def finding(registry: Registry, wanted: MintOrder, *, late: timedelta = timedelta()) -> FindingCode:
    with pytest.raises(PullRefused) as refused:
        await mint(registry, wanted, late=late)
    shown = repr(refused.value.finding)
    assert SECRET_KEY not in shown
    assert CLIENT_SECRET not in shown
    return refused.value.finding.code


@pytest.mark.parametrize(("kind", "hours"), [("ecr", 12), ("google", 1), ("acr", 3), ("github-app", 1)])
async def test_a_provider_that_checks_everything_gives_a_login_with_its_end(
    registry: Registry, providers: Providers, kind: str, hours: int
) -> None:
    grant = await mint(registry, order(providers, kind))
    assert grant.credential.username == MINTS[MintKind(kind)].username
    life = grant.expires_at - grant.minted_at
    assert timedelta(hours=hours, seconds=-5) < life <= timedelta(hours=hours, seconds=5)


async def test_a_role_is_assumed_and_its_own_key_signs(registry: Registry, providers: Providers) -> None:
    wanted = {"role-arn": ROLE, "sts-endpoint": f"{providers.url}/"}
    grant = await mint(registry, order(providers, "ecr", **wanted))
    assert providers.asked == ["AssumeRole", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"]
    assert grant.credential.username == "AWS"


async def test_signatures_of_other_keys_are_refused(registry: Registry, providers: Providers) -> None:
    other = pem(rsa.generate_private_key(65537, 2048))
    google = json.loads(providers.google_key()) | {"private_key": other}
    aws = {"AccessKeyId": ACCESS_KEY, "SecretAccessKey": "another/secret/00000000000000"}
    keys = {
        "ecr": json.dumps(aws),
        "google": json.dumps(google),
        "acr": json.dumps({"appId": CLIENT, "password": "another-secret", "tenant": TENANT}),
        "github-app": other,
    }
    for kind, key in keys.items():
        code = await finding(registry, order(providers, kind, key=key))
        assert code is FindingCode.MINT_CREDENTIAL_REFUSED, kind


@pytest.mark.parametrize("late", [timedelta(hours=-2), timedelta(hours=2)])
@pytest.mark.parametrize("kind", ["ecr", "google", "github-app"])
async def test_a_wrong_clock_is_told_and_blames_nobody(
    registry: Registry, providers: Providers, kind: str, late: timedelta
) -> None:
    assert await finding(registry, order(providers, kind), late=late) is FindingCode.MINT_CLOCK_SKEW


@pytest.mark.parametrize("kind", ["ecr", "acr", "github-app"])
async def test_a_missing_right_is_told(registry: Registry, providers: Providers, kind: str) -> None:
    providers.may_mint = False
    assert await finding(registry, order(providers, kind)) is FindingCode.MINT_NOT_ALLOWED


async def test_a_provider_that_repeats_what_it_was_sent_shows_no_secret(
    registry: Registry, providers: Providers
) -> None:
    key = json.dumps({"appId": CLIENT, "password": "a-secret-to-hide", "tenant": TENANT})
    wanted = order(providers, "acr", key=key, endpoint=f"{providers.url}/echo")
    with pytest.raises(PullRefused) as refused:
        await mint(registry, wanted)
    assert CLIENT in repr(refused.value.finding)
    assert "a-secret-to-hide" not in repr(refused.value.finding)


@pytest.mark.parametrize("kind", ["ecr", "google", "acr", "github-app"])
async def test_nor_does_one_that_repeats_what_was_made_for_it(
    registry: Registry, providers: Providers, kind: str
) -> None:
    providers.repeats = True
    endpoint = {} if kind == "acr" else {"endpoint": f"{providers.url}/echo/"}
    of_a_role = {
        "AccessKeyId": ACCESS_KEY,
        "SecretAccessKey": SECRET_KEY,
        "SessionToken": "a-session-of-a-role",
    }
    key = {"key": json.dumps(of_a_role)} if kind == "ecr" else {}
    with pytest.raises(PullRefused) as refused:
        await mint(registry, order(providers, kind, **endpoint, **key))
    shown = repr(refused.value.finding)
    assert "***" in shown
    assert [words for words in PROOFS if words in shown] == []


async def test_an_endpoint_that_must_not_be_dialled_is_not(providers: Providers) -> None:
    registry = Registry(allow_loopback=False)
    try:
        assert await finding(registry, order(providers, "ecr")) is FindingCode.MINT_UNREACHABLE
    finally:
        await registry.close()
    assert providers.asked == []


def test_every_kind_of_the_table_has_its_file() -> None:
    assert set(KINDS) == set(MINTS) == set(MintKind)


@given(
    path=st.from_regex(r"(/[a-z0-9-]{1,8}){0,3}/", fullmatch=True),
    body=st.binary(max_size=200),
    value=st.from_regex(r"[!-~]([ -~]{0,30}[!-~])?", fullmatch=True),
    token=st.sampled_from(["", "a+session/token=="]),
    port=st.sampled_from(["", ":8443"]),
)
def test_a_signature_is_that_of_amazons_own_library(
    path: str, body: bytes, value: str, token: str, port: str
) -> None:
    url = f"https://api.ecr.eu-west-1.amazonaws.com{port}{path}"
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": value}
    ours = signed(
        AwsKey(ACCESS_KEY, SECRET_KEY, token),
        URL(url),
        headers,
        body,
        region="eu-west-1",
        service="ecr",
        now=NOW,
    )
    request = AWSRequest("POST", url, headers={**headers, "X-Amz-Date": "20260101T120000Z"}, data=body)
    if token:
        request.headers["X-Amz-Security-Token"] = token
    request.context["timestamp"] = "20260101T120000Z"
    judge = SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY, token or None), "ecr", "eu-west-1")
    theirs = judge.signature(judge.string_to_sign(request, judge.canonical_request(request)), request)
    assert ours["Authorization"].rpartition("Signature=")[2] == theirs


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(
            {"AccessKey": {"UserName": "p", "AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY}}
        ),
        json.dumps({"accessKeyId": ACCESS_KEY, "secretAccessKey": SECRET_KEY}),
        f"\ufeffAccess key ID,Secret access key\n{ACCESS_KEY},{SECRET_KEY}\n",
        f"User Name,Access key ID,Secret access key\r\npuller,{ACCESS_KEY},{SECRET_KEY}\r\n",
        f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n[b]\nregion = x",
        f'export AWS_ACCESS_KEY_ID={ACCESS_KEY}\nexport AWS_SECRET_ACCESS_KEY="{SECRET_KEY}"\n',
    ],
)
def test_an_access_key_is_read_in_every_form_that_people_have(text: str) -> None:
    assert access_key_in(text) == AwsKey(ACCESS_KEY, SECRET_KEY)


def test_a_session_token_is_read_with_it() -> None:
    credentials = {"AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY, "SessionToken": "tok=="}
    assert access_key_in(json.dumps({"Credentials": credentials})).session_token == "tok=="


@pytest.mark.parametrize(
    ("kind", "key", "problem"),
    [
        ("ecr", "AKIA", "no access key ID"),
        ("ecr", "{", "not a JSON object"),
        ("ecr", f'{{"AccessKeyId": "{ACCESS_KEY}"}}', "no secret access key"),
        ("google", "ya29.token", "not a JSON object"),
        ("google", '{"type": "authorized_user"}', "not a service account's key"),
        ("google", '{"type": "service_account", "client_email": "a@b"}', "private_key"),
        ("acr", '{"appId": "a"}', "no password"),
        ("acr", '{"appId": "a", "password": "b"}', "names no tenant"),
        ("github-app", "ssh-rsa AAAA", "not a private key in PEM"),
    ],
)
def test_a_key_of_another_form_is_refused_with_what_would_be_right(
    registry: Registry, providers: Providers, kind: str, key: str, problem: str
) -> None:
    with pytest.raises(InvalidInput, match=problem) as refused:
        registry.mint.check(order(providers, kind, key=key))
    assert refused.value.field == "spec.docker.mint.key"
    assert refused.value.rule.startswith("give ")


@given(kind=st.sampled_from(MintKind), text=st.text() | st.from_regex(r"\ufeff?[{\[].*", fullmatch=True))
@example(kind=MintKind.ECR, text="\ufeff")
@example(kind=MintKind.ECR, text='{"a":' * 900 + "1" + "}" * 900)
def test_no_text_breaks_the_reading_of_a_key(kind: MintKind, text: str) -> None:
    address = RegistryAddress.parse("registry.example.com")
    wanted = MintOrder(Mint(kind, {"region": "eu-west-1"}), address, Password(text))
    with pytest.raises(InvalidInput, match=r"spec\.docker\.mint\.key"):
        KINDS[kind](wanted, text)


@pytest.mark.parametrize(
    ("kind", "settings", "field"),
    [
        ("gcr", {}, "spec.docker.mint.kind"),
        ("ecr", {}, "spec.docker.mint.settings.region"),
        ("ecr", {"regoin": "eu-west-1"}, "spec.docker.mint.settings.regoin"),
        ("github-app", {"app-id": "1"}, "spec.docker.mint.settings.installation-id"),
        ("google", {"endpoint": "http://tokens.example.com"}, "spec.docker.mint.settings.endpoint"),
        ("google", {"endpoint": "https://u:p@tokens.example.com"}, "spec.docker.mint.settings.endpoint"),
        ("google", {"endpoint": "tokens.example.com"}, "spec.docker.mint.settings.endpoint"),
        ("google", {"scope": "two words"}, "spec.docker.mint.settings.scope"),
    ],
)
def test_a_wrong_setting_is_named(kind: str, settings: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Mint.checked(kind, settings, registry=RegistryAddress.parse("registry.example.com"))
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "https://api.ecr.eu-west-1.amazonaws.com/"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "https://api.ecr.cn-north-1.amazonaws.com.cn/"),
        ("123456789012.dkr.ecr-fips.us-east-2.amazonaws.com", "https://ecr-fips.us-east-2.amazonaws.com/"),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", "https://api.ecr.eu-west-1.amazonaws.com/"),
        ("public.ecr.aws", "https://api.ecr-public.us-east-1.amazonaws.com/"),
    ],
)
def test_the_endpoint_follows_from_the_registrys_host(host: str, wanted: str) -> None:
    address = RegistryAddress.parse(host)
    key = json.dumps({"AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY})
    made = MintOrder(Mint.checked("ecr", {}, registry=address), address, Password(key))
    assert str(next(KINDS[MintKind.ECR](made, key).steps(NOW)).url) == wanted


@pytest.mark.parametrize(
    ("host", "authority", "scope"),
    [
        ("acme.azurecr.io", "login.microsoftonline.com", "https://containerregistry.azure.net/.default"),
        ("acme.azurecr.cn", "login.chinacloudapi.cn", "https://containerregistry.azure.cn/.default"),
        ("acme.azurecr.us", "login.microsoftonline.us", "https://containerregistry.azure.us/.default"),
    ],
)
def test_azures_clouds_have_authorities_of_their_own(host: str, authority: str, scope: str) -> None:
    address = RegistryAddress.parse(host)
    key = json.dumps({"appId": CLIENT, "password": CLIENT_SECRET, "tenant": TENANT})
    made = MintOrder(Mint.checked("acr", {}, registry=address), address, Password(key))
    request = next(KINDS[MintKind.ACR](made, key).steps(NOW))
    assert (request.url.host, request.form["scope"]) == (authority, scope)
