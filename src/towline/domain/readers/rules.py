"""The table: what each reader looks at, and how it takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from towline.domain.image import ImageReference
from towline.domain.readers.auth_value import Decoding
from towline.domain.readers.config_file import Form
from towline.domain.readers.keys import KeysOf, by_host, by_path, by_pattern, by_spelling, server_key


class Reader(StrEnum):
    """Who reads the files."""

    DOCKER = "docker"
    CONTAINERS = "containers"
    KUBELET = "kubelet"
    ORAS = "oras"


class Spoils(StrEnum):
    """What a bad entry does to a reader."""

    BY_CHANCE = "it reads entries in random order up to this one, so the others count by chance"
    ENTRIES = "it warns and goes on without any entry of the file"
    FILE = "it cannot read the file, and the pull fails with an error"
    ITSELF = "the pull fails with an error"


class Unnamed(StrEnum):
    """What an empty name in ``credHelpers`` means for its host."""

    NO_HELPER = "no helper is asked for this host"
    IS_ABSENT = "it counts as absent"
    IS_ASKED = "a helper without a name is asked"


@dataclass(frozen=True, slots=True)
class Rules:
    """A row of the table.

    ``members`` are those of an entry that are read. ``undecodable`` is what an ``auth`` does that cannot be
    decoded, ``misshapen`` what an entry of another JSON type does; unless they are ``ITSELF``, also entries
    do it that nobody asks for. ``skips_no_colon``: an ``auth`` without a colon counts as absent.

    ``unnamed_helper``: what an empty name in ``credHelpers`` means.
    ``per_host_helpers`` and ``store``: ``credHelpers`` and ``credsStore`` are looked at; ``finds_store``:
    where there is nothing at all, the platform's store is asked. ``forgives_helpers``: where a helper fails,
    the file's entry is used. ``tries_all``: all keys that fit are tried in turn. ``flat_keys``: how keys of a
    ``.dockercfg`` are compared, where that differs.
    """

    title: str
    keys: KeysOf
    forms: tuple[Form, ...]
    members: tuple[str, ...]
    decoding: Decoding
    undecodable: Spoils
    misshapen: Spoils
    skips_no_colon: bool = False
    per_host_helpers: bool = True
    unnamed_helper: Unnamed = Unnamed.NO_HELPER
    store: bool = True
    finds_store: bool = False
    forgives_helpers: bool = False
    tries_all: bool = False
    reads_empty: bool = True
    flat_keys: KeysOf | None = None
    helper_key: Callable[[ImageReference], str] = server_key


_ALL = ("auth", "username", "password", "identitytoken", "registrytoken")

RULES: Mapping[Reader, Rules] = {
    Reader.DOCKER: Rules(
        "docker",
        by_host,
        (Form.CONFIG, Form.VARIABLE),
        members=_ALL,
        decoding=Decoding(),
        undecodable=Spoils.BY_CHANCE,
        misshapen=Spoils.ENTRIES,
        finds_store=True,
        forgives_helpers=True,
    ),
    Reader.CONTAINERS: Rules(
        "podman",
        by_path,
        (Form.CONFIG, Form.DOCKERCFG),
        members=("auth", "identitytoken"),
        decoding=Decoding(needs_username=False),
        undecodable=Spoils.ITSELF,
        misshapen=Spoils.FILE,
        skips_no_colon=True,
        store=False,
        unnamed_helper=Unnamed.IS_ASKED,
        reads_empty=False,
        flat_keys=by_spelling,
        helper_key=lambda image: image.registry,
    ),
    Reader.KUBELET: Rules(
        "the kubelet",
        by_pattern,
        (Form.CONFIG, Form.DOCKERCFG),
        members=("auth", "username", "password"),
        decoding=Decoding(bare=True, trims_nul=False, needs_username=False),
        undecodable=Spoils.FILE,
        misshapen=Spoils.FILE,
        per_host_helpers=False,
        store=False,
        tries_all=True,
        reads_empty=False,
    ),
    Reader.ORAS: Rules(
        "oras",
        by_host,
        (Form.CONFIG,),
        members=_ALL,
        decoding=Decoding(trims_nul=False, needs_username=False),
        undecodable=Spoils.ITSELF,
        misshapen=Spoils.ITSELF,
        finds_store=True,
        unnamed_helper=Unnamed.IS_ABSENT,
    ),
}
