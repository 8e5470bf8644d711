"""Following a deployment until it runs or failed: what is shown on the way, and the exit code."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING

from towline.cli import findings
from towline.cli.client import part
from towline.cli.documents import Document, at, documents_at, number_at, text_at
from towline.cli.output import clean, coloured, say, show_one, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from towline.cli.client import Client

INTERVAL = 0.3
FAILED, PULL_REFUSED, TIMED_OUT = 1, 6, 7
_LINE_ANEW = "\r\x1b[2K"
_FAILED_PHASES = ("FailedToUpdate", "FailedToStart", "Stopped")


def wait(client: Client, name: str, *, timeout: float, output: str = "table") -> int:
    """Show the deployment's way until it runs (0), failed (1 or 6) or time is up (7).

    Where ``output`` is for programs, standard output gets the deployment's last state and nothing else.
    """
    path = f"/v2/deployments/{part(name)}/"
    quiet = output != "table"
    if quiet:
        last = _plain(client, path, timeout, write=tell)
        show_one(last, output, details=lambda _: ())
    else:
        last = _live(client, path, timeout) if coloured() else _plain(client, path, timeout, write=say)
    code = outcome(last)
    if code is None:
        tell(
            f"towline: {name} is not running after {timeout:g} s; it goes on: towline deployment wait {name}"
        )
        explain(last, tell)
        return TIMED_OUT
    if code:
        explain(last, tell)
    elif not quiet:
        say(f"{name} is running")
    return code


def outcome(deployment: Document) -> int | None:
    """Return the exit code that a deployment's state means; None while it is on its way."""
    if number_at(deployment, "status", "generation") < number_at(deployment, "metadata", "generation"):
        return None  # the state is still that of the wish before this one
    phase, status = text_at(deployment, "status", "phase"), text_at(deployment, "status", "status")
    if status == "Error" or phase in _FAILED_PHASES:
        return PULL_REFUSED if findings.PULL_FAILED in _error_codes(deployment) else FAILED
    return 0 if phase == "Succeeded" else None


def explain(deployment: Document, write: Callable[[str], None]) -> None:
    """Write the error codes and findings of a deployment."""
    for code in _error_codes(deployment):
        write(findings.error_line(code))
    for finding in documents_at(deployment, "status", "findings"):
        for line in findings.lines(finding):
            write(line)


def progress(deployment: Document) -> str:
    """Return one line: phase, and how far each image has come."""
    images = [_pulled(each) for each in documents_at(deployment, "status", "executables_status")]
    phase = text_at(deployment, "status", "phase")
    return "  ".join([phase, *(image for image in images if image)])


def _states(client: Client, path: str, timeout: float) -> Iterator[Document]:
    """Yield the deployment again and again until it is decided or time is up."""
    end = time.monotonic() + timeout
    while True:
        deployment = client.get(path)
        yield deployment
        if outcome(deployment) is not None or time.monotonic() >= end:
            return
        time.sleep(min(INTERVAL, max(0.0, end - time.monotonic())))


def _plain(client: Client, path: str, timeout: float, *, write: Callable[[str], None]) -> Document:
    shown, last = "", Document()
    for last in _states(client, path, timeout):
        line = progress(last)
        if line != shown:
            write(line)
            shown = line
    return last


def _live(client: Client, path: str, timeout: float) -> Document:
    """Show the way on one line of the terminal, written over whenever it reads differently."""
    last, shown = Document(), ""
    try:
        for last in _states(client, path, timeout):
            line = clean(progress(last))[: shutil.get_terminal_size().columns - 1]
            if line != shown:
                sys.stdout.write(f"{_LINE_ANEW}{line}")
                sys.stdout.flush()
                shown = line
    finally:
        sys.stdout.write("\n")
        sys.stdout.flush()
    return last


def _pulled(executable: Document) -> str:
    layers = documents_at(executable, "layers")
    size = sum(number_at(layer, "size") for layer in layers)
    received = sum(number_at(layer, "received") for layer in layers)
    if not size or received >= size:
        reason = text_at(executable, "reason")
        return f"{text_at(executable, 'name')}: {reason}" if reason else ""
    share = 100 * received // size
    return f"{text_at(executable, 'name')}: pulled {received / 1e6:.1f} of {size / 1e6:.1f} MB ({share} %)"


def _error_codes(deployment: Document) -> list[str]:
    codes = at(deployment, "status", "error_codes")
    return [str(code) for code in codes] if isinstance(codes, list) else []
