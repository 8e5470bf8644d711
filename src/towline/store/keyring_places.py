"""Where a keyring rests: a file of ours, or something that others keep and we only read.

A file is written whole beside the old one and renamed over it, so that a crash leaves one of both, and
under a lock, so that two administrators do not lose each other's key.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from towline.domain.errors import Conflict
from towline.store.keyring import Keyring, read_private, replace_private
from towline.store.keyring_command import printed_keyring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


class KeyringPlace(Protocol):
    """A place of a keyring; ``title`` says it in words."""

    @property
    def title(self) -> str: ...

    def stamp(self) -> object:
        """Return something that differs once the keyring may have changed; costs microseconds."""

    def now(self) -> Keyring | None:
        """Return the keyring as it is now; None where it is gone or cannot be read at once."""

    async def read(self) -> Keyring | None:
        """Return the keyring, however long that takes; None where there is none."""

    def change(self, change: Callable[[Keyring | None], Keyring], /) -> Keyring:
        """Put what ``change`` makes of the keyring in its place; raise Conflict where others keep it."""


class FilePlace:
    """A file of mode 0600."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def title(self) -> str:
        """Where it is."""
        return f"file {self._path}"

    def stamp(self) -> object:
        """Return what tells one file from the next."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def now(self) -> Keyring | None:
        """Return the keyring in the file."""
        try:
            return Keyring.parse(read_private(self._path))
        except FileNotFoundError:
            return None

    async def read(self) -> Keyring | None:
        """Return the keyring in the file."""
        return self.now()

    def change(self, change: Callable[[Keyring | None], Keyring]) -> Keyring:
        """Replace the file as a whole, durably."""
        with _alone(self._path):
            changed = change(self.now())
            replace_private(self._path, changed.document())
            return changed


class GivenPlace:
    """A keyring that came from elsewhere, once: the environment, or a test's."""

    title = "environment TOWLINE_KEYRING"

    def __init__(self, keyring: Keyring | None = None) -> None:
        self._keyring = keyring

    def stamp(self) -> object:
        """Return always the same."""
        return None

    def now(self) -> Keyring | None:
        """Return what was given."""
        return self._keyring

    async def read(self) -> Keyring | None:
        """Return what was given."""
        return self._keyring

    def change(self, _: Callable[[Keyring | None], Keyring]) -> Keyring:
        """Refuse: it is not ours."""
        raise _kept_elsewhere(self.title)


class CommandPlace:
    """A keyring that a program prints."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = tuple(argv)

    @property
    def title(self) -> str:
        """Which program."""
        return f"command {self._argv[0]}"

    def stamp(self) -> object:
        """Return always the same: running the program for each value would take too long."""
        return None

    def now(self) -> Keyring | None:
        """Return none: it takes a program to know."""
        return None

    async def read(self) -> Keyring | None:
        """Return what the program prints now."""
        return await printed_keyring(self._argv)

    def change(self, _: Callable[[Keyring | None], Keyring]) -> Keyring:
        """Refuse: it is not ours."""
        raise _kept_elsewhere(self.title)


async def changed(place: KeyringPlace, change: Callable[[Keyring | None], Keyring]) -> Keyring:
    """Do ``place.change`` beside the loop, as it waits for the disk."""
    return await asyncio.to_thread(place.change, change)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _kept_elsewhere(title: str) -> Conflict:
    return Conflict(
        f"the keyring is not Towline's to change ({title}): add the key there and name it active, keep the"
        " old ones, then run: towline admin keys rotate"
    )
