"""Asking a container from outside whether it still works: by a connection or HTTP.

The meaning of the settings is Kubernetes' own (core/v1 Probe). A command inside is asked by the Engine, or
by us through the Engine where that does not.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from towline.dialing import Guard, GuardedResolver

if TYPE_CHECKING:
    from towline.domain.package import LivenessProbe

_GUARD = Guard()
"""A package may name the host that is asked, and this process asks it: never a cloud's metadata service."""
_FINE = range(200, 400)


Inside = Callable[[], Awaitable[str]]
"""Runs the probe's command inside the container; returns what is wrong, "" when nothing is."""


async def until_unwell(probe: LivenessProbe, host: str, inside: Inside | None = None) -> str:
    """Ask again and again; return why the container is to end once it failed often enough.

    ``host`` is where the container's ports are reached; ``inside`` asks a probe that is a command.
    """
    await asyncio.sleep(probe.initial_delay)
    said_no = said_yes = 0
    while True:
        began = time.monotonic()
        trouble = await _asked(probe, host, inside)
        said_yes = 0 if trouble else said_yes + 1
        if trouble:
            said_no += 1
        elif said_yes >= probe.successes:
            said_no = 0
        if said_no >= probe.failures:
            return f"{said_no} times in a row: {trouble}"
        await asyncio.sleep(max(0.0, began + probe.period - time.monotonic()))


async def _asked(probe: LivenessProbe, host: str, inside: Inside | None) -> str:
    """Ask once; return what is wrong, "" when nothing is."""
    try:
        async with asyncio.timeout(probe.timeout):
            if inside is not None:
                return await inside()
            return await (_http(probe, host) if probe.path else _connected(probe, host))
    except TimeoutError:
        return f"no answer within {probe.timeout:g} s"
    except aiohttp.ClientConnectorError as error:
        return _words(error.os_error)
    except OSError as error:
        return _words(error)
    except aiohttp.ClientError:
        return "the answer is not HTTP"


async def _connected(probe: LivenessProbe, host: str) -> str:
    if probe.host:
        _GUARD.check_host(probe.host)
        host = (await GuardedResolver(_GUARD).resolve(probe.host, probe.port))[0]["host"]
    _, writer = await asyncio.open_connection(host, probe.port)
    writer.close()
    return ""


async def _http(probe: LivenessProbe, host: str) -> str:
    """Ask by HTTP; as in Kubernetes it does not matter whose certificate it is."""
    scheme = "https" if probe.https else "http"
    address = f"[{host}]" if ":" in host else host
    url = URL(f"{scheme}://{probe.host or address}:{probe.port}{probe.path}", encoded=True)
    _GUARD.check_host(url.raw_host or "")
    connector = aiohttp.TCPConnector(resolver=GuardedResolver(_GUARD))
    async with (
        aiohttp.ClientSession(
            connector=connector, trust_env=False, headers={"User-Agent": "towline"}
        ) as session,
        session.get(url, headers=probe.headers, allow_redirects=False, ssl=False) as answer,
    ):
        fine = answer.status in _FINE
    return "" if fine else f"{probe.path} was answered with {answer.status}"


def _words(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason}"
    return os.strerror(error.errno) if error.errno else str(error) or type(error).__name__
