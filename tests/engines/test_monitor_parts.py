"""The monitor's parts that need no container."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import towline
from towline.engines.embedded import logs
from towline.engines.embedded.monitor import status
from towline.engines.embedded.monitor.instructions import Instructions, decode, encode
from towline.engines.embedded.monitor.logfile import LONGEST_LINE, Lines, LogFile
from towline.engines.embedded.monitor.status import Status

INSTRUCTIONS = Instructions(
    container="dep-a.1.main.0",
    folder="/data/c",
    lock=7,
    hostname="shop-0",
    command="sh",
    layers=["/layer"],
    configuration={"process": {"env": ["TOKEN=hunter2"]}},
    runtime="/usr/sbin/runc",
    runtime_root="/run/r",
    events="/run",
    user_namespace=False,
    restart="always",
    stop_signal=15,
    stop_seconds=10,
    log_bytes=1,
    log_parts=3,
)


def test_the_monitor_imports_nothing_but_the_standard_library() -> None:
    source = Path(towline.__file__ or "").parents[1]
    program = (
        f"import sys, json; sys.path.append({str(source)!r}); import towline.engines.embedded.monitor.main; "
        "print(json.dumps([name for name in sys.modules]))"
    )
    said = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, check=True).stdout
    known = sys.stdlib_module_names | {"towline", "__main__"}
    assert [name for name in json.loads(said) if name.split(".")[0] not in known] == []
    assert "asyncio" not in json.loads(said), "it would delay every container's start"


def test_instructions_travel_whole_and_show_no_secret() -> None:
    assert decode(encode(INSTRUCTIONS)) == INSTRUCTIONS
    assert "hunter2" not in repr(INSTRUCTIONS)


def test_a_status_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = Status(status.BACKING_OFF, at=1.5, exit_code=3, restarts=2)
    status.write(str(tmp_path), written)
    assert status.read(str(tmp_path)) == written
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"no": "such field"}'])
def test_a_broken_status_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "status.json").write_text(content)
    assert status.read(str(tmp_path)) is None


@pytest.fixture
def lines(tmp_path: Path) -> Lines:
    return Lines(LogFile(str(tmp_path / "log"), limit=1 << 20, keep=3))


def test_streams_are_joined_by_whole_lines(lines: Lines, tmp_path: Path) -> None:
    lines.feed("stdout", b"out ")
    lines.feed("stderr", b"error\n")
    lines.feed("stdout", b"put\nrest")
    lines.finish()
    assert (tmp_path / "log").read_bytes() == b"error\nout put\nrest\n"
    assert lines.last_error == "error"


def test_a_line_without_end_is_not_kept_for_ever(lines: Lines, tmp_path: Path) -> None:
    lines.feed("stdout", b"x" * (LONGEST_LINE + 1))
    assert (tmp_path / "log").read_bytes() == b"x" * (LONGEST_LINE + 1) + b"\n"


def test_rotation_keeps_so_many_parts_and_loses_the_oldest(tmp_path: Path) -> None:
    log = LogFile(str(tmp_path / "log"), limit=10, keep=3)
    for number in range(5):
        log.write(b"line %04d\n" % number)
    log.close()
    kept = {path.name: path.read_bytes() for path in tmp_path.glob("log*")}
    assert kept == {"log": b"line 0004\n", "log.1": b"line 0003\n", "log.2": b"line 0002\n"}


async def test_a_reader_goes_on_through_parts_that_are_rotated_under_it(tmp_path: Path) -> None:
    log = LogFile(str(tmp_path / "log"), limit=10, keep=3)
    log.write(b"line 0000\n")
    alive = True
    reader = logs.read(tmp_path, follow=True, tail=None, is_alive=lambda: alive)
    assert await anext(reader) == b"line 0000\n"
    log.write(b"line 0001\n")
    log.write(b"line 0002\n")
    assert [await anext(reader), await anext(reader)] == [b"line 0001\n", b"line 0002\n"]
    log.write(b"line 0003\n")
    alive = False
    assert [chunk async for chunk in reader] == [b"line 0003\n"]
    log.close()


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def _stamped(folder: Path, *, tail: int | None = None) -> list[str]:
    reader = logs.read(folder, follow=False, tail=tail, is_alive=lambda: False, timestamps=True)
    return b"".join([chunk async for chunk in reader]).decode().splitlines()


async def test_times_stay_with_their_lines_through_rotation_and_a_new_monitor(tmp_path: Path) -> None:
    clock = iter(range(0, 10**18, 1_500_000_000))

    def opened() -> LogFile:
        return LogFile(str(tmp_path / "log"), limit=30, keep=2, now=lambda: next(clock))

    log = opened()
    for number in range(4):
        log.write(b"line %04d\nand more\n" % number)
        log.close()
        log = opened()
    log.write(b"last\n")
    log.close()
    assert await _stamped(tmp_path) == [
        "1970-01-01T00:00:03.000000Z line 0002",
        "1970-01-01T00:00:03.000000Z and more",
        "1970-01-01T00:00:04.500000Z line 0003",
        "1970-01-01T00:00:04.500000Z and more",
        "1970-01-01T00:00:06.000000Z last",
    ]
    assert [line[20:] for line in await _stamped(tmp_path, tail=2)] == ["500000Z and more", "000000Z last"]
    assert _names(tmp_path) == {"log", "log.1", "times", "times.1"}


async def test_a_log_without_times_is_read_and_goes_on_with_them(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"old\r\nolder\n")
    (tmp_path / "times").write_bytes(b"of another part, torn")
    assert await _stamped(tmp_path) == ["- old", "- older"]
    log = LogFile(str(tmp_path / "log"), limit=1 << 20, keep=2, now=lambda: 1_000_000)
    log.write(b"new\n")
    log.close()
    assert await _stamped(tmp_path) == ["- old", "- older", "1970-01-01T00:00:00.001000Z new"]


def test_times_within_a_millisecond_cost_one_record(tmp_path: Path) -> None:
    clock = iter(range(0, 10**12, 10_000))
    log = LogFile(str(tmp_path / "log"), limit=1 << 20, keep=2, now=lambda: 10**18 + next(clock))
    for _ in range(1000):
        log.write(b"quick\n")
    log.close()
    assert (tmp_path / "times").stat().st_size == 16 * (1 + 10)


@pytest.mark.parametrize(
    ("count", "expected"), [(0, b""), (1, b"d\n"), (3, b"b\nc\r\nd\n"), (9, b"a\nb\nc\r\nd\n")]
)
async def test_a_tail_reaches_back_into_older_parts(tmp_path: Path, count: int, expected: bytes) -> None:
    (tmp_path / "log.1").write_bytes(b"a\nb\n")
    (tmp_path / "log").write_bytes(b"c\r\nd\n")
    chunks = [chunk async for chunk in logs.read(tmp_path, follow=False, tail=count, is_alive=lambda: False)]
    assert b"".join(chunks) == expected


async def test_a_tail_of_a_log_that_grows_just_then_begins_with_a_whole_line(
    tmp_path: Path, monkeypatch
) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"one\ntwo\nthree\n")
    measure = logs._tail

    def grown(*given: Any) -> Any:
        measured = measure(*given)
        with log.open("ab") as file:
            file.write(b"and four\n")
        return measured

    monkeypatch.setattr(logs, "_tail", grown)
    chunks = [chunk async for chunk in logs.read(tmp_path, follow=False, tail=2, is_alive=lambda: False)]
    assert b"".join(chunks) == b"two\nthree\nand four\n"


def test_the_last_lines_are_those_of_the_newest_part_that_has_any(tmp_path: Path) -> None:
    (tmp_path / "log.1").write_bytes(b"a\nb\n")
    (tmp_path / "log").touch()
    assert logs.last_lines(tmp_path, 3) == [b"a", b"b"]
