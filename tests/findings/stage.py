"""A stage on loopback on which one scripted server plays each host of a case, and writes down what it hears.

Raw asyncio, not a web framework: registries must also be able to break HTTP off, drip it and garble it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import fnmatch
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, urlsplit

from findings import authority
from findings.answers import ABSENT, NO_TLS_HERE, answer, misbehave
from findings.cases import Case, Place, Rule, When
from findings.sample import filled

_NOWHERE = ("127.255.255.255", 443)
"""Loopback's broadcast address: the kernel has no way there for TCP (ENETUNREACH), whatever the network."""
_TLS_HANDSHAKE = b"\x16"


@dataclass(frozen=True)
class Heard:
    """One request as a host heard it, and the status it answered (0: none)."""

    host: str
    method: str
    path: str
    query: Mapping[str, list[str]]
    authorization: str
    body: bytes
    target: str = ""
    status: int = 0

    @property
    def kind(self) -> str:
        """``none``, ``basic`` or ``bearer``."""
        return self.authorization.partition(" ")[0].lower() or "none"

    def carries(self, password: str) -> bool:
        """Whether the password is in this request, in the header or anywhere else."""
        with contextlib.suppress(binascii.Error):
            decoded = base64.b64decode(self.authorization.partition(" ")[2]) if self.kind == "basic" else b""
            if decoded.endswith(b":" + password.encode()):
                return True
        return password.encode() in self.body or password in str(self.query)


@dataclass
class Stage:
    """The hosts of a case: where each is dialled, and everything they heard."""

    case: Case
    own: authority.Authority
    stranger: authority.Authority
    heard: list[Heard] = field(default_factory=list)
    asked_names: set[str] = field(default_factory=set)
    dialled: dict[str, tuple[str, int]] = field(default_factory=dict)

    async def lookup(self, host: str, port: int, _: socket.AddressFamily) -> list[tuple[str, int]]:
        """Say where a host is dialled, as a resolver does."""
        self.asked_names.add(host)
        names = (f"{host}:{port}", host)
        found = next((self.dialled[name] for name in names if name in self.dialled), None)
        if found is None:
            asked = self.case.hosts.get(host)
            if asked and asked.address == "name-server-silent":
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        place = self.case.hosts.get(names[0]) or self.case.hosts[host]
        return [*((address, found[1]) for address in place.also_at), found]

    def forget(self) -> None:
        """Forget what was heard up to now."""
        self.heard.clear()
        self.asked_names.clear()

    @property
    def hosts(self) -> frozenset[str]:
        """Every host that was looked up or asked."""
        return frozenset({each.host.partition(":")[0] for each in self.heard} | self.asked_names)

    @property
    def authorized(self) -> frozenset[str]:
        """The hosts that were sent any authorization."""
        return frozenset(each.host for each in self.heard if each.kind != "none")

    @property
    def logins(self) -> tuple[tuple[str, int], ...]:
        """The requests that held the case's password: whom they went to, and the answer's status."""
        kept = self.case.project.secrets if self.case.project else ()
        passwords = [login.password for login in (self.case.ask, *kept) if login.password]
        sent = (each for each in self.heard if any(map(each.carries, passwords)))
        return tuple((each.host, each.status) for each in sent)

    def play(self, host: str, request: Heard) -> Rule | None:
        """Return the first rule of ``host`` that answers the request."""
        rules = self.case.servers.get(host, ())
        return next((rule for rule in rules if _meets(rule.when, request)), None)


@contextlib.asynccontextmanager
async def staged(case: Case, own: authority.Authority, stranger: authority.Authority) -> AsyncIterator[Stage]:
    """Set up every host of ``case``; all are gone afterwards."""
    stage = Stage(case, own, stranger)
    async with contextlib.AsyncExitStack() as stack:
        for name, place in case.hosts.items():
            await _set_up(stage, name, place, stack)
        yield stage


def black_hole(stack: contextlib.ExitStack | contextlib.AsyncExitStack) -> tuple[str, int]:
    """Return an address that lets nobody in and says nothing: its queue is full and never emptied."""
    listener = stack.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    host, port = listener.getsockname()
    for _ in range(3):
        waiting = stack.enter_context(socket.socket())
        waiting.settimeout(0)
        waiting.connect_ex((host, port))
    return host, port


