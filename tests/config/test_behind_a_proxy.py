"""What a proxy that ends TLS may say, and who may say it."""

import pytest

from towline.config import Config
from towline.webserver import web_settings


async def scheme_and_peer(config: Config, peer: str) -> tuple[str, str]:
    """Return how and from where a request came, as the application sees it."""
    seen = []

    async def application(scope, receive, send):
        del receive, send
        seen.append((scope["scheme"], scope["client"][0]))

    settings = web_settings(application, config)
    settings.load()
    headers = [(b"x-forwarded-proto", b"https"), (b"x-forwarded-for", b"203.0.113.9")]
    scope = {"type": "http", "scheme": "http", "client": (peer, 1), "headers": headers}
    await settings.loaded_app(scope, None, None)
    return seen[0]


@pytest.mark.parametrize(
    ("peer", "seen"),
    [("10.1.2.3", ("https", "203.0.113.9")), ("192.0.2.1", ("http", "192.0.2.1"))],
    ids=["trusted", "anybody"],
)
async def test_only_a_trusted_proxy_says_how_a_browser_came(peer, seen):
    assert await scheme_and_peer(Config(trusted_proxies=("10.0.0.0/8",)), peer) == seen


async def test_without_trusted_proxies_nobody_says_so():
    assert await scheme_and_peer(Config(), "127.0.0.1") == ("http", "127.0.0.1")
