"""Liveness probes on the wire: exactly one way of asking, its words checked before they reach any engine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from towline.domain.errors import InvalidInput
from towline.domain.package import LivenessProbe
from towline.wire.environment import plain_text
from towline.wire.problems import required

if TYPE_CHECKING:
    from towline.wire.package_spec import HttpGet
    from towline.wire.package_spec import LivenessProbe as Asked

_WAYS = "give one of httpGet, exec and tcpSocket"
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,253}")
_PATH = re.compile(r"/[\x21-\x7e]{0,2000}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")


def liveness_probe(asked: Asked | None, *, field: str) -> LivenessProbe | None:
    """Return the probe that is asked for; raise InvalidInput naming the field."""
    if asked is None:
        return None
    way = _way(asked, field=field)
    defaults = LivenessProbe()
    return LivenessProbe(
        command=way.command,
        host=way.host,
        port=way.port,
        path=way.path,
        https=way.https,
        headers=way.headers,
        initial_delay=asked.initial_delay_seconds or defaults.initial_delay,
        period=asked.period_seconds or defaults.period,
        timeout=asked.timeout_seconds or defaults.timeout,
        failures=asked.failure_threshold or defaults.failures,
        successes=asked.success_threshold or defaults.successes,
    )


def _way(asked: Asked, *, field: str) -> LivenessProbe:
    """Return a probe of which only the way of asking is set."""
    ways = [way for way in (asked.http_get, asked.exec, asked.tcp_socket) if way is not None]
    if len(ways) != 1:
        raise InvalidInput(field, problem=f"names {len(ways)} ways of asking", rule=_WAYS)
    if asked.http_get is not None:
        return _by_http(asked.http_get, field=f"{field}.httpGet")
    if asked.exec is not None:
        words = required(asked.exec.command or None, field=f"{field}.exec.command")
        return LivenessProbe(command=tuple(plain_text(word, field=f"{field}.exec.command") for word in words))
    port = asked.tcp_socket.port if asked.tcp_socket else None
    return LivenessProbe(port=required(port, field=f"{field}.tcpSocket.port"))


def _by_http(asked: HttpGet, *, field: str) -> LivenessProbe:
    scheme = (asked.scheme or "HTTP").upper()
    if scheme not in ("HTTP", "HTTPS"):
        raise InvalidInput(f"{field}.scheme", problem=f"is {scheme[:20]!a}", rule="use HTTP or HTTPS")
    path = asked.path if asked.path.startswith("/") else f"/{asked.path}"
    if not _PATH.fullmatch(path):
        raise InvalidInput(f"{field}.path", problem="is no path", rule="use printable ASCII without blanks")
    if asked.host and not _HOST.fullmatch(asked.host):
        raise InvalidInput(f"{field}.host", problem="is no host", rule="give a host name or address")
    for at, header in enumerate(asked.http_headers or []):
        if not _HEADER_NAME.fullmatch(header.name) or not header.value.isprintable():
            raise InvalidInput(
                f"{field}.httpHeaders[{at}]",
                problem="is no header",
                rule="use RFC 9110 field names and values",
            )
    return LivenessProbe(
        host=asked.host or "",
        port=asked.port,
        path=path,
        https=scheme == "HTTPS",
        headers=tuple((header.name, header.value) for header in asked.http_headers or []),
    )
