"""Reading through the whole API, in CPU time of the server: against a bare handler, lists, many secrets."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from statistics import median

from demo import place, registry

from bench.load import Server, Spent, request
from bench.table import at_least, at_most, row

ROUNDS = 6
EACH = 5000
PAIRS, EACH_OF_A_PAIR = 40, 750
"""Short rounds, one after the other: what a busy neighbour takes falls on both."""
ONE, PAGE = "/v2/secrets/read-1/", "/v2/secrets/?limit=50"


def compare(server: Server, headers: Mapping[str, str], *, project: str) -> None:
    """Measure GET of a secret and of a list in ``server``; turn by turn with a bare handler."""
    bare_port = registry.free_port()
    database = str(place.FOLDER / "data" / "towline.db")
    words = [sys.executable, str(place.HERE / "bench" / "bare.py"), database, project, str(bare_port)]
    bare = Server(place.start("bare", words), bare_port)
    try:
        place.wait_for("the bare handler", lambda: _listens(bare_port))
        _ratio(server, bare, headers)
    finally:
        place.stop("bare")
    spent = least(server, PAGE, headers, clients=32)
    at_least("list of 50, requests a CPU second of the server", 8000, 1 / spent.cpu, unit="/s")
    row("list of 50, 32 clients on another core: in all", "-", f"{spent.a_second:,.0f}/s")
    at_most("list of 50: 99 of 100 within, 32 clients", 6, spent.late, unit="ms", digits=1)


def least(server: Server, path: str, headers: Mapping[str, str], *, clients: int = 8) -> Spent:
    """Return the round that cost the server least, as others use the machine too."""
    ask = request("GET", path, headers)
    rounds = [server.spent(lambda _: ask, count=EACH, clients=clients) for _ in range(ROUNDS)]
    cpu = min(each.cpu for each in rounds)
    quickest = min(rounds, key=lambda each: each.late)
    return Spent(cpu, quickest.wall, quickest.delays)


def in_pings(server: Server, path: str, headers: Mapping[str, str]) -> float:
    """Return what a request costs the server, in requests for /healthz that take turns with it."""
    asked = _in_turns((server, request("GET", path, headers)), (server, request("GET", "/healthz", {})))
    return median(cost / ping for cost, ping in asked)


def _ratio(ours: Server, bare: Server, headers: Mapping[str, str]) -> None:
    ask = request("GET", ONE, headers)
    asked = _in_turns((ours, ask), (bare, ask))
    theirs, mine = median(theirs for _, theirs in asked), median(mine for mine, _ in asked)
    row("bare Starlette handler, the same read", "-", f"{theirs * 1e6:.1f} us CPU")
    row("GET a secret through the whole API", "-", f"{mine * 1e6:.1f} us CPU")
    ratio = median(mine / theirs for mine, theirs in asked)
    at_most("GET a secret: against the bare handler", 1.10, ratio, unit="x", digits=3)


def _in_turns(*asked: tuple[Server, bytes]) -> list[list[float]]:
    """Return what each request cost its server, in seconds of CPU, round by round."""
    return [[_cost(server, ask) for server, ask in asked] for _ in range(PAIRS)]


def _cost(server: Server, ask: bytes) -> float:
    return server.spent(lambda _: ask, count=EACH_OF_A_PAIR, clients=8).cpu


def _listens(port: int) -> bool | None:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return None
    return True
