"""What a helper keeps for the time without its server: sealed, for one token, until its time is over."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from towline.outlets.offline import Cache
from towline.outlets.server import Settings, Trouble

HERE = Settings("http://127.0.0.1:1", "tow_one", "project-1", "")
OTHER = Settings("http://127.0.0.1:1", "tow_two", "project-1", "")
ANSWER = {"username": "robot", "secret": "s3cret-\u20ac", "name": "pull", "version": 3}
LOGIN = {"username": "robot", "secret": "s3cret-\u20ac"}


class Clock:
    """Time that moves when it is told to."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(tmp_path: Path, clock: Clock) -> Cache:
    (tmp_path / "run").mkdir()
    return Cache.of({"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}, clock=clock)


def test_what_was_kept_comes_back_until_its_time_is_over(cache: Cache, clock: Clock) -> None:
    cache.put(HERE, "r.example.com", ANSWER, minutes=10)
    assert cache.get(HERE, "r.example.com") == LOGIN
    clock.now += 599
    assert cache.get(HERE, "r.example.com") == LOGIN
    clock.now += 2
    assert cache.get(HERE, "r.example.com") is None


def test_a_clock_that_was_set_back_opens_nothing(cache: Cache, clock: Clock) -> None:
    cache.put(HERE, "r.example.com", ANSWER, minutes=10)
    clock.now -= 3600
    assert cache.get(HERE, "r.example.com") is None


def test_another_token_registry_project_or_server_opens_nothing(cache: Cache) -> None:
    cache.put(HERE, "r.example.com", ANSWER, minutes=10)
    assert cache.get(OTHER, "r.example.com") is None
    assert cache.get(HERE, "s.example.com") is None
    assert cache.get(Settings(HERE.server, HERE.token, "project-2", ""), "r.example.com") is None
    assert cache.get(Settings("http://elsewhere", HERE.token, HERE.project, ""), "r.example.com") is None


def test_files_are_for_their_owner_and_hold_nothing_to_read(cache: Cache, tmp_path: Path) -> None:
    cache.put(HERE, "r.example.com", ANSWER, minutes=10)
    kept, key = tmp_path / ".cache/towline/credentials.json", tmp_path / "run/towline/credentials.key"
    for file in (kept, key):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    text = kept.read_text()
    for secret in ("s3cret", "robot", "tow_one", "r.example.com"):
        assert secret not in text


def test_without_its_key_or_changed_it_does_not_open(cache: Cache, tmp_path: Path) -> None:
    cache.put(HERE, "r.example.com", ANSWER, minutes=10)
    kept, key = tmp_path / ".cache/towline/credentials.json", tmp_path / "run/towline/credentials.key"
    whole = kept.read_text()
    entries = json.loads(whole)
    [place] = entries
    entries[place]["until"] += 60
    kept.write_text(json.dumps(entries))
    assert cache.get(HERE, "r.example.com") is None
    kept.write_text(whole)
    assert cache.get(HERE, "r.example.com") == LOGIN
    key.unlink()
    assert cache.get(HERE, "r.example.com") is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"x": 1}', "null", "[" * 100_000])
def test_a_damaged_file_is_nothing_kept(cache: Cache, tmp_path: Path, content: str) -> None:
    file = tmp_path / ".cache/towline/credentials.json"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    assert cache.get(HERE, "r.example.com") is None
    cache.put(HERE, "r.example.com", ANSWER, minutes=10)
    assert cache.get(HERE, "r.example.com") == LOGIN


def test_a_new_version_replaces_what_was_kept(cache: Cache) -> None:
    cache.put(HERE, "r.example.com", ANSWER, minutes=10)
    cache.put(HERE, "r.example.com", {**ANSWER, "secret": "newer", "version": 4}, minutes=10)
    assert cache.get(HERE, "r.example.com") == {"username": "robot", "secret": "newer"}


def test_less_time_than_before_is_obeyed_at_once(cache: Cache, clock: Clock) -> None:
    cache.put(HERE, "r.example.com", ANSWER, minutes=600)
    cache.put(HERE, "r.example.com", ANSWER, minutes=1)
    clock.now += 61
    assert cache.get(HERE, "r.example.com") is None


def test_dropping_wipes_one_entry_and_old_ones_go_by_themselves(
    cache: Cache, clock: Clock, tmp_path: Path
) -> None:
    for server in ("r.example.com", "s.example.com"):
        cache.put(HERE, server, ANSWER, minutes=10)
    cache.drop(HERE, "r.example.com")
    assert cache.get(HERE, "r.example.com") is None
    assert cache.get(HERE, "s.example.com") == LOGIN
    clock.now += 3600
    cache.put(HERE, "t.example.com", ANSWER, minutes=10)
    assert len(json.loads((tmp_path / ".cache/towline/credentials.json").read_text())) == 1


def test_a_home_that_cannot_be_written_keeps_nothing(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache.of({"HOME": str(tmp_path / "file")}, clock=clock)
    cache.put(HERE, "r.example.com", ANSWER, minutes=10)
    assert cache.get(HERE, "r.example.com") is None


def test_what_cannot_be_wiped_is_told_in_one_line(cache: Cache, tmp_path: Path) -> None:
    cache.put(HERE, "r.example.com", ANSWER, minutes=10)
    file = tmp_path / ".cache" / "towline" / "credentials.json"
    (file.parent / f"{file.name}.{os.getpid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Trouble, match=r"credentials\.json cannot be wiped"):
        cache.drop(HERE, "r.example.com")
