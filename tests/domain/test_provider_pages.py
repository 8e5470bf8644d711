"""Links and commands of providers: every one that is known has a page, and commands can be pasted."""

import shlex

import pytest
from yarl import URL

from towline.domain.cause import FindingCode
from towline.domain.findings import Exchange, Finding
from towline.domain.provider_pages import PAGES
from towline.domain.providers import Provider


def test_every_provider_that_is_known_has_a_page_about_its_logins():
    assert set(PAGES) == {each.value for each in Provider} - {Provider.OTHER.value}
    for pages in PAGES.values():
        for link in (pages.logins, *filter(None, (pages.rights, *pages.others.values()))):
            assert URL(link).scheme == "https"


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("123456789012.dkr.ecr.eu-central-1.amazonaws.com", "eu-central-1"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("public.ecr.aws", "REGION"),
        ("registry.example.com; echo .ecr.$(id).", "REGION"),
    ],
)
def test_the_command_for_amazon_names_the_region_of_the_image(host, region):
    finding = Finding(FindingCode.CREDENTIAL_EXPIRED, image=f"{host}/app:1", secret="it's", provider="ecr")
    words = shlex.split(finding.command)
    assert words[:5] == ["aws", "ecr", "get-login-password", "--region", region]
    assert words[words.index("update") + 1] == "it's"
    assert finding.link.startswith("https://docs.aws.amazon.com/")


def test_a_finding_that_is_not_about_the_provider_has_no_link():
    assert Finding(FindingCode.REGISTRY_DNS, provider="ghcr").link == ""
    assert Finding(FindingCode.WRONG_CREDENTIALS).link == ""
    assert Finding(FindingCode.RATE_LIMITED, provider="docker-hub").link.startswith(
        "https://docs.docker.com/"
    )


def test_a_login_s_finding_names_the_host_that_was_asked():
    asked = Exchange("GET", "https://registry.example.com:5000", "/v2/")
    finding = Finding(FindingCode.TLS_UNKNOWN_AUTHORITY, evidence=(asked,))
    assert finding.command == "towline registry set registry.example.com:5000 --ca FILE"
    assert Finding(FindingCode.TLS_UNKNOWN_AUTHORITY).command == "towline registry set HOST --ca FILE"
    hub = Finding(FindingCode.TLS_UNKNOWN_AUTHORITY, image="jane/app:1")
    assert hub.command == "towline registry set HOST --ca FILE"
