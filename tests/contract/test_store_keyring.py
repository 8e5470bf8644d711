import asyncio
import json
import os
import subprocess
import sys
import threading

import pytest

from parts.require import require
from towline.domain.credential import Password
from towline.domain.errors import InvalidInput
from towline.store.keyring import Keyring
from towline.store.keyring_command import printed_keyring

KEY = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
GOOD = json.dumps({"active": "a", "keys": {"a": KEY, "b": KEY}})


def test_the_first_start_makes_a_keyring_that_the_next_one_finds(tmp_path):
    path = tmp_path / "data" / "keyring.json"
    made, is_new = Keyring.at(path)
    found, is_new_again = Keyring.at(path)
    assert (is_new, is_new_again, found) == (True, False, made)
    assert len(made.keys[made.active]) == 32


def test_a_new_keyring_is_its_owners_alone_and_leaves_no_draft(tmp_path):
    old = os.umask(0)
    try:
        Keyring.at(tmp_path / "keyring.json")
    finally:
        os.umask(old)
    assert [(file.name, file.stat().st_mode & 0o777) for file in tmp_path.iterdir()] == [
        ("keyring.json", 0o600)
    ]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o644])
def test_a_keyring_that_others_may_touch_is_refused_with_the_remedy(tmp_path, mode):
    path = tmp_path / "keyring.json"
    Keyring.at(path)
    path.chmod(mode)
    with pytest.raises(InvalidInput, match=rf"mode {mode:04o}.*chmod 600 "):
        Keyring.at(path)


def test_a_keyring_of_another_user_is_refused(tmp_path):
    if os.geteuid() != 0:
        require("root")
    path = tmp_path / "keyring.json"
    Keyring.at(path)
    os.chown(path, 12345, 12345)
    with pytest.raises(InvalidInput, match="belongs to another user"):
        Keyring.at(path)


def test_servers_that_start_at_once_agree_on_one_keyring(tmp_path):
    path, found = tmp_path / "keyring.json", []
    script = (
        "import sys; from pathlib import Path; from towline.store.keyring import Keyring;"
        "sys.stdin.read(); print(Keyring.at(Path(sys.argv[1]))[0].active)"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for child in children:
        child.stdin.close()
    for child in children:
        with child:
            found.append(child.stdout.read())
        assert child.returncode == 0
    assert len(set(found)) == 1


def test_a_keyring_that_came_to_be_meanwhile_is_taken_and_not_replaced(tmp_path):
    path, first = tmp_path / "keyring.json", []

    def random(count):
        if not first:
            first.append(Keyring.at(path)[0])
        return os.urandom(count)

    found, is_new = Keyring.at(path, random=random)
    assert (found, is_new) == (first[0], False)
    assert [file.name for file in tmp_path.iterdir()] == ["keyring.json"]


def test_threads_that_start_at_once_agree_on_one_keyring(tmp_path):
    path, found = tmp_path / "keyring.json", []
    threads = [threading.Thread(target=lambda: found.append(Keyring.at(path)[0])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(each == found[0] for each in found)


def test_a_document_reads_back_as_the_keyring_it_was():
    ring = Keyring.parse(Password(GOOD))
    assert ring == Keyring("a", {"a": b"A" * 32, "b": b"A" * 32})
    assert Keyring.parse(ring.document()) == ring


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"active": "a"}',
        '{"active": 1, "keys": {}}',
        '{"active": "a", "keys": {}}',
        GOOD.replace('"active": "a"', '"active": "c"'),
        GOOD.replace(KEY, "QUFB"),
        GOOD.replace(KEY, KEY + "!"),
        GOOD.replace(KEY, "hunter2 hunter2"),
        GOOD.replace('"a"', '"a/b"'),
        GOOD.replace('"a"', '"' + "a" * 65 + '"'),
        GOOD.replace("}}", '}, "extra": "hunter2"}'),
        GOOD + "hunter2",
    ],
)
def test_a_document_that_is_not_a_keyring_is_refused_without_quoting_it(text):
    with pytest.raises(InvalidInput) as caught:
        Keyring.parse(Password(text))
    shown = f"{caught.value!r} {caught.value.__cause__!r}"
    assert KEY not in shown
    assert "hunter2" not in shown
    assert str(caught.value).startswith("keyring")


def test_a_keyring_shows_no_key():
    assert "AAAA" not in repr(Keyring.parse(Password(GOOD)))


def test_a_file_that_is_not_a_keyring_is_not_replaced(tmp_path):
    path = tmp_path / "keyring.json"
    path.write_bytes(b"\xff\xfe")
    path.chmod(0o600)
    with pytest.raises(InvalidInput):
        Keyring.at(path)
    assert path.read_bytes() == b"\xff\xfe"


def python(code):
    return [sys.executable, "-c", code]


async def test_a_program_may_print_the_keyring():
    ring = await printed_keyring(python(f"print({GOOD!r})"))
    assert ring == Keyring.parse(Password(GOOD))


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["/no/such/program"], "cannot be run: No such file"),
        (python("print('hunter2'); raise SystemExit(3)"), "exit code 3"),
        (python("print('hunter2')"), "not a keyring document"),
        (python("import sys; sys.stdout.buffer.write(b'hunter2\\xff')"), "not text"),
        (python("import os; os.kill(os.getpid(), 9)"), "exit code -9"),
    ],
)
async def test_a_program_that_prints_no_keyring_is_refused_without_quoting_it(argv, problem):
    with pytest.raises(InvalidInput, match=problem) as caught:
        await printed_keyring(argv)
    assert "hunter2" not in str(caught.value)
    assert caught.value.field == "keyring_command"


async def test_a_program_that_takes_too_long_is_not_waited_for():
    with pytest.raises(InvalidInput, match=r"did not end within 0\.1 s"):
        await printed_keyring(python("import signal; signal.pause()"), seconds=0.1)


async def test_a_program_is_ended_with_all_that_it_started_when_we_are_ended(tmp_path):
    fifo = tmp_path / "alive"
    os.mkfifo(fifo)
    code = (
        f"import os, signal; os.fork(); os.write(os.open({str(fifo)!r}, os.O_WRONLY), b'+'); signal.pause()"
    )
    asking = asyncio.create_task(printed_keyring(python(code)))
    with await asyncio.to_thread(fifo.open, "rb", 0) as alive:
        started = b""
        while len(started) < 2:
            started += await asyncio.to_thread(alive.read, 1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        end = await asyncio.wait_for(asyncio.to_thread(alive.read, 1), timeout=30)
    assert (started, end) == (b"++", b"")  # the pipe ends when the last of them is gone


async def test_no_shell_looks_at_the_arguments(tmp_path):
    witness = tmp_path / "witness"
    code = "import sys; print(sys.argv[1])"
    with pytest.raises(InvalidInput):
        await printed_keyring([*python(code), f"$(touch {witness}); `touch {witness}`"])
    assert not witness.exists()
