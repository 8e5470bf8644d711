"""A registry that takes one login and counts: how many questions are asked of it, and how many at once."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USER, PASSWORD = "robot", "obviously-a-test-password"
ANSWER_TIME = 0.03
"""Seconds that it takes for an answer, as a registry somewhere else does: questions can meet there."""
PATIENCE = 20.0


@dataclass
class Counting:
    """What was asked. ``pauses`` is how many of the next logins are told to come back in five minutes.

    ``meeting`` is how many questions wait for each other at the first answers, however slow who asks is.
    """

    netloc: str = ""
    most_at_once: int = 0
    logins: int = 0
    pauses: int = 0
    meeting: int = 0
    _inside: int = 0
    _guard: threading.Condition = field(default_factory=threading.Condition)

    def begin(self, authorization: str | None) -> tuple[int, dict[str, str]]:
        """Note a question; return what is answered."""
        with self._guard:
            self._inside += 1
            self.most_at_once = max(self.most_at_once, self._inside)
            self._guard.notify_all()
            if authorization is None:
                return 401, {"WWW-Authenticate": 'Basic realm="counting"'}
            self.logins += 1
            if self.pauses:
                self.pauses -= 1
                return 429, {"Retry-After": "300"}
        wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return (200 if authorization == f"Basic {wanted}" else 401), {}

    def end(self) -> None:
        """Let the answer out, after its time."""
        time.sleep(ANSWER_TIME)
        with self._guard:
            self._guard.wait_for(lambda: self.most_at_once >= self.meeting, PATIENCE)
            self._inside -= 1


@contextmanager
def counting_registry() -> Iterator[Counting]:
    """Run it on loopback, by plain HTTP."""
    counting = Counting()

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers = counting.begin(self.headers["Authorization"])
            counting.end()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "2"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        counting.netloc = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield counting
        finally:
            server.shutdown()
            thread.join()
