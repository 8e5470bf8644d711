"""The audit trail sent to files, log servers and web servers: every row, in order, whatever is killed."""

import asyncio
import json
import re
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from parts.registry import certificate, free_port
from towline.domain.audit import GENESIS, AuditEntry
from towline.domain.audit_chain import ChainedRow
from towline.domain.credential import Password
from towline.domain.errors import InvalidInput, SinkFailed
from towline.notices.audit_sinks import FileSink, SyslogSink, WebSink, line_of
from towline.services.audit_streams import AuditStreams
from towline.store.sqlite import SqliteStore

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
RFC_5424 = re.compile(rb"<(\d+)>1 (\S+) (\S+) towline (\d+) audit - (\{.*\})")


def entry(number, outcome="ok"):
    return AuditEntry(AT, "jane@example.com", "secret.opened", f"secret-{number}", outcome=outcome)


def rows(count, begin=1):
    return [ChainedRow(number, entry(number), GENESIS) for number in range(begin, begin + count)]


def seqs(path: Path):
    return [json.loads(line)["seq"] for line in path.read_bytes().splitlines()]


# --- files ---------------------------------------------------------------------------------------


async def test_rows_are_appended_to_a_file_that_is_its_owners_alone(tmp_path):
    path = tmp_path / "audit.jsonl"
    sink = FileSink(path)
    await sink.deliver(rows(3))
    await sink.deliver(rows(2, begin=4))
    assert seqs(path) == [1, 2, 3, 4, 5]
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_file_that_was_rotated_away_is_begun_anew(tmp_path):
    path = tmp_path / "audit.jsonl"
    sink = FileSink(path)
    await sink.deliver(rows(2))
    path.rename(tmp_path / "audit.jsonl.1")
    await sink.deliver(rows(1, begin=3))
    assert (seqs(tmp_path / "audit.jsonl.1"), seqs(path)) == ([1, 2], [3])


@pytest.mark.parametrize("half", [b'{"seq":3,"a', b"x" * 9000])
async def test_a_line_that_was_half_written_goes_before_it_is_written_again(tmp_path, half):
    path = tmp_path / "audit.jsonl"
    sink = FileSink(path)
    await sink.deliver(rows(2))
    path.write_bytes(path.read_bytes() + half)
    await sink.deliver(rows(1, begin=3))
    assert seqs(path) == [1, 2, 3]


async def test_a_file_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(SinkFailed, match="cannot be written"):
        await FileSink(tmp_path / "none" / "audit.jsonl").deliver(rows(1))


def test_a_row_that_cannot_be_read_is_sent_as_such():
    assert json.loads(line_of(ChainedRow(7, None, GENESIS))) == {
        "seq": 7,
        "unreadable": True,
        "hash": "00" * 32,
    }


# --- syslog --------------------------------------------------------------------------------------


@contextmanager
def listening(server_class, address, handler):
    with server_class(address, handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address
        finally:
            server.shutdown()
            thread.join()


def told(message: bytes):
    found = RFC_5424.fullmatch(message)
    assert found, message
    priority, at, _, _, body = found.groups()
    assert at == b"2026-01-02T03:04:05.678901+00:00"
    return int(priority), json.loads(body)["seq"]


@pytest.mark.parametrize("kind", ["unix", "udp"])
async def test_each_row_is_a_datagram_of_rfc_5424(tmp_path, kind):
    family = socket.AF_UNIX if kind == "unix" else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "log") if kind == "unix" else ("127.0.0.1", 0))
        server.settimeout(20)
        place = f"{tmp_path / 'log'}" if kind == "unix" else f"127.0.0.1:{server.getsockname()[1]}"
        sink = SyslogSink(f"{kind}://{place}", host="host.example.com")
        await sink.deliver([*rows(1), ChainedRow(2, entry(2, outcome="seal-broken"), GENESIS)])
        got = [server.recv(65536) for _ in range(2)]
    assert [told(message) for message in got] == [(109, 1), (108, 2)]
    assert b" host.example.com towline " in got[0]


def frames(content: bytes):
    found = []
    while content:
        length, _, rest = content.partition(b" ")
        found.append(rest[: int(length)])
        content = rest[int(length) :]
    return found


