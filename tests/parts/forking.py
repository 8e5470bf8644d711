"""A program with its libraries loaded once: a fork of this process for each of its commands.

``python forking.py DESCRIPTOR MODULE:FUNCTION [PACKAGE]``, by the program's own interpreter: this file
needs nothing but Python's library. Loading takes most of a command's time; what runs in a fork is the
program's entry point and nothing else. All modules of ``PACKAGE`` are loaded beforehand.

Requests are messages on the Unix socket ``DESCRIPTOR``: JSON with ``argv``, ``env`` and ``cwd``, and
four descriptors: standard input, output and error, and a pipe for the answer. That is two lines: the
number of the process, and once it has ended its exit code (below zero: the signal that ended it).
When the socket is closed, what still runs is killed.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

LARGEST = 1 << 18
STREAMS = 3
Entry = Callable[[], object]
Running = dict[int, tuple[int, int]]
"""By the handle of a process: its number, and where its answers go."""


def main(descriptor: str, entry: str, package: str = "") -> None:
    """Serve until the socket is closed."""
    run = load(entry, package)
    gc.collect()
    gc.freeze()
    running: Running = {}
    with socket.socket(fileno=int(descriptor)) as requests, selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd in running:
                    selector.unregister(key.fd)
                    tell_end(key.fd, *running.pop(key.fd))
                    continue
                message, descriptors, _, _ = socket.recv_fds(requests, LARGEST, STREAMS + 1)
                if not message:
                    return kill(running)
                ours = [requests.fileno(), selector.fileno()]
                handle = start(run, json.loads(message), descriptors, running=running, ours=ours)
                selector.register(handle, selectors.EVENT_READ)


def start(run: Entry, request: Any, descriptors: list[int], *, running: Running, ours: list[int]) -> int:
    """Fork for a request, and answer the process's number; return its handle."""
    *streams, answers = descriptors
    number = os.fork()
    if not number:
        for each in (*ours, answers, *running, *(other for _, other in running.values())):
            os.close(each)
        become(run, request, streams)
    for each in streams:
        os.close(each)
    answer(answers, number)
    handle = os.pidfd_open(number)
    running[handle] = (number, answers)
    return handle


def kill(running: Running) -> None:
    """End what still runs."""
    for number, _ in running.values():
        os.kill(number, signal.SIGKILL)


def load(entry: str, package: str) -> Entry:
    """Return the entry point, with all modules of the package loaded."""
    if package:
        for each in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not each.name.endswith(".__main__"):
                importlib.import_module(each.name)
    module, _, function = entry.partition(":")
    found: Entry = getattr(importlib.import_module(module), function)
    return found


def answer(where: int, number: int) -> None:
    """Send a line to who asked, who may be gone."""
    with contextlib.suppress(BrokenPipeError):
        os.write(where, b"%d\n" % number)


def tell_end(handle: int, number: int, answers: int) -> None:
    """Answer how a process ended."""
    _, status = os.waitpid(number, 0)
    answer(answers, os.waitstatus_to_exitcode(status))
    os.close(answers)
    os.close(handle)


def become(run: Entry, request: Any, streams: list[int]) -> NoReturn:
    """Be the program with these words; end as it ends."""
    for number, each in enumerate(streams):
        os.dup2(each, number)
    for each in set(streams) - set(range(STREAMS)):
        os.close(each)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.argv = request["argv"]
    code: object
    try:
        code = run()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - what the interpreter would print and end by
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()  # taking the interpreter down would touch, and so copy, all that the fork shares
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main(*sys.argv[1:])