async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass on what ``source`` sends until it ends."""
    try:
        while chunk := await source.read(1 << 16):
            target.write(chunk)
            await target.drain()
    finally:
        target.close()


async def _set_up(stage: Stage, name: str, place: Place, stack: contextlib.AsyncExitStack) -> None:
    match place.address:
        case "here":
            stage.dialled[name] = ("127.0.0.1", await _serve(stage, name, place, stack))
        case "unresolvable" | "name-server-silent":
            pass
        case "closed":
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))  # held, so that nobody else listens there
            stage.dialled[name] = listener.getsockname()
        case "black-hole":
            stage.dialled[name] = black_hole(stack)
        case "unreachable":
            stage.dialled[name] = _NOWHERE
        case address:
            stage.dialled[name] = (address, 443)


async def _serve(stage: Stage, name: str, place: Place, stack: contextlib.AsyncExitStack) -> int:
    bare = urlsplit(f"//{name}").hostname or name
    context = None
    if place.tls != "plain":
        context = authority.serving(stage.own, stage.stranger, host=bare, tls=place.tls)
    talks: set[asyncio.Task[None]] = set()

    def door(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        refusing = context if place.tls in authority.REFUSING else None
        talks.add(asyncio.create_task(_received(stage, name, reader, writer, refusing=refusing)))

    outer = None if place.tls in authority.REFUSING else context
    server = await asyncio.start_server(door, "127.0.0.1", 0, ssl=outer)
    stack.push_async_callback(_shut, server, talks)
    return int(server.sockets[0].getsockname()[1])


async def _received(
    stage: Stage,
    name: str,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    *,
    refusing: ssl.SSLContext | None,
) -> None:
    try:
        if refusing is not None:
            await _refuse_tls(refusing, reader, writer)
        else:
            await _talk(stage, name, reader, writer)
    except (OSError, asyncio.IncompleteReadError):
        return  # the client went away, as it may
    finally:
        writer.close()


async def _refuse_tls(
    context: ssl.SSLContext, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Refuse the handshake and say why: asyncio's own TLS would break off before its alert is sent."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_side=True)
    while received := await reader.read(1 << 16):
        incoming.write(received)
        with contextlib.suppress(ssl.SSLError):  # what is wanted: the alert is in ``outgoing`` then
            tls.do_handshake()
        writer.write(outgoing.read())
        await writer.drain()


async def _shut(server: asyncio.Server, talks: set[asyncio.Task[None]]) -> None:
    server.close()
    for task in talks:
        task.cancel()
    for ended in await asyncio.gather(*talks, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended


async def _talk(stage: Stage, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer requests on one connection until a rule breaks it off."""
    while request := await _request(host, reader):
        if request.method == "TLS":  # at a server of plain HTTP, which answers as web servers do
            writer.write(answer(NO_TLS_HERE))
            await writer.drain()
            return
        rule = stage.play(host, request)
        status = rule.status if rule and rule.act is None else 0 if rule else 404
        stage.heard.append(replace(request, status=status))
        if rule is not None and rule.act == "tunnel":
            await _through(stage, request.target, reader, writer)
            return
        if rule is not None and rule.act is not None:
            await misbehave(rule, writer)
            return
        writer.write(answer(rule or ABSENT, method=request.method))
        await writer.drain()


async def _through(
    stage: Stage, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Be a proxy: let the client through to the host that it named."""
    name = target if target in stage.dialled else target.rpartition(":")[0]
    there = await asyncio.open_connection(*stage.dialled[name])
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await asyncio.gather(carry(reader, there[1]), carry(there[0], writer))


async def _request(host: str, reader: asyncio.StreamReader) -> Heard | None:
    """Read one request; None at the connection's end."""
    first = await reader.read(1)
    if not first:
        return None
    if first == _TLS_HANDSHAKE:
        return Heard(host, "TLS", "", {}, "", b"")
    head = first + await reader.readuntil(b"\r\n\r\n")
    start, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = start.split(" ")
    headers = {
        key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    split = urlsplit(target)
    login = headers.get("authorization", "")
    return Heard(host, method, split.path, parse_qs(split.query), login, body, target)


def _meets(when: When, request: Heard) -> bool:
    return (
        (not when.method or request.method == when.method)
        and (
            not when.path or any(fnmatch.fnmatchcase(request.path, filled(path)) for path in _all(when.path))
        )
        and (when.authorization is None or _as_wanted(when.authorization, request.kind))
        and (when.login is None or request.authorization == f"Basic {when.login}")
        and (when.token is None or request.authorization == f"Bearer {when.token}")
        and (when.scope is None or when.scope in request.query.get("scope", [""]))
        and (when.service is None or request.query.get("service", [""]) == [when.service])
    )


def _all(paths: str | tuple[str, ...]) -> tuple[str, ...]:
    return (paths,) if isinstance(paths, str) else paths


def _as_wanted(wanted: str, kind: str) -> bool:
    return kind != "none" if wanted == "any" else kind == wanted