@pytest.mark.parametrize("kind", ["tcp", "tls"])
async def test_rows_are_framed_by_their_length_over_a_connection(tmp_path, kind):
    leaf, got = certificate(tmp_path), []
    (tmp_path / "ca.pem").write_text(leaf.ca_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.chain, leaf.key)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            line, content = self.request, b""
            if kind == "tls":
                line = context.wrap_socket(line, server_side=True)
            while chunk := line.recv(65536):
                content += chunk
            got.append(content)
            if kind == "tls":
                line.unwrap().close()

    with listening(socketserver.TCPServer, ("127.0.0.1", 0), Handler) as (_, port):
        sink = SyslogSink(f"{kind}://127.0.0.1:{port}", ca_file=str(tmp_path / "ca.pem"))
        await sink.deliver(rows(3))
    assert [told(message) for message in frames(got[0])] == [(109, 1), (109, 2), (109, 3)]


async def test_a_log_server_that_is_away_or_not_trusted_is_told(tmp_path):
    with pytest.raises(SinkFailed, match="does not take it"):
        await SyslogSink(f"tcp://127.0.0.1:{free_port()}").deliver(rows(1))
    with pytest.raises(SinkFailed, match="does not take it"):
        await SyslogSink(f"unix://{tmp_path}/none").deliver(rows(1))


@pytest.mark.parametrize("address", ["", "/dev/log", "http://x", "udp://", "unix://"])
def test_an_address_that_is_none_is_refused_with_examples(address):
    with pytest.raises(InvalidInput, match=r"audit_syslog.*tls://HOST:6514"):
        SyslogSink(address)


# --- web servers ---------------------------------------------------------------------------------


async def test_rows_are_posted_as_lines_and_only_2xx_is_taken_for_a_yes():
    got, status = [], [204]

    async def take(request):
        got.append((request.headers["Authorization"], (await request.read()).splitlines()))
        return web.Response(status=status[0])

    app = web.Application()
    app.router.add_post("/audit", take)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    sink = WebSink(f"http://127.0.0.1:{port}/audit", token=Password("obviously-fake"))
    await sink.deliver(rows(2))
    status[0] = 500
    with pytest.raises(SinkFailed, match="answered 500"):
        await sink.deliver(rows(1))
    await runner.cleanup()
    with pytest.raises(SinkFailed, match="does not take it"):
        await sink.deliver(rows(1))
    assert got[0][0] == "Bearer obviously-fake"
    assert [json.loads(line)["seq"] for line in got[0][1]] == [1, 2]


# --- keeping up ----------------------------------------------------------------------------------


class Flaky:
    """A sink that fails after it has taken rows, as one whose answer is lost."""

    name = "flaky"

    def __init__(self):
        self.taken = []
        self.fails = True

    async def deliver(self, found):
        self.taken += [row.seq for row in found]
        if self.fails:
            raise SinkFailed("the answer was lost")


async def test_rows_are_sent_again_until_they_were_surely_taken():
    store, sink = SqliteStore.memory(), Flaky()
    await store.write(lambda tx: [tx.audit.append(entry(number)) for number in range(3)])
    streams = AuditStreams(store=store, sinks=[sink])
    with pytest.raises(SinkFailed):
        await streams.round(sink)
    sink.fails = False
    assert await streams.round(sink) == 3
    assert await streams.round(sink) == 0
    assert sink.taken == [1, 2, 3, 1, 2, 3]
    await store.close()


SENDING = """
import asyncio, sys
from pathlib import Path
from towline.notices.audit_sinks import FileSink
from towline.services.audit_streams import AuditStreams
from towline.store.sqlite import SqliteStore

async def main():
    store = await SqliteStore.open(Path(sys.argv[1]))
    sink = FileSink(Path(sys.argv[2]))
    streams = AuditStreams(store=store, sinks=[sink])
    print("sending", flush=True)
    while await streams.round(sink):
        print("sent", flush=True)
    await store.close()

asyncio.run(main())
"""


async def test_nothing_is_lost_when_the_sender_is_killed(tmp_path):
    database, file, total = tmp_path / "towline.db", tmp_path / "audit.jsonl", 3000
    store = await SqliteStore.open(database)
    await store.write(lambda tx: [tx.audit.append(entry(number)) for number in range(total)])
    await store.close()

    def send(kill_after):
        command = [sys.executable, "-c", SENDING, str(database), str(file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as sending:
            for _ in range(kill_after):
                sending.stdout.readline()
            if kill_after:
                sending.send_signal(signal.SIGKILL)
            else:
                sending.stdout.read()

    for kill_after in (1, 3, 5, 0):
        await asyncio.to_thread(send, kill_after)
    found = seqs(file)
    assert sorted(set(found)) == list(range(1, total + 1))
    assert [seq for place, seq in enumerate(found) if seq not in found[:place]] == list(range(1, total + 1))
