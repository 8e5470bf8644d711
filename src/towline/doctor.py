"""``towline admin doctor``: what an installation stands on, looked at without changing anything."""

from __future__ import annotations

import asyncio
import ctypes
import os
import pwd
import shutil
import socket
import stat
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from towline.app import DATABASE
from towline.domain.errors import EngineFailed, InvalidInput, NotFound, StoreUnavailable, TowlineError
from towline.domain.registry import RegistrySettings
from towline.domain.secret import DockerSecret
from towline.domain.workload import PullAccess
from towline.engines.docker import EngineAddress, answers_at
from towline.engines.embedded.monitor import namespaces
from towline.engines.embedded.runtime import Patched, find
from towline.housing import ENGINE_SETTING
from towline.listening import is_served
from towline.registry import Registry
from towline.store.migrations import known_migrations
from towline.store.opening import needing_postgresql
from towline.store.rows.codec import value
from towline.store.sealed_values import SealedValues
from towline.upkeep import opener, snapshot_of

if TYPE_CHECKING:
    from towline.config import Config
    from towline.domain.proof import Answer
    from towline.ports.backups import Snapshot
    from towline.store.vault import SealingVault

OK, WARNING, FAILED = "ok", "warning", "failed"
SCARCE, FULL = 1 << 30, 100 << 20
MOST_REGISTRIES = 50
_UNSYNCHRONISED = 5
_TIMEX_BYTES = 512


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: how it is, and what to do where it is not as it should be."""

    name: str
    state: str
    told: str
    fix: str = ""


@dataclass(slots=True)
class _Seen:
    """What the database told, for the checks after it."""

    engine: str = ""
    registries: dict[str, tuple[DockerSecret, RegistrySettings]] = field(default_factory=dict)


async def examined(config: Config) -> Sequence[Check]:
    """Look at everything; return a check for each, in the order in which one mends."""
    seen = _Seen()
    checks = [_folder(config), _disk(config), *await _database(config, seen)]
    checks.append(await _engine(config, seen.engine))
    if os.geteuid() != 0:
        checks.append(_id_ranges())
    checks += [_clock(), await asyncio.to_thread(_port, config)]
    return [*checks, *await _registries(config, seen)]


def _folder(config: Config) -> Check:
    name, folder = "data folder", config.folder
    try:
        status = folder.stat()
    except OSError as error:
        return Check(
            name, FAILED, f"{folder}: {error.strerror}", "name it with --data, or start the server once"
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Check(name, FAILED, f"{folder} is open to others (mode {mode:04o})", f"chmod 700 {folder}")
    if status.st_uid != os.geteuid() and os.geteuid() != 0:
        return Check(name, FAILED, f"{folder} belongs to another user", "run as the user that serves")
    return Check(name, OK, f"{folder}, mode {mode:04o}, of {_user(status.st_uid)}")


def _disk(config: Config) -> Check:
    name, fix = "disk", "make room, or see docs/reference/retention.md for what is kept how long"
    try:
        free = shutil.disk_usage(config.folder).free
        inodes = os.statvfs(config.folder)
    except OSError as error:
        return Check(name, FAILED, f"{config.folder}: {error.strerror}", "name it with --data")
    told = f"{free / (1 << 30):.1f} GiB free where {config.folder} is"
    if free < FULL or (inodes.f_files and not inodes.f_favail):
        return Check(name, FAILED, told, fix)
    return Check(name, WARNING, told, fix) if free < SCARCE else Check(name, OK, told)


async def _database(config: Config, seen: _Seen) -> Sequence[Check]:
    """Look at the database, its audit trail, and whether the keyring opens what is sealed in it."""
    sealed = SealedValues()

    def look() -> Sequence[Check]:
        with snapshot_of(config) as snapshot:
            _note(snapshot, seen, sealed)
            return (_soundness(snapshot, _answering(config)), _schema(snapshot), _trail(snapshot))

    try:
        checks = await asyncio.to_thread(look)
    except NotFound as error:
        return (
            Check("database", FAILED, str(error), f"start the server once, or restore a backup: {DATABASE}"),
        )
    except (InvalidInput, StoreUnavailable) as error:
        return (Check("database", FAILED, str(error), "see docs/how-to/postgresql.md"),)
    except TowlineError as error:
        return (Check("database", FAILED, str(error), "restore a backup into an empty place"),)
    return (*checks, await _keyring(config, sealed))


def _note(snapshot: Snapshot, seen: _Seen, sealed: SealedValues) -> None:
    settings: dict[tuple[str, str], RegistrySettings] = {}
    wanted = ("settings", "registries", "projects", "secrets", "secret_versions", "webhooks")
    for table in (table for table in snapshot.contents.tables if table.name in wanted):
        for row in snapshot.rows(table):
            cells = {column.name: cell for column, cell in zip(table.columns, row, strict=True)}
            sealed.note(table, row)
            if table.name == "settings" and cells["name"] == ENGINE_SETTING:
                seen.engine = str(cells["value"])
            elif table.name == "registries":
                settings[str(cells["project_guid"]), str(cells["netloc"])] = value(
                    RegistrySettings, str(cells["body"])
                )
            elif table.name == "secrets" and cells["kind"] == "Docker":
                secret = value(DockerSecret, str(cells["body"]))
                netloc = secret.registry.netloc
                own = settings.get((secret.metadata.project_guid, netloc)) or RegistrySettings.default(netloc)
                seen.registries.setdefault(netloc, (secret, own))


def _answering(config: Config) -> str:
    """Return what answers at the database's address, and how it is reached."""
    if config.postgresql is None:
        return "sqlite"
    with needing_postgresql():
        from towline.store.postgres.contact import told  # noqa: PLC0415  (loaded when used)
    return told(config.postgresql)


