"""What an operator does to an installation from beside it: keeping backups, and bringing one back."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from towline import __version__
from towline.app import DATABASE
from towline.domain.backup import Receipt, Row, Table
from towline.domain.errors import Conflict, InvalidInput
from towline.keeping import KEYRING, transit_of
from towline.listening import alone_in
from towline.store.backup_file import BackupFile, write_backup
from towline.store.keyring import Keyring
from towline.store.keyring_command import printed_keyring
from towline.store.moving import BACKUP, claim, copy, finish
from towline.store.opening import needing_postgresql
from towline.store.sealed_values import SealedValues
from towline.store.sqlite import SqliteStore
from towline.store.sqlite.moving import SqliteEnd
from towline.store.sqlite.restoration import discard, draft_of, fill, put_in_place
from towline.store.sqlite.snapshot import SqliteSnapshot
from towline.store.vault import SealingVault
from towline.wiring import utc_now

if TYPE_CHECKING:
    from towline.config import Config
    from towline.domain.backup import Progress
    from towline.ports.backups import Snapshot
    from towline.store.address import DatabaseAddress


@dataclass(frozen=True, slots=True)
class Kept:
    """A backup that was written, and where the keyring that it needs is kept."""

    receipt: Receipt
    keyring: str
    keyring_copy: Path | None


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found in a backup.

    ``audit_broken_at`` is the first row of the audit trail that does not fit, ``sealed`` how many sealed
    values there are, ``unopened`` a line for each that the keyring does not open; None without a keyring.
    """

    receipt: Receipt
    audit_broken_at: int | None
    sealed: int
    unopened: Sequence[str] | None

    @property
    def is_whole(self) -> bool:
        """Whether the trail holds together and nothing is known not to open."""
        return self.audit_broken_at is None and not self.unopened


async def keep_backup(config: Config, path: Path, *, keyring_to: Path | None, progress: Progress) -> Kept:
    """Write a backup of the installation to ``path``, beside a running server or without one.

    With ``keyring_to`` the keyring goes into a file of its own, which must not be there yet.
    """
    copied = await _copy_keyring(config, keyring_to, path) if keyring_to else None

    def write() -> Receipt:
        with snapshot_of(config) as snapshot:
            return write_backup(path, snapshot, towline=__version__, taken_at=utc_now(), progress=progress)

    return Kept(await asyncio.to_thread(write), _keyring_place(config), copied)


def snapshot_of(config: Config) -> AbstractContextManager[Snapshot]:
    """Open the installation's database as it is at this moment."""
    if config.postgresql is None:
        return SqliteSnapshot.of_file(config.folder / DATABASE)
    with needing_postgresql():
        from towline.store.postgres.snapshot import PostgresSnapshot  # noqa: PLC0415  (loaded when used)
    return PostgresSnapshot.at(config.postgresql)


async def restore(config: Config, path: Path, *, progress: Progress) -> Examined:
    """Make the database of a backup in a data folder that has none, or in an empty one of PostgreSQL's.

    Sessions are ended. Raises Conflict when something is there or the folder is in use, BackupDamaged for a
    file that is not whole: then the place is as it was.
    """
    if config.postgresql is not None:
        async with opener(config) as vault:
            return await _into_postgresql(config.postgresql, path, vault=vault, progress=progress)
    folder = config.folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = folder / DATABASE
    with alone_in(folder):
        if place.exists():
            raise Conflict(f"{place} is there; a backup is restored into an empty place: move it away first")
        draft = draft_of(place)
        try:
            async with opener(config) as vault:
                examined = await _made(draft, path, vault=vault, progress=progress)
            put_in_place(draft, place)
        finally:
            discard(draft)
    return examined


async def _into_postgresql(
    address: DatabaseAddress, path: Path, *, vault: SealingVault | None, progress: Progress
) -> Examined:
    """Make the database in a temporary place, look at it there, and copy it.

    A copy that breaks off is marked, so that no server starts on it; the same backup goes on with it.
    """
    with needing_postgresql():
        from towline.store.postgres.moving import PostgresEnd  # noqa: PLC0415  (loaded when used)
    with tempfile.TemporaryDirectory(prefix="towline-restore-") as folder:
        draft = Path(folder) / DATABASE
        examined = await _made(draft, path, vault=vault, progress=progress)

        def copied() -> None:
            with SqliteEnd.of_file(draft) as source, PostgresEnd.at(address) as target:
                claim(target, source=f"{BACKUP}{examined.receipt.sha256}")
                source.begin()
                copy(source, target, progress=progress)
                finish(source, target)
                source.commit()

        await asyncio.to_thread(copied)
    return examined


async def examine(config: Config, path: Path, *, progress: Progress) -> Examined:
    """Restore a backup into a temporary place and say what is found; nothing of it stays."""
    with tempfile.TemporaryDirectory(prefix="towline-verify-") as folder:
        async with opener(config) as vault:
            return await _made(Path(folder) / DATABASE, path, vault=vault, progress=progress)


async def _made(draft: Path, path: Path, *, vault: SealingVault | None, progress: Progress) -> Examined:
    """Make a database of a backup and look at it in every way."""
    sealed = SealedValues()

    def unpack() -> Receipt:
        with BackupFile.opened(path) as backup:
            fill(draft, backup.manifest.contents, _noted(backup.rows(progress), sealed))
            return backup.receipt()

    receipt = await asyncio.to_thread(unpack)
    store = await SqliteStore.open(draft)
    try:
        broken_at = await store.survey(lambda tx: tx.audit.verify())
    finally:
        await store.close()
    unopened = await sealed.unopened(vault) if vault is not None else None if sealed.values else ()
    return Examined(receipt, broken_at, sealed=len(sealed.values), unopened=unopened)


def _noted(rows: Iterator[tuple[Table, Row]], sealed: SealedValues) -> Iterator[tuple[Table, Row]]:
    for table, row in rows:
        sealed.note(table, row)
        yield table, row


@asynccontextmanager
async def opener(config: Config) -> AsyncIterator[SealingVault | None]:
    """Yield what opens sealed values, None where there are no keys; never makes any."""
    keyring, transit = await _keyring(config), transit_of(config)
    try:
        yield SealingVault(keyring, transit=transit) if keyring or transit else None
    finally:
        if transit is not None:
            await transit.close()


async def _keyring(config: Config) -> Keyring | None:
    if config.keyring is not None:
        return Keyring.parse(config.keyring)
    if config.keyring_command:
        return await printed_keyring(config.keyring_command)
    path = config.folder / KEYRING
    return Keyring.at(path)[0] if await asyncio.to_thread(path.exists) else None


def _keyring_place(config: Config) -> str:
    if config.keyring is not None:
        return "the environment variable TOWLINE_KEYRING"
    if config.keyring_command:
        return f"what {config.keyring_command[0]} prints"
    return str(config.folder / KEYRING)


async def _copy_keyring(config: Config, path: Path, backup: Path) -> Path:
    """Write the keyring into a file of its own; raise InvalidInput or Conflict where that cannot be."""
    if await asyncio.to_thread(_is_same, path, backup):
        raise InvalidInput(
            "include_keyring",
            problem="names the backup itself",
            rule="name another file, and keep it elsewhere: who has both has every password",
        )
    keyring = await _keyring(config)
    if keyring is None:
        raise InvalidInput("include_keyring", problem=f"there is no keyring in {config.folder}")
    if not await asyncio.to_thread(keyring.put_at, path):
        raise Conflict(f"{path} is there; a keyring is never written over")
    return path


def _is_same(path: Path, other: Path) -> bool:
    return path.resolve() == other.resolve()
