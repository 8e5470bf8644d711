"""The web server: uvicorn, without its signals, and with a word to those who wait before it ends."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
import uvicorn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

    from towline.config import Config
    from towline.services.leaving import Leaving

log = structlog.get_logger("towline.app")


class WebServer(uvicorn.Server):
    """Leaves signals to us: uvicorn would raise them again, and the process end with the store open."""

    def __init__(self, config: uvicorn.Config, leaving: Leaving, *, notice: float) -> None:
        super().__init__(config)
        self._leaving = leaving
        self._notice = notice

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    def leave(self) -> None:
        """Tell those who wait for more to come back, finish the requests under way, return from ``serve``.

        New requests are answered for as long as the notice lasts, or until this is asked again.
        """
        if self._leaving.is_said or not self._notice:
            self.should_exit = True
        else:
            asyncio.get_running_loop().call_later(self._notice, self._exit)
        if not self._leaving.is_said:
            log.info("server.leaving")
            self._leaving.say()

    def _exit(self) -> None:
        self.should_exit = True


def web_settings(asgi: ASGIApp, config: Config) -> uvicorn.Config:
    """Return uvicorn's settings for ``asgi``."""
    return uvicorn.Config(
        asgi,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        ssl_certfile=config.tls_cert or None,
        ssl_keyfile=config.tls_key or None,
        ssl_version=ssl.PROTOCOL_TLS_SERVER,
        proxy_headers=bool(config.trusted_proxies),
        forwarded_allow_ips=list(config.trusted_proxies),
        timeout_graceful_shutdown=config.drain_seconds,
        h11_max_incomplete_event_size=64 * 1024,
    )