def _soundness(snapshot: Snapshot, what: str) -> Check:
    contents = snapshot.contents
    if trouble := snapshot.trouble():
        return Check("database", FAILED, trouble, "restore a backup into an empty place")
    return Check("database", OK, f"{what}, {contents.rows} rows, sound")


def _schema(snapshot: Snapshot) -> Check:
    has, known = snapshot.contents.schema, len(known_migrations())
    if has > known:
        return Check("schema", FAILED, f"it is {has}, this program knows {known}", "use the newer program")
    if has < known:
        return Check("schema", OK, f"it is {has}; the next start brings it to {known}")
    return Check("schema", OK, f"it is {has}, this program's")


def _trail(snapshot: Snapshot) -> Check:
    broken = snapshot.audit_broken_at()
    if broken is None:
        return Check("audit trail", OK, "its chain holds together")
    return Check(
        "audit trail",
        FAILED,
        f"it does not hold together from row {broken} on: a row was changed or removed",
        "compare with a backup, and find out who could write the database",
    )


async def _keyring(config: Config, sealed: SealedValues) -> Check:
    try:
        async with opener(config) as vault:
            return await _opening(vault, sealed)
    except InvalidInput as error:
        return Check("keyring", FAILED, error.problem, error.rule)
    except TowlineError as error:
        return Check("keyring", FAILED, str(error), "let this machine reach what keeps the keys")


async def _opening(vault: SealingVault | None, sealed: SealedValues) -> Check:
    name = "keyring"
    if vault is None:
        state = FAILED if sealed.values else WARNING
        told = f"there is none, and {len(sealed.values)} values are sealed"
        return Check(name, state, told, "put keyring.json back from where you keep its copy")
    unopened = await sealed.unopened(vault)
    if unopened:
        told = f"{len(unopened)} of {len(sealed.values)} sealed values do not open; the first: {unopened[0]}"
        return Check(name, FAILED, told, "bring the keyring that they were sealed with, or enter them anew")
    return Check(name, OK, f"it opens all {len(sealed.values)} sealed values")


