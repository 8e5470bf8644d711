import subprocess
import sys
from pathlib import Path

from store_samples import all_pages

from towline.store.sqlite import SqliteStore

STORM = Path(__file__).with_name("store_storm.py")


def acknowledged_until_killed(path: Path, *, run: str, least: int) -> list[str]:
    """Let a child write until ``least`` changes were acknowledged, kill it, and return all that were."""
    child = subprocess.Popen([sys.executable, str(STORM), str(path), run], stdout=subprocess.PIPE)
    try:
        lines = [child.stdout.readline() for _ in range(least)]
    finally:
        child.kill()
        lines += child.stdout.readlines()
        child.stdout.close()
        child.wait()
    return [line.decode().strip() for line in lines if line.endswith(b"\n")]


async def test_what_was_acknowledged_is_there_after_a_kill_in_the_middle_of_a_storm(tmp_path):
    path = tmp_path / "towline.db"
    promised: list[str] = []
    for run, least in enumerate((1, 50, 400)):
        promised += acknowledged_until_killed(path, run=str(run), least=least)
    store = await SqliteStore.open(path)
    lost = [name for name in promised if await store.read(lambda tx, n=name: tx.settings.get(n)) != "kept"]
    assert (lost, len(promised) >= 451) == ([], True)
    assert await store.read(lambda tx: tx.audit.verify()) is None
    pages = await store.read(lambda tx: all_pages(tx.audit.page, limit=500))
    audited = {entry.subject for page in pages for entry in page}
    settings = {name for (name,) in store._reader.execute("SELECT name FROM settings")}
    assert set(promised) <= settings == audited
    assert store._reader.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    await store.close()
