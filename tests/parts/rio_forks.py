"""The real ``rio`` with its libraries loaded once: a fork of this process for each command.

Run by the interpreter of ``rio``'s own environment. Loading takes most of a command's time; what runs
then is the entry point of the script ``rio`` and nothing else. A request is one message on a Unix
socket: JSON with ``argv``, ``env`` and ``cwd``, and the descriptors for standard input and output. The
answer is the exit code.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
from typing import Any

from riocli.bootstrap import safe_cli  # type: ignore[import-not-found,unused-ignore]

LARGEST = 1 << 16


def main(address: str) -> None:
    """Serve until the process is ended."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        gc.freeze()
        while True:
            connection, _ = server.accept()
            if os.fork():
                connection.close()
                continue
            server.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            serve(connection)
            return


def serve(connection: socket.socket) -> None:
    """Run one command in a process of its own and answer its exit code."""
    message, descriptors, _, _ = socket.recv_fds(connection, LARGEST, maxfds=2)
    command = os.fork()
    if not command:
        connection.close()
        become(json.loads(message), descriptors)
        return
    _, status = os.waitpid(command, 0)
    connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    connection.close()


def become(request: Any, descriptors: list[int]) -> None:
    """Be ``rio`` with these words; end as it ends."""
    given, printed = descriptors
    os.dup2(given, 0)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    for each in descriptors:
        os.close(each)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.argv = ["rio", *request["argv"]]
    code: object = 0
    try:
        safe_cli()
    except SystemExit as end:
        code = end.code
    sys.stdout.flush()
    sys.stderr.flush()
    # Taking the interpreter down would touch, and so copy, all that the fork shares.
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main(sys.argv[1])