async def _engine(config: Config, kept: str) -> Check:
    name = config.engine or kept
    match name:
        case "docker" | "swarm":
            return await _tried(name, lambda: _docker_answers(config), told="it answers")
        case "kubernetes":
            return Check("engine", OK, "kubernetes; look at it with: towline kubernetes doctor")
        case _:
            return await _runtime()


async def _docker_answers(config: Config) -> None:
    await answers_at(EngineAddress.parse(config.docker_host, certificates=config.docker_cert_path))


async def _tried(name: str, ask: Callable[[], Awaitable[None]], *, told: str) -> Check:
    try:
        await ask()
    except EngineFailed as failure:
        return Check("engine", FAILED, f"{name}: {failure.finding.detail}", failure.finding.fix)
    except InvalidInput as error:
        return Check("engine", FAILED, f"{name}: {error.problem}", error.rule)
    return Check("engine", OK, f"{name}: {told}")


async def _runtime() -> Check:
    try:
        program = await find(os.defpath)
    except EngineFailed as failure:
        return Check("engine", FAILED, f"embedded: {failure.finding.detail}", failure.finding.fix)
    told = f"embedded, {program.name} {program.version} ({program.path})"
    if program.patched is Patched.YES:
        return Check("engine", OK, f"{told}, with the fixes of November 2025")
    fix = "install runc 1.2.8, 1.3.3, 1.4.0 or later, or your distribution's patched one"
    return Check("engine", WARNING, f"{told}, fixes of November 2025: {program.patched.value}", fix)


def _id_ranges() -> Check:
    if namespaces.granted() is not None:
        return Check("id ranges", OK, f"{_user(os.geteuid())} has ranges in /etc/subuid and /etc/subgid")
    ranges = "--add-subuids 100000-165535 --add-subgids 100000-165535"
    fix = f"install uidmap, and: usermod {ranges} {_user(os.geteuid())}"
    return Check("id ranges", WARNING, "no range of user ids for containers", fix)


def _clock() -> Check:
    """Ask the kernel whether something keeps its clock.

    https://man7.org/linux/man-pages/man2/adjtimex.2.html
    """
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    if state == _UNSYNCHRONISED:
        fix = "let systemd-timesyncd, chrony or the host keep it: tokens and certificates depend on it"
        return Check("clock", WARNING, "nothing says that it is kept right", fix)
    return Check(
        "clock", OK if state >= 0 else WARNING, "it is kept right" if state >= 0 else "cannot be asked"
    )


def _port(config: Config) -> Check:
    """Look whether the port is free, or taken by a server that answers like ours."""
    name, place = "port", f"{config.host}, port {config.port}"
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((config.host, config.port))
        except OSError as error:
            if is_served(config.folder):
                return Check(name, OK, f"{place}: the server that runs on this data folder")
            fix = "end what listens there, or choose another --port"
            return Check(name, FAILED, f"{place}: {error.strerror}", fix)
    return Check(name, OK, f"{place} is free")


async def _registries(config: Config, seen: _Seen) -> Sequence[Check]:
    registry = Registry(
        deny_private=config.deny_private_registries, allow_loopback=config.allows_loopback_registries
    )
    try:
        chosen = sorted(seen.registries.items())[:MOST_REGISTRIES]
        answers = await asyncio.gather(
            *(
                registry.prover.ping(
                    secret.registry, PullAccess(own, plain_http=own.plain_http or secret.registry.plain_http)
                )
                for _, (secret, own) in chosen
            )
        )
    finally:
        await registry.close()
    return list(_reached((netloc for netloc, _ in chosen), answers))


def _reached(names: Iterator[str], answers: Sequence[Answer]) -> Iterator[Check]:
    """Tell which registries answer; none was sent a password."""
    for netloc, answer in zip(names, answers, strict=True):
        finding = answer.finding
        if finding is None:
            yield Check(f"registry {netloc}", OK, "it answers")
        else:
            yield Check(f"registry {netloc}", FAILED, f"{finding.code}: {finding.detail}", finding.fix)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
