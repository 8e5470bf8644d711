"""The ports that a package's endpoints lead to."""

from __future__ import annotations

import re

from towline.domain.errors import InvalidInput
from towline.wire.package_spec import Endpoint

MOST_PORTS = 50

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_NAME_RULE = "use at most 63 letters, digits, '-' and '_', not beginning with a digit"
_RANGE_RULE = f"give at most {MOST_PORTS} ports, for example 22,80,1024-1030"


def target_ports(endpoints: list[Endpoint]) -> tuple[int, ...]:
    """Return the ports that executables listen on, each once; raise InvalidInput naming the endpoint."""
    found: list[int] = []
    for at, endpoint in enumerate(endpoints):
        place = f"spec.endpoints[{at}]"
        if not _NAME.fullmatch(endpoint.name):
            raise InvalidInput(f"{place}.name", problem="is not an endpoint's name", rule=_NAME_RULE)
        if endpoint.port_range:
            found += _ports_of_range(endpoint.port_range, field=f"{place}.portRange")
        elif endpoint.target_port:
            found.append(endpoint.target_port)
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
