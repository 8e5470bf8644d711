"""Where the audit trail is sent: a file, a log server by syslog, a web server.

Syslog: RFC 5424 messages of facility ``log audit``, framed by octet counting over TCP and TLS (RFC 5425).
Lines are those of an export: a JSON object for each row.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp

from towline.domain.audit_export import row_line
from towline.domain.errors import InvalidInput, SinkFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.domain.audit_chain import ChainedRow
    from towline.domain.credential import Password

PATIENCE = 10.0
_LOG_AUDIT, _WARNING, _NOTICE = 13, 4, 5
_SYSLOG_RULE = "give unix:///dev/log, udp://HOST:514, tcp://HOST:601 or tls://HOST:6514"
_PORTS = {"udp": 514, "tcp": 601, "tls": 6514}


def line_of(row: ChainedRow) -> bytes:
    """Return a row's line; of one that cannot be read, that it is so."""
    if row.entry is None:
        return json.dumps({"seq": row.seq, "unreadable": True, "hash": row.hash.hex()}).encode() + b"\n"
    return row_line(row.seq, row.entry, row.hash)


class FileSink:
    """Appends to a file, which is opened anew for each batch: it may be renamed or deleted at any time."""

    name = "file"

    def __init__(self, path: Path) -> None:
        self._path = path

    async def deliver(self, rows: Sequence[ChainedRow]) -> None:
        """Append the lines, durably; a line that a killed server left half written goes first."""
        try:
            await asyncio.to_thread(self._append, b"".join(map(line_of, rows)))
        except OSError as error:
            raise SinkFailed(f"{self._path} cannot be written: {error.strerror}") from error

    def _append(self, content: bytes) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            file.truncate(_whole_lines(file.fileno()))
            file.seek(0, os.SEEK_END)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def _whole_lines(descriptor: int) -> int:
    """Return how long a file is without a last line that has no end."""
    size = os.fstat(descriptor).st_size
    place = size
    while place:
        step = min(place, 4096)
        found = os.pread(descriptor, step, place - step).rfind(b"\n")
        if found >= 0:
            return place - step + found + 1
        place -= step
    return 0


class SyslogSink:
    """Sends to a log server; a connection for each batch, whose end the server must have seen."""

    name = "syslog"

    def __init__(self, address: str, *, ca_file: str = "", host: str = "") -> None:
        parts = urlsplit(address)
        if parts.scheme not in (*_PORTS, "unix") or not (
            parts.path if parts.scheme == "unix" else parts.hostname
        ):
            raise InvalidInput("audit_syslog", problem=f"is {address[:80]!a}", rule=_SYSLOG_RULE)
        self._scheme, self._path = parts.scheme, parts.path
        self._peer = (parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0))
        self._ca_file = ca_file
        self._host = host or socket.gethostname()

    async def deliver(self, rows: Sequence[ChainedRow]) -> None:
        """Send a message for each row."""
        messages = [self._message(row) for row in rows]
        send = self._datagrams if self._scheme in ("unix", "udp") else self._stream
        try:
            await asyncio.to_thread(send, messages)
        except (OSError, ssl.SSLError) as error:
            raise SinkFailed(f"the log server does not take it: {error}") from error

    def _message(self, row: ChainedRow) -> bytes:
        refused = row.entry is None or row.entry.outcome not in ("ok", "verified")
        priority = _LOG_AUDIT * 8 + (_WARNING if refused else _NOTICE)
        at = row.entry.at.isoformat() if row.entry else "-"
        head = f"<{priority}>1 {at} {self._host} towline {os.getpid()} audit - "
        return head.encode() + line_of(row).rstrip(b"\n")

    def _datagrams(self, messages: Sequence[bytes]) -> None:
        family = socket.AF_UNIX if self._scheme == "unix" else _family(self._peer)
        with socket.socket(family, socket.SOCK_DGRAM) as line:
            line.settimeout(PATIENCE)
            line.connect(self._path if self._scheme == "unix" else self._peer)
            for message in messages:
                line.send(message)

    def _stream(self, messages: Sequence[bytes]) -> None:
        with socket.create_connection(self._peer, timeout=PATIENCE) as plain:
            if self._scheme == "tcp":
                _sent(plain, messages)
                return
            context = ssl.create_default_context(cafile=self._ca_file or None)
            with context.wrap_socket(plain, server_hostname=self._peer[0]) as secured:
                _sent(secured, messages)


def _sent(line: socket.socket, messages: Sequence[bytes]) -> None:
    """Send all and wait until the server closes too: then it has read to the end."""
    line.sendall(b"".join(b"%d %b" % (len(message), message) for message in messages))
    if isinstance(line, ssl.SSLSocket):
        line.unwrap()
        return
    line.shutdown(socket.SHUT_WR)
    while line.recv(4096):
        continue


def _family(peer: tuple[str, int]) -> socket.AddressFamily:
    return socket.getaddrinfo(*peer, type=socket.SOCK_DGRAM)[0][0]


class WebSink:
    """Posts lines of JSON to a web server, which answers 2xx once it has them."""

    name = "webhook"

    def __init__(self, url: str, *, token: Password | None = None) -> None:
        if not url.startswith(("https://", "http://")):
            raise InvalidInput("audit_webhook", problem=f"is {url[:80]!a}", rule="give https://HOST/PATH")
        self._url = url
        self._token = token

    async def deliver(self, rows: Sequence[ChainedRow]) -> None:
        """Post the lines."""
        headers = {"Content-Type": "application/x-ndjson", "User-Agent": "towline"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token.reveal()}"
        body, patience = b"".join(map(line_of, rows)), aiohttp.ClientTimeout(total=PATIENCE)
        try:
            async with (
                aiohttp.ClientSession(timeout=patience, trust_env=False) as session,
                session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                if not 200 <= answer.status < 300:
                    raise SinkFailed(f"the web server answered {answer.status}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SinkFailed(f"the web server does not take it: {type(error).__name__}") from error
