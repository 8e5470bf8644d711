"""``WWW-Authenticate``: several headers, several challenges in one, any letter case, quoted commas.

Grammar: RFC 9110 section 11.6.1; what registries put in: distribution-spec and docker's token spec.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PARAMETER = re.compile(
    r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*"
    r'(?:"((?:[^"\\]|\\.)*)"|([!#$%&\'*+.^_`|~0-9A-Za-z:/?@-]+))(?=[ \t]*(?:,|$))'
)
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))")
_GAP = re.compile(r"[ \t,]*")
_MOST = 8192
_MOST_HEADERS = 16
_MOST_CHALLENGES = 64


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge: scheme and parameter names in lower case."""

    scheme: str
    parameters: Mapping[str, str]

    @property
    def realm(self) -> str:
        """The realm: for Bearer the token server's URL."""
        return self.parameters.get("realm", "")

    @property
    def service(self) -> str:
        """How the token server calls the registry; may be absent."""
        return self.parameters.get("service", "")

    @property
    def error(self) -> str:
        """Why a token was refused (RFC 6750 section 3.1), if told."""
        return self.parameters.get("error", "")


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Return the challenges in order, no more than a sound server sends; the ungrammatical are left out."""
    parsed = (challenge for header in islice(headers, _MOST_HEADERS) for challenge in _parse(header[:_MOST]))
    return tuple(islice(parsed, _MOST_CHALLENGES))


def chosen(challenges: Iterable[Challenge]) -> Challenge | None:
    """Return the challenge to answer: Bearer before Basic; None when neither is offered."""
    by_scheme = {challenge.scheme: challenge for challenge in reversed(tuple(challenges))}
    return by_scheme.get("bearer") or by_scheme.get("basic")


def _parse(header: str) -> list[Challenge]:
    found: list[tuple[str, dict[str, str]]] = []
    position = _skip(header, 0)
    while position < len(header):
        parameter = _PARAMETER.match(header, position)
        if parameter and found:
            found[-1][1].setdefault(parameter[1].lower(), _value(parameter))
            position = _skip(header, parameter.end())
            continue
        scheme = _TOKEN.match(header, position)
        if not scheme:
            position = _next_comma(header, position)
            continue
        found.append((scheme[0].lower(), {}))
        position = _after_scheme(header, scheme.end())
    return [Challenge(scheme, parameters) for scheme, parameters in found]


def _after_scheme(header: str, end: int) -> int:
    """Step over the blank and a token68, which no registry's scheme uses."""
    position = _skip(header, end)
    if _PARAMETER.match(header, position):
        return position
    token68 = _TOKEN68.match(header, position) if position > end and header[end] != "," else None
    return _skip(header, token68.end()) if token68 else max(position, end)


def _value(parameter: re.Match[str]) -> str:
    if parameter[2] is not None:
        return re.sub(r"\\(.)", r"\1", parameter[2])
    return parameter[3]


def _skip(header: str, position: int) -> int:
    gap = _GAP.match(header, position)
    return gap.end() if gap else position


def _next_comma(header: str, position: int) -> int:
    comma = header.find(",", position)
    return len(header) if comma < 0 else _skip(header, comma)
