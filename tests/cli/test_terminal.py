"""The command on a terminal: a real pseudo-terminal, on which a person is asked and shown things."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from parts.world import JANE, JANES_PASSWORD

if TYPE_CHECKING:
    from parts.live import Live
    from parts.shell import Shell

REGISTRY = "registry.example.com:5000"
PATIENCE = 30.0


@dataclass
class Terminal:
    """A command that believes it is on a terminal."""

    process: subprocess.Popen[bytes]
    master: int
    shown: str = ""

    def until(self, text: str) -> None:
        """Read on until ``text`` is shown."""
        end = time.monotonic() + PATIENCE
        while text not in self.shown:
            ready, _, _ = select.select([self.master], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise AssertionError(f"{text!r} was never shown: {self.shown!r}")
            if not self._read():
                raise AssertionError(f"the command ended without {text!r}: {self.shown!r}")

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self) -> int:
        """Read to the end; return the exit code."""
        while self._read():
            pass
        return self.process.wait(PATIENCE)

    def _read(self) -> bool:
        try:
            chunk = os.read(self.master, 4096)
        except OSError:  # what Linux says at a terminal's end
            return False
        self.shown += chunk.decode(errors="replace")
        return bool(chunk)


def _signed_in(slave: int) -> None:
    """Make ``slave`` the controlling terminal; let Ctrl-C end what runs, though tests may run ignoring it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.login_tty(slave)


@pytest.fixture
def terminal(shell: Shell, request: pytest.FixtureRequest):
    def opened(*words: str, **environ: str) -> Terminal:
        master, slave = pty.openpty()
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("TOWLINE_", "NO_COLOR"))
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "towline", *words],
            preexec_fn=lambda: _signed_in(slave),  # noqa: PLW1509 - no other thread runs here
            close_fds=False,
            env={**kept, "XDG_CONFIG_HOME": str(shell.home), "TERM": "xterm", **environ},
        )
        os.close(slave)

        def close() -> None:
            process.kill()
            process.wait()
            os.close(master)

        request.addfinalizer(close)
        return Terminal(process, master)

    return opened


def test_signing_in_asks_and_does_not_echo_the_password(live: Live, terminal) -> None:
    session = terminal("login", live.url)
    session.until("E-mail address")
    session.type(f"{JANE}\n")
    session.until("Password: ")
    session.type(f"{JANES_PASSWORD}\n")
    assert session.end() == 0, session.shown
    assert JANES_PASSWORD not in session.shown
    assert f"as {JANE}" in session.shown


@pytest.mark.parametrize(
    "words", [("login", "http://127.0.0.1:1", "--email", JANE), ("admin", "create-user", "--email", JANE)]
)
def test_who_types_no_password_but_ends_the_input_is_told_so(words: tuple[str, ...], terminal) -> None:
    session = terminal(*words)
    session.until("Password: ")
    session.type("\x04")
    assert session.end() == 2
    assert "towline: no password given" in session.shown
    assert "Traceback" not in session.shown


def test_deleting_asks_first_and_a_no_keeps_it(jane: Shell, terminal) -> None:
    words = ("--registry", REGISTRY, "--username", "robot", "--password-stdin")
    assert jane.towline("secret", "create", "asked", *words, stdin="x").returncode == 0
    no = terminal("secret", "delete", "asked")
    no.until("[y/N]")
    no.type("\n")
    assert no.end() == 1
    assert jane.towline("secret", "show", "asked").returncode == 0
    yes = terminal("secret", "delete", "asked")
    yes.until("[y/N]")
    yes.type("y\n")
    assert yes.end() == 0
    assert jane.towline("secret", "show", "asked").returncode == 3


def test_a_script_is_not_asked_but_told_of_yes(jane: Shell) -> None:
    done = jane.towline("secret", "delete", "whatever")
    assert done.returncode == 2
    assert "--yes" in done.stderr


def test_a_table_is_bold_on_a_terminal_unless_no_color_is_set(jane: Shell, terminal) -> None:
    assert jane.home
    plain, coloured = terminal("secret", "list", NO_COLOR="1"), terminal("secret", "list")
    assert (plain.end(), coloured.end()) == (0, 0)
    assert "\x1b[" not in plain.shown
    assert "\x1b[1mNAME" in coloured.shown


def test_waiting_on_a_terminal_is_interrupted_by_ctrl_c(live: Live, jane: Shell, terminal) -> None:
    live.world.prover.registry(REGISTRY, robot="hunter2").has("team/app:1.0")
    words = ("--registry", REGISTRY, "--username", "robot", "--password-stdin")
    jane.towline("secret", "create", "live-pull", *words, stdin="hunter2")
    session = terminal(
        "deploy", f"{REGISTRY}/team/app:1.0", "--secret", "live-pull", "--name", "live", "--timeout", "20"
    )
    session.until("can be pulled with secret live-pull")
    session.until("InProgress")
    session.type("\x03")
    assert session.end() == 130
    assert "Traceback" not in session.shown
    assert "\r\x1b[2KInProgress" in session.shown, "the line is written over"
