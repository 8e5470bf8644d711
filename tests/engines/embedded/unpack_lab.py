"""Unpacks every hostile shape with this process's user; as a program it is one that a test starts as another.

``unpack_lab.py FOLDER`` prints, for each shape, how it ended and what was harmed or should not be there.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
from hostile import SHAPES, Shape, forbidden, outside, packed, snapshot
from oci_layout import Tar, digest

from towline.domain.errors import PullRefused
from towline.engines.embedded.layers import LayerStore

HARMLESS = "a harmless layer"


async def attempt(shape: Shape, folder: Path, *, user_namespace: bool) -> dict[str, object]:
    """Unpack a shape; return its end, whether the host was harmed, and what should not be in the layer."""
    host = outside(folder / "host")
    before = snapshot(host)
    store = LayerStore(folder / "store", user_namespace=user_namespace)
    await store.open()
    ends, detail = "", ""
    try:
        below = [await unpacked(store, shape.below(host), folder)] if shape.below else []
        await unpacked(store, shape.tar(host), folder, below=below)
    except PullRefused as refused:
        ends, detail = str(refused.finding.code), refused.finding.detail
    await store.close()
    left = sorted(path.name for path in (folder / "store" / "layers").iterdir())
    return {
        "ends": ends,
        "detail": detail,
        "harmed": snapshot(host) != before,
        "forbidden": forbidden(folder / "store"),
        "unfinished": [name for name in left if name.startswith(".")],
        "layers": len(left),
        "owners": sorted({path.lstat().st_uid for path in (folder / "store" / "layers").glob("*/etc/*")}),
    }


async def unpacked(store: LayerStore, tar: Tar, folder: Path, *, below: list[Path] | None = None) -> Path:
    """Unpack a layer alone, and above the others when it asks for that."""
    content, blob = packed(tar)
    path = folder / f"{digest(content)}.blob"
    path.write_bytes(blob)
    alone = await store.unpack(path, diff_id=digest(content))
    if alone is not None:
        return alone
    above = await store.unpack(path, diff_id=digest(content), chain_id="chain", lowers=below or [])
    assert above is not None
    return above


async def _main(folder: Path) -> None:
    folder.mkdir()  # noqa: ASYNC240 - nothing else runs here
    ends = {}
    harmless = Shape(
        lambda _: (
            Tar()
            .folder("etc", mode=0o1777)
            .file("etc/a", b"x", mode=0o4755, uid=33)
            .file("etc/.wh.gone")
            .file("etc/.wh..wh..opq")
            .link("etc/l", "/etc/a")
            .hard_link("etc/h", "etc/a")
        )
    )
    for number, (name, shape) in enumerate([*SHAPES.items(), (HARMLESS, harmless)]):
        place = folder / str(number)
        place.mkdir()
        ends[name] = await attempt(shape, place, user_namespace=os.geteuid() != 0)
    sys.stdout.write(f"{json.dumps(ends)}\n")


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
