"""The unpacking child, once it is confined, has nothing left to do harm with, and ends with its engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tarfile
from typing import TYPE_CHECKING

from backports import zstd
from oci_layout import digest

from parts.require import require
from towline.engines.embedded.unpack.order import Limits, Order, encode

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 30
CONFINED = """
import ctypes, json, os, resource, sys
from towline.engines.embedded.unpack.confine import confine
from towline.engines.embedded.unpack.order import decode_order
def tried(action):
    try:
        action()
    except OSError as error:
        return error.strerror
confine(decode_order(sys.argv[1]))
sets = (ctypes.c_uint32 * 6)()
ctypes.CDLL(None).capget((ctypes.c_uint32 * 2)(0x20080522, 0), sets)
print(json.dumps({
    "root": os.listdir("/"),
    "above": os.listdir("/.."),
    "capabilities": [sets[0] | sets[3] << 32, sets[1] | sets[4] << 32],
    "chroot": tried(lambda: os.chroot("/")),
    "device": tried(lambda: os.mknod("/disk", 0o60600, os.makedev(8, 0))),
    "no new privileges": ctypes.CDLL(None).prctl(39, 0, 0, 0, 0),
    "memory": resource.getrlimit(resource.RLIMIT_AS)[0],
    "file": resource.getrlimit(resource.RLIMIT_FSIZE)[0],
}))
"""
UNPACKING = """
import asyncio, sys
from pathlib import Path
from towline.engines.embedded.layers import LayerStore
async def main():
    store = LayerStore(Path(sys.argv[1]), user_namespace=False)
    await store.open()
    await store.unpack(Path(sys.argv[2]), diff_id=sys.argv[3])
asyncio.run(main())
"""


async def test_a_confined_child_sees_and_may_nothing_but_its_folder(tmp_path: Path) -> None:
    require("root")
    (tmp_path / "only").touch()
    order = Order(str(tmp_path), "", blob_size=10, lowers=None, user_namespace=False, limits=Limits())
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-X", "utf8", "-c", CONFINED, encode(order)),
        stdout=asyncio.subprocess.PIPE,
        env={},
    )
    said, _ = await child.communicate()
    assert json.loads(said) == {
        "root": ["only"],
        "above": ["only"],
        "capabilities": [0b11011, 0b11011],  # chown, dac_override, fowner, fsetid: capabilities(7)
        "chroot": "Operation not permitted",
        "device": "Operation not permitted",
        "no new privileges": 1,
        "memory": Limits().memory,
        "file": Limits().at_least,
    }


async def test_a_child_ends_when_its_engine_is_killed(tmp_path: Path) -> None:
    require("root")
    blob = tmp_path / "blob"
    header = tarfile.TarInfo("a").tobuf()
    blob.write_bytes(zstd.compress(header * 100_000) * 15)  # it takes minutes to make one file so often
    engine = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", UNPACKING, str(tmp_path), str(blob), digest(b""))
    )
    layers = tmp_path / "layers"
    while not list(layers.glob(".new-*/a")):
        assert engine.returncode is None
        await asyncio.sleep(0)
    handle = os.pidfd_open(only_child(engine.pid))
    engine.kill()
    assert await engine.wait() == -signal.SIGKILL
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(handle, ended.set)
    try:
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
    finally:
        loop.remove_reader(handle)
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        os.close(handle)


def only_child(pid: int) -> int:
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:  # noqa: PTH123 - a kernel's file
        (child,) = file.read().split()
    return int(child)
