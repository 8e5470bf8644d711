"""A file of credentials as readers find it: ``config.json``, ``auth.json``, ``.dockercfg``, a variable.

Members other than those of credentials (``HttpHeaders``, ``proxies``) are not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from towline.domain.credential import Password
from towline.domain.errors import InvalidInput
from towline.domain.json_text import NotJson, read_json

LARGEST = 1 << 20
MEMBERS = ("auth", "username", "password", "identitytoken", "registrytoken")
_RULE = 'a file of credentials is one JSON object such as {"auths": {...}}'


class Form(StrEnum):
    """How a source is written."""

    CONFIG = "config.json"
    DOCKERCFG = ".dockercfg"
    VARIABLE = "DOCKER_AUTH_CONFIG"


@dataclass(frozen=True, slots=True)
class Source:
    """A text with credentials, and where it comes from in words for people."""

    name: str
    text: str = field(repr=False)
    form: Form = Form.CONFIG


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands under one key of ``auths``. ``problem`` says why it is no entry at all."""

    auth: Password = field(default_factory=lambda: Password(""))
    username: str = ""
    password: Password = field(default_factory=lambda: Password(""))
    identity_token: Password = field(default_factory=lambda: Password(""))
    registry_token: Password = field(default_factory=lambda: Password(""))
    problem: str = ""
    has_more: bool = False


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A source, read. ``notes`` says what is odd about it and stops nobody.

    ``has_more``, here and in entries: there are members that ``DOCKER_AUTH_CONFIG`` must not have.
    """

    source: Source
    auths: Mapping[str, Entry]
    helpers: Mapping[str, str]
    store: str = ""
    has_more: bool = False
    notes: tuple[str, ...] = ()


def read_config(source: Source) -> ConfigFile:
    """Return what a source holds; raise InvalidInput naming source and place where it cannot be read.

    Empty is what docker takes for a file without entries.
    """
    if not source.text.strip() and len(source.text) <= LARGEST:
        return ConfigFile(source, {}, {}, notes=("it is empty",))
    document, repeated = _document(source)
    if source.form is Form.DOCKERCFG:
        return ConfigFile(source, _entries(document), {}, notes=repeated)
    helpers = _mapping(source, member(document, "credHelpers"), "credHelpers")
    auths = _entries(_mapping(source, member(document, "auths"), "auths"))
    return ConfigFile(
        source,
        auths,
        {host: _text(source, suffix, f"credHelpers[{host[:80]!a}]") for host, suffix in helpers.items()},
        store=_text(source, member(document, "credsStore"), "credsStore"),
        has_more=any(name.lower() != "auths" for name in document),
        notes=(*repeated, *_misplaced(document)),
    )


def member(document: Mapping[str, object], name: str) -> object:
    """Return a member as Go's decoder finds it: letter case plays no role; None where there is none."""
    if name in document:
        return document[name]
    return next((value for key, value in document.items() if key.lower() == name.lower()), None)


def _document(source: Source) -> tuple[Mapping[str, object], tuple[str, ...]]:
    if len(source.text) > LARGEST:
        raise InvalidInput(source.name, problem="is larger than 1 MiB", rule=_RULE)
    try:
        found = read_json(source.text, joined=frozenset({"auths", "credhelpers"}))
    except NotJson as error:
        raise InvalidInput(source.name, problem=str(error), rule=_RULE) from None
    notes = tuple(f"it gives {name[:80]!a} more than once; the last one counts" for name in found.repeated)
    return _mapping(source, found.value, "it"), notes


def _mapping(source: Source, value: object, place: str) -> Mapping[str, object]:
    if value is None and place != "it":
        return {}
    if not isinstance(value, Mapping):
        raise InvalidInput(source.name, problem=f"{place} is not a JSON object", rule=_RULE)
    return value


def _text(source: Source, value: object, place: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput(source.name, problem=f"{place} is not text", rule=_RULE)
    return value


def _entries(document: Mapping[str, object]) -> dict[str, Entry]:
    return {key: _entry(value) for key, value in document.items()}


def _entry(value: object) -> Entry:
    if value is None:
        return Entry()
    if not isinstance(value, Mapping):
        return Entry(problem="is not a JSON object")
    found = {name: member(value, name) for name in MEMBERS}
    for name, each in found.items():
        if each is not None and not isinstance(each, str):
            return Entry(problem=f"has a member {name} that is not text")
    texts = {name: each if isinstance(each, str) else "" for name, each in found.items()}
    return Entry(
        Password(texts["auth"]),
        texts["username"],
        Password(texts["password"]),
        identity_token=Password(texts["identitytoken"]),
        registry_token=Password(texts["registrytoken"]),
        has_more=any(name.lower() != "auth" for name in value),
    )


def _misplaced(document: Mapping[str, object]) -> tuple[str, ...]:
    """Tell a flat map that stands where ``auths`` is expected: it matches nothing."""
    if member(document, "auths") is not None or not document:
        return ()
    if all(isinstance(each, Mapping) and member(each, "auth") for each in document.values()):
        return ("it has no member auths: it is written as an old .dockercfg, which holds nothing here",)
    return ()
