"""The keys that wrap the data keys of sealed values, and where they are kept: file, environment, command.

A keyring is a JSON document, the same at every place, of 256-bit keys in base64::

    {"active": "k1f0c9a2b", "keys": {"k1f0c9a2b": "..."}}

New values are sealed under the active key; the others still open what was sealed under them, so that
a rotation can go on while the server runs. Design: section 3, "Sealing".
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgspec

from towline.domain.credential import Password
from towline.domain.errors import InvalidInput
from towline.store.envelope import KEY_BYTES

RandomBytes = Callable[[int], bytes]
"""So many fresh random bytes, fit for keys."""

MAX_BYTES = 1 << 20

_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_RULE = 'give JSON: {"active": ID, "keys": {ID: base64 of 32 bytes}}'


@dataclass(frozen=True, slots=True)
class Keyring:
    """Wrapping keys by id, one of them active. The keys are in no repr."""

    active: str
    keys: Mapping[str, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        if self.active not in self.keys:
            raise InvalidInput("keyring.active", problem="names none of the keys", rule=_RULE)
        for name, key in self.keys.items():
            if not _KEY_ID.fullmatch(name):
                raise InvalidInput(
                    "keyring.keys",
                    problem="holds an id that is not legal",
                    rule="use at most 64 letters, digits, '-', '_' and '.'",
                )
            if len(key) != KEY_BYTES:
                raise InvalidInput(
                    f"keyring.keys.{name}", problem=f"is {len(key)} bytes long", rule="use 32 bytes"
                )

    @classmethod
    def fresh(cls, *, random: RandomBytes = os.urandom) -> Self:
        """Return a keyring with one new key."""
        name = new_key_id(random)
        return cls(name, {name: random(KEY_BYTES)})

    @classmethod
    def parse(cls, text: Password) -> Self:
        """Return the keyring in a document; raise InvalidInput that quotes none of it."""
        try:
            document = msgspec.json.decode(text.reveal(), type=_Document)
            keys = {name: base64.b64decode(key, validate=True) for name, key in document.keys.items()}
        except (msgspec.MsgspecError, binascii.Error, ValueError):
            # from None: the cause's text or its frames could hold part of a key
            raise InvalidInput("keyring", problem="is not a keyring document", rule=_RULE) from None
        return cls(document.active, keys)

    @classmethod
    def at(cls, path: Path, *, random: RandomBytes = os.urandom) -> tuple[Self, bool]:
        """Return the keyring in a file and whether it was made just now, because there was none.

        Raises InvalidInput for a file that others may read, or that belongs to another user.
        """
        try:
            return cls.parse(read_private(path)), False
        except FileNotFoundError:
            made = cls.fresh(random=random)
        if _write_private(path, made.document()):
            return made, True
        return cls.parse(read_private(path)), False

    def with_key(self, name: str, key: bytes) -> Self:
        """Return the keyring with one more key, which is not active yet."""
        return type(self)(self.active, {**self.keys, name: key})

    def activated(self, name: str) -> Self:
        """Return the keyring with another key active; raise InvalidInput for one that is not there."""
        return type(self)(name, self.keys)

    def without(self, name: str) -> Self:
        """Return the keyring without a key, which must not be the active one."""
        return type(self)(self.active, {other: key for other, key in self.keys.items() if other != name})

    def put_at(self, path: Path) -> bool:
        """Write the keyring into a new file that its owner alone may read; return False if one is there."""
        return _write_private(path, self.document())

    def document(self) -> Password:
        """Return the keyring as the document that ``parse`` reads: as secret as all it opens."""
        keys = {name: base64.b64encode(key).decode() for name, key in self.keys.items()}
        document = msgspec.json.encode(_Document(self.active, keys))
        return Password(msgspec.json.format(document).decode() + "\n")


def new_key_id(random: RandomBytes = os.urandom) -> str:
    """Return an id that no other key has."""
    return f"k{random(4).hex()}"


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    active: str
    keys: dict[str, str]


def read_private(path: Path) -> Password:
    """Return a file's text if nobody else may read it, judged by the file that is open, not by its name.

    Raises InvalidInput for one that others may read, FileNotFoundError where there is none.
    """
    try:
        with path.open("rb") as file:
            _refuse_shared(os.fstat(file.fileno()), path)
            content = file.read(MAX_BYTES)
    except PermissionError as error:
        raise InvalidInput(
            "keyring", problem=f"{path} cannot be read", rule="run as the user that it belongs to"
        ) from error
    try:
        return Password(content.decode())
    except UnicodeDecodeError:
        raise InvalidInput("keyring", problem=f"{path} is not text", rule=_RULE) from None


def _refuse_shared(status: os.stat_result, path: Path) -> None:
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = stat.S_IMODE(status.st_mode)
        raise InvalidInput(
            "keyring",
            problem=f"{path} is open to others than its owner (mode {mode:04o})",
            rule=f"take that away: chmod 600 {path}",
        )
    if status.st_uid not in (0, os.geteuid()):
        raise InvalidInput(
            "keyring",
            problem=f"{path} belongs to another user (uid {status.st_uid})",
            rule="let it belong to the user that runs towline",
        )


def _write_private(path: Path, text: Password) -> bool:
    """Put a new file there, whole and durable or not at all; return False if one came to be meanwhile."""
    with _drafted(path, text) as draft:
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            return False
    _sync_folder(path.parent)
    return True


def replace_private(path: Path, text: Password) -> None:
    """Put another file in place of the one that is there, whole and durable."""
    with _drafted(path, text) as draft:
        draft.replace(path)
    _sync_folder(path.parent)


@contextmanager
def _drafted(path: Path, text: Password) -> Iterator[Path]:
    """Yield a durable file of mode 0600 beside ``path``; it is gone at the end unless it was moved."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.reveal().encode())
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
