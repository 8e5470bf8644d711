"""The answers of scripted hosts as bytes, sound and unsound ones."""

from __future__ import annotations

import asyncio
import datetime as dt
import email.utils
import http.client
import json
import re
import socket
import struct

from findings.cases import Rule
from findings.sample import PARTS, filled

_DATE = re.compile(r"@now([+-]\d+)?")

ABSENT = Rule(status=404, headers={"Content-Type": "text/plain; charset=utf-8"}, body="404 page not found\n")
"""What a host says to what no rule answers."""
NO_TLS_HERE = Rule(status=400, headers={"Connection": "close"})
"""What a server of plain HTTP says to a TLS handshake."""


async def misbehave(rule: Rule, writer: asyncio.StreamWriter) -> None:
    """Do what the rule's ``act`` says, in place of an answer."""
    match rule.act:
        case "hang":
            await asyncio.Event().wait()
        case "reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        case "garbage":
            writer.write(b"220 mail.example ESMTP ready\r\n")
            await writer.drain()
        case "truncate":
            whole = answer(rule)
            writer.write(whole[: -max(1, len(whole) // 4)])
            await writer.drain()
        case "drip":
            await _pour(writer, b" ", every=0.02)
        case "endless":
            await _pour(writer, b" " * 65536, every=0)
        case _:
            return


async def _pour(writer: asyncio.StreamWriter, drop: bytes, *, every: float) -> None:
    """Send an answer that does not end."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
    while True:
        writer.write(drop)
        await writer.drain()
        await asyncio.sleep(every)


def answer(rule: Rule, *, method: str = "GET") -> bytes:
    """Return head and body of a rule's answer; only the head for HEAD."""
    content, headers = _content(rule)
    headers |= {"Date": email.utils.format_datetime(_now(0), usegmt=True)}
    listed = {name.lower(): name for name in headers}
    for name, value in rule.headers.items():
        headers.pop(listed.get(name.lower(), ""), None)
        headers[name] = value
    lines = [f"HTTP/1.1 {rule.status} {_reason(rule.status)}", f"Content-Length: {len(content)}"]
    for name, value in headers.items():
        lines += [f"{name}: {_text(each)}" for each in ([value] if isinstance(value, str) else value)]
    head = "\r\n".join((*lines, "", "")).encode()
    return head if method == "HEAD" else head + content


def _content(rule: Rule) -> tuple[bytes, dict[str, str | list[str]]]:
    if rule.sample is not None:
        part = PARTS[rule.sample]
        return part.content, {"Content-Type": part.kind, "Docker-Content-Digest": part.digest}
    if rule.json is not None:
        return filled(json.dumps(rule.json)).encode(), {"Content-Type": "application/json"}
    return filled(rule.body or "").encode(), {}


def _text(value: str) -> str:
    dated = _DATE.sub(lambda found: email.utils.format_datetime(_now(int(found[1] or 0)), usegmt=True), value)
    return filled(dated)


def _now(seconds: int) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)


def _reason(status: int) -> str:
    return http.client.responses.get(status, "Unknown")
