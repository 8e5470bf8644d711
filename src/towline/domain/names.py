"""Names that people choose, and identifiers that Towline makes.

Rule S3 of secrets: at most 253 characters of lower-case letters, digits and ``-``, first and last a
letter or digit. Project names additionally keep clear of what ``rio`` takes for an identifier.
"""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Callable

from towline.domain.errors import InvalidInput

SECRET_NAME_RULE = (
    "use at most 253 lower-case letters, digits and '-', beginning and ending with a letter or digit"
)
_SECRET_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,251}[a-z0-9])?")

RESOURCE_NAME_RULE = (
    "use at most 253 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
)
_RESOURCE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")

EXECUTABLE_NAME_RULE = "use at most 63 letters, digits, '-', '_' and '.', beginning with a letter or digit"
_EXECUTABLE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")

EMAIL_RULE = "give an address such as jane@example.com"
_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}"
    r"@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+"
)

_TAKEN_FOR_GUID = re.compile(r"(?:org|project|pkg|dep|inst|secret)-.*")

_TAKEN_FOR_GROUP = re.compile(r"group-.*")
_TAKEN_FOR_PACKAGE = re.compile(r"pkg-.*")
_TAKEN_FOR_DISK = re.compile(r"disk-[a-z0-9]{20,24}")
_TAKEN_FOR_DEPLOYMENT = re.compile(r"(?:dep|inst)-[a-z0-9]+")

GUID_LETTERS = 24
_TIME_LETTERS = 9
_PAIRS = tuple(map("".join, itertools.product(string.ascii_lowercase, repeat=2)))
_RANDOM_PART = len(string.ascii_lowercase) ** (GUID_LETTERS - _TIME_LETTERS)
_RANDOM_BYTES = 12  # more than 15 letters hold, so that the remainder prefers next to none
_WHOLE = len(string.ascii_lowercase) ** GUID_LETTERS

RandomBytes = Callable[[int], bytes]
"""So many random bytes; the source of randomness is an argument (rule 12)."""


def secret_name(text: str, *, field: str = "metadata.name") -> str:
    """Return ``text`` if it is a legal secret name; raise InvalidInput otherwise."""
    return _matched(_SECRET_NAME, text, field=field, rule=SECRET_NAME_RULE)


def resource_name(text: str, *, field: str = "metadata.name") -> str:
    """Return ``text`` if packages and deployments may be called so."""
    return _matched(_RESOURCE_NAME, text, field=field, rule=RESOURCE_NAME_RULE)


def package_name(text: str) -> str:
    """Return ``text`` if a new package may be called so: ``rio`` takes ``pkg-...`` for an identifier."""
    return _no_guid(resource_name(text), _TAKEN_FOR_PACKAGE, field="metadata.name")


def deployment_name(text: str) -> str:
    """Return ``text`` if a new deployment may be called so, for the same reason."""
    return _no_guid(resource_name(text), _TAKEN_FOR_DEPLOYMENT, field="metadata.name")


def disk_name(text: str) -> str:
    """Return ``text`` if a new disk may be called so: it must not look like another one's guid."""
    return _no_guid(resource_name(text), _TAKEN_FOR_DISK, field="metadata.name")


def group_name(text: str) -> str:
    """Return ``text`` if a user group may be called so, for the same reason."""
    return _no_guid(resource_name(text), _TAKEN_FOR_GROUP, field="metadata.name")


def executable_name(text: str, *, field: str) -> str:
    """Return ``text`` if an executable may be called so."""
    return _matched(_EXECUTABLE_NAME, text, field=field, rule=EXECUTABLE_NAME_RULE)


def project_name(text: str, *, field: str = "metadata.name") -> str:
    """Return ``text`` if a project may be called so.

    ``rio`` takes names that begin like an identifier for identifiers, so those are refused.
    """
    name = _matched(_SECRET_NAME, text, field=field, rule=SECRET_NAME_RULE)
    return _no_guid(name, _TAKEN_FOR_GUID, field=field)


def email_address(text: str, *, field: str) -> str:
    """Return ``text`` if it is a valid e-mail address (the HTML living standard's grammar, dotted host)."""
    if len(text) > 254 or not _EMAIL.fullmatch(text):
        problem = "is empty" if not text else f"{_shown(text)} is not an e-mail address"
        raise InvalidInput(field, problem=problem, rule=EMAIL_RULE)
    return text


def new_guid(prefix: str, random: RandomBytes, *, milliseconds: int) -> str:
    """Return ``prefix-`` and 24 lower-case letters, the shape that rapyuta.io's clients expect.

    The first 9 tell the time since 1970, so that what is new comes last in an index and its pages stay
    few; the other 15 are random (decision 11).
    """
    chance = int.from_bytes(random(_RANDOM_BYTES), "big") % _RANDOM_PART
    number = (milliseconds * _RANDOM_PART + chance) % _WHOLE
    pairs = []
    for _ in range(GUID_LETTERS // 2):
        number, pair = divmod(number, len(_PAIRS))
        pairs.append(_PAIRS[pair])
    return f"{prefix}-{''.join(reversed(pairs))}"


def _no_guid(name: str, guid: re.Pattern[str], *, field: str) -> str:
    if not guid.fullmatch(name):
        return name
    prefix = name.split("-", 1)[0]
    raise InvalidInput(
        field,
        problem=f"{_shown(name)} begins with '{prefix}-' and would be taken for an identifier",
        rule=f"choose a name that does not begin with '{prefix}-'",
    )


def _matched(pattern: re.Pattern[str], text: str, *, field: str, rule: str) -> str:
    if pattern.fullmatch(text):
        return text
    raise InvalidInput(field, problem=_name_problem(text), rule=rule)


def _name_problem(text: str) -> str:
    if not text:
        return "is empty"
    if len(text) > 253:
        return f"is {len(text)} characters long"
    return f"{_shown(text)} is not a legal name"


def _shown(text: str) -> str:
    """Quote foreign text for a message: control characters escaped, cut at 60."""
    return ascii(text if len(text) <= 60 else text[:57] + "...")
