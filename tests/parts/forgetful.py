"""A registry behind a door that ceases to accept a token: what a pull meets that outlives its token."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from parts.registry import RealRegistry


@dataclass
class Forgetful:
    """Where it answers, the tokens it saw in order, and how many of them no blob is given for."""

    netloc: str
    refuses: int
    tokens: list[str] = field(default_factory=list)

    def is_stale(self, authorization: str) -> bool:
        """Whether a token has run out; each new one is noted."""
        if authorization not in self.tokens:
            self.tokens.append(authorization)
        return self.tokens.index(authorization) < self.refuses


@contextmanager
def forgetful(registry: RealRegistry, *, refuses: int) -> Iterator[Forgetful]:
    """Answer for ``registry``, but for blobs take only tokens after the first ``refuses`` ones."""
    made = Forgetful("", refuses)

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            authorization = self.headers.get("Authorization", "")
            if authorization and made.is_stale(authorization) and "/blobs/" in self.path:
                self._say(401, [("WWW-Authenticate", 'Bearer realm="x",error="invalid_token"')], b"")
                return
            upstream = http.client.HTTPConnection(registry.netloc)
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():  # an Engine sends several of one name
                upstream.putheader(name, value)
            upstream.endheaders()
            answer = upstream.getresponse()
            content = answer.read()
            upstream.close()
            self._say(answer.status, answer.getheaders(), content)

        def do_HEAD(self) -> None:
            self.do_GET()

        def _say(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            length = {name.lower(): value for name, value in headers}.get("content-length", "0")
            self.send_header("Content-Length", str(len(content)) if content else length)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        made.netloc = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
