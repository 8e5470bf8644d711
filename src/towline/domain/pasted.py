"""What people paste instead of typing: a login command, config.json, Kubernetes secret, ``auth`` value.

Facts: docker/cli ``cli/config/configfile`` (``auths``, ``credsStore``, ``credHelpers``, ``identitytoken``);
Kubernetes, "Pull an Image from a Private Registry" (``kubernetes.io/dockerconfigjson``, ``dockercfg``).
Nothing here keeps, logs or quotes what was pasted; texts for people name places, never values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from towline.domain.credential import IDENTITY_USER, Password, from_authorization_token
from towline.domain.errors import InvalidInput
from towline.domain.readers.config_file import member
from towline.domain.readers.keys import PSEUDO_KEYS
from towline.domain.registry import HUB_KEY, RegistryAddress

LARGEST = 64 * 1024
MOST_ENTRIES = 100
FIRST_COLON = "username and password are what is left and right of the first colon of the decoded auth"

_MEMBERS = ("username", "password", "identitytoken", "registrytoken")

LoadYaml = Callable[[str], Iterable[object]]
"""Returns the documents of a YAML text; raises InvalidInput when it is none."""


class PastedForm(StrEnum):
    """What was recognised."""

    LOGIN_COMMAND = "login command"
    CONFIG_JSON = "config.json"
    KUBECTL_COMMAND = "kubectl command"
    KUBERNETES = "Kubernetes Secret"
    AUTH = "auth value"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PastedEntry:
    """One credential that was found, or the place of one that is not in the text.

    ``how`` says where username and password came from; ``problem`` why the entry cannot be used as it
    is, with ``advice``, a command line to run instead where there is one. ``helper`` is the suffix of the
    credential helper that keeps this login, ``place`` the key that it is asked for. ``is_empty``: the text
    holds no password here, which is no mistake in it.
    """

    registry: str = ""
    username: str = ""
    password: Password = field(default_factory=lambda: Password(""))
    email: str = ""
    name: str = ""
    how: str = ""
    problem: str = ""
    advice: str = ""
    helper: str = ""
    place: str = ""
    is_empty: bool = False

    @property
    def is_hub(self) -> bool:
        """Whether it belongs to Docker Hub; false also for an address that is not legal."""
        try:
            return not self.registry or RegistryAddress.parse(self.registry).is_hub
        except InvalidInput:
            return False


@dataclass(frozen=True, slots=True)
class Pasted:
    """What was found in a pasted text."""

    form: PastedForm
    entries: tuple[PastedEntry, ...] = ()
    notes: tuple[str, ...] = ()
    store: str = ""
    """The suffix of the helper that keeps all logins of a config.json, those too that it does not name."""

    @property
    def usable(self) -> tuple[PastedEntry, ...]:
        """The entries that fill a form."""
        return tuple(entry for entry in self.entries if not entry.problem)


def entries_of_config(config: Mapping[str, object], *, name: str = "") -> tuple[PastedEntry, ...]:
    """Return an entry for each registry that a docker ``config.json`` names, with or without a password."""
    auths, helpers = _mapping(member(config, "auths")), _mapping(member(config, "credHelpers"))
    store = store_of(config)
    places = [each for each in dict.fromkeys([*auths, *helpers]) if each not in PSEUDO_KEYS]
    if len(places) > MOST_ENTRIES:
        raise InvalidInput(
            "pasted", problem=f"names {len(places)} registries", rule=f"paste at most {MOST_ENTRIES} at once"
        )
    return tuple(
        _entry(place, auths.get(place), helper=_text(helpers.get(place, store)), name=name)
        for place in places
    )


def store_of(config: Mapping[str, object]) -> str:
    """Return the suffix of the helper that a ``config.json`` names for all registries; empty for none."""
    return _text(member(config, "credsStore"))


def entry_of_auth(auth: str, *, registry: str = "", email: str = "", name: str = "") -> PastedEntry:
    """Return the credential in an ``auth`` value; docker pads it, others leave the padding out."""
    bare = auth.strip().translate(str.maketrans("-_", "+/"))
    try:
        credential = from_authorization_token(Password(bare.rstrip("=") + "=" * (-len(bare.rstrip("=")) % 4)))
    except InvalidInput as error:
        return PastedEntry(
            registry=registry, email=email, name=name, problem=f"its {error.field} {error.problem}"
        )
    return PastedEntry(
        registry, credential.username, credential.password, email=email, name=name, how=FIRST_COLON
    )


def _entry(place: str, value: object, *, helper: str, name: str) -> PastedEntry:
    if value is not None and not isinstance(value, Mapping):
        return PastedEntry(registry=place, name=name, problem="it is not a JSON object", place=place)
    entry = {key: _text(member(_mapping(value), key)) for key in ("auth", "email", *_MEMBERS)}
    found = _login(entry)
    if not found.username and not found.problem:
        problem, advice = _why_nothing(place, entry, helper)
        found = replace(found, problem=problem, advice=advice, is_empty=True)
    registry = "docker.io" if place == HUB_KEY else place
    found = replace(found, registry=registry, email=entry["email"], name=name, helper=helper, place=place)
    return _at_legal_address(found)


def _login(entry: Mapping[str, str]) -> PastedEntry:
    """Return what an entry holds: a password where there is one, else its identity token, else nothing."""
    found = entry_of_auth(entry["auth"]) if entry["auth"] else PastedEntry()
    if found.password:
        return found
    if not entry["auth"] and entry["username"] and entry["password"]:
        how = "username and password stand there as they are"
        return PastedEntry("", entry["username"], Password(entry["password"]), how=how)
    if token := entry["identitytoken"]:
        how = "an identity token, which is exchanged at the registry's token server"
        return PastedEntry("", IDENTITY_USER, Password(token), how=how)
    return found


def _why_nothing(place: str, entry: Mapping[str, str], helper: str) -> tuple[str, str]:
    """Return why an entry holds no password, and what to run instead."""
    if helper and all(letter.isalnum() or letter in "-_." for letter in helper):
        problem = f"it holds nothing: the password is kept by the credential helper {helper!r}"
        return problem, f"printf '%s' {_quoted(place)} | docker-credential-{helper} get"
    if entry["registrytoken"]:
        return "it holds a registry token, which lives for minutes only and is no password", ""
    return "it holds neither auth nor username and password", ""


def _at_legal_address(entry: PastedEntry) -> PastedEntry:
    try:
        RegistryAddress.parse(entry.registry)
    except InvalidInput as error:
        problem = f"its registry {error.problem}; {error.rule}"
        return PastedEntry(registry=entry.registry, name=entry.name, problem=problem, place=entry.place)
    return entry


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        return {}
    return {key: each for key, each in value.items() if isinstance(key, str)}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
