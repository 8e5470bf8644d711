"""Asking credential helpers on this machine: the programs ``docker-credential-SUFFIX``.

Protocol: docker/docker-credential-helpers. The suffix comes out of a file, so it is checked before a program
of that name is run, never by a shell; time and output are bounded; nothing that a helper prints is
repeated, as it may be a password.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from towline.domain.credential import Password
from towline.domain.json_text import NotJson, read_json
from towline.domain.readers.answers import HelperAnswer
from towline.domain.readers.config_file import member

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.domain.readers.answers import HelperQuestion

PATIENCE = 30.0
MOST_OUTPUT = 256 << 10
MOST_KEY = 4096
_LAST_WORDS = 0.5
_SUFFIX = re.compile(r"[A-Za-z0-9._-]+")
_NOT_FOUND = "credentials not found in native keychain"


class HelperFailed(Exception):
    """A helper could not be asked, or its answer is none; the text is for people."""


@dataclass(frozen=True, slots=True)
class Helpers:
    """Runs helpers with this environment; each may take ``patience`` seconds."""

    environ: Mapping[str, str] = field(repr=False)
    patience: float = PATIENCE

    def answer(self, question: HelperQuestion) -> HelperAnswer:
        """Return what a helper says to a question; a failure is an answer with its problem."""
        try:
            return self.get(question.suffix, question.server)
        except HelperFailed as failure:
            return HelperAnswer(problem=str(failure))

    def get(self, suffix: str, server: str) -> HelperAnswer:
        """Return the login for ``server``, an empty one where there is none; raise HelperFailed."""
        code, output = self._run(suffix, "get", server)
        if code != 0:
            if output.strip() == _NOT_FOUND.encode():
                return HelperAnswer()
            raise HelperFailed(f"ended with exit code {code}; to see why: {_command(suffix, server)}")
        document = _document(output)
        username, secret = member(document, "Username"), member(document, "Secret")
        if not isinstance(username, str) or not isinstance(secret, str):
            raise HelperFailed("answered without Username and Secret")
        return HelperAnswer(username, Password(secret))

    def servers(self, suffix: str) -> Mapping[str, str]:
        """Return the user name by server that a helper knows; raise HelperFailed."""
        code, output = self._run(suffix, "list", "")
        if code != 0:
            raise HelperFailed(f"ended with exit code {code} when asked for its list")
        return {server: user for server, user in _document(output).items() if isinstance(user, str)}

    def _run(self, suffix: str, verb: str, text: str) -> tuple[int, bytes]:
        if len(text) > MOST_KEY:
            raise HelperFailed(f"the key is longer than {MOST_KEY} characters; nothing was run")
        program = _program(suffix, self.environ)
        try:
            # A session of its own, so that all of it can be ended; a pinentry finds its terminal by GPG_TTY.
            process = subprocess.Popen(  # noqa: S603 - the suffix is checked, there is no shell
                [program, verb],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(self.environ),
                start_new_session=True,
            )
        except OSError as error:
            raise HelperFailed(f"cannot be run: {error.strerror}") from error
        with process:
            try:
                return _conversation(process, text.encode(), until=time.monotonic() + self.patience)
            except TimeoutError:
                raise HelperFailed(f"did not answer within {self.patience:g} s") from None
            finally:
                _end(process)


def default_store(environ: Mapping[str, str]) -> str:
    """Return the helper that docker takes of itself where a file holds nothing; empty for none (Linux)."""
    path = environ.get("PATH", "")
    suffix = "pass" if shutil.which("pass", path=path) else "secretservice"
    return suffix if shutil.which(f"docker-credential-{suffix}", path=path) else ""


def _program(suffix: str, environ: Mapping[str, str]) -> str:
    if not _SUFFIX.fullmatch(suffix):
        raise HelperFailed(f"{suffix[:60]!a} is not the name of a helper; nothing was run")
    name = f"docker-credential-{suffix}"
    found = shutil.which(name, path=environ.get("PATH", ""))
    if found is None or not os.path.isabs(found):  # noqa: PTH117 - a text, not a file
        raise HelperFailed("there is no such program on PATH")
    return found


def _conversation(process: subprocess.Popen[bytes], text: bytes, *, until: float) -> tuple[int, bytes]:
    """Return exit code and standard output; raise HelperFailed for a flood, TimeoutError for silence."""
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise HelperFailed("cannot be talked to")
    with contextlib.suppress(BrokenPipeError):  # a helper need not read what it is asked
        process.stdin.write(text)
        process.stdin.close()
    heard = {process.stdout: bytearray(), process.stderr: bytearray()}
    with selectors.DefaultSelector() as waiting:
        for pipe in heard:
            waiting.register(pipe, selectors.EVENT_READ)
        while waiting.get_map() and not _is_over(process, until):
            for key, _ in waiting.select(_LAST_WORDS):
                pipe = process.stdout if key.fileobj is process.stdout else process.stderr
                chunk = os.read(key.fd, 65536)
                heard[pipe] += chunk
                if not chunk:
                    waiting.unregister(pipe)
                if len(heard[pipe]) > MOST_OUTPUT:
                    raise HelperFailed(f"prints more than {MOST_OUTPUT >> 10} KiB")
                break
            else:
                if process.poll() is not None:
                    break  # it is dead; a child of it that keeps the pipe open is not waited for
    try:
        code = process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    return code, bytes(heard[process.stdout])


def _is_over(process: subprocess.Popen[bytes], until: float) -> bool:
    """Whether the time is up; raise TimeoutError while the helper lives."""
    if time.monotonic() < until:
        return False
    if process.poll() is None:
        raise TimeoutError
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a helper that is not done, with all that it has started."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _document(output: bytes) -> Mapping[str, object]:
    try:
        found = read_json(output.decode()).value
    except (NotJson, UnicodeDecodeError):
        raise HelperFailed("answered something that is not JSON") from None
    if not isinstance(found, dict):
        raise HelperFailed("answered something that is not a JSON object")
    return found


def _command(suffix: str, server: str) -> str:
    return f"printf %s {shlex.quote(server)} | docker-credential-{suffix} get"
