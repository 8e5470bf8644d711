"""The ports that a package's endpoints lead to."""

from __future__ import annotations

import re

from towline.domain.errors import InvalidInput
from towline.domain.package import ServedPort
from towline.wire.package_spec import Endpoint

MOST_PORTS = 50

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_NAME_RULE = "use at most 63 letters, digits, '-' and '_', not beginning with a digit"
_RANGE_RULE = f"give at most {MOST_PORTS} ports, for example 22,80,1024-1030"


def served_ports(endpoints: list[Endpoint]) -> tuple[ServedPort, ...]:
    """Return the ports of all endpoints, each once; raise InvalidInput naming the endpoint."""
    found: list[ServedPort] = []
    for at, endpoint in enumerate(endpoints):
        place = f"spec.endpoints[{at}]"
        if not _NAME.fullmatch(endpoint.name):
            raise InvalidInput(f"{place}.name", problem="is not an endpoint's name", rule=_NAME_RULE)
        is_udp = (endpoint.type or "").startswith("internal-udp")
        if endpoint.port_range:
            ports = _ports_of_range(endpoint.port_range, field=f"{place}.portRange")
            found += [ServedPort(port, port, is_udp=is_udp) for port in ports]
        elif endpoint.target_port:
            port = endpoint.port or endpoint.target_port
            found.append(ServedPort(port, endpoint.target_port, is_udp=is_udp))
    return tuple(dict.fromkeys(found))


def _ports_of_range(text: str, *, field: str) -> list[int]:
    ports: list[int] = []
    for part in text.replace(" ", "").split(","):
        match = _RANGE.fullmatch(part)
        first = int(match[1]) if match else 0
        last = int(match[2]) if match and match[2] else first
        if not 1 <= first <= last <= 65535:
            raise InvalidInput(field, problem=f"{part[:20]!a} is not a port or range", rule=_RANGE_RULE)
        if len(ports) + last - first + 1 > MOST_PORTS:
            raise InvalidInput(field, problem="holds too many ports", rule=_RANGE_RULE)
        ports += range(first, last + 1)
    return ports
