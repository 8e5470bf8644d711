"""A real Debian, made with debootstrap, comes out of the unpacker as it comes out of tar."""

from __future__ import annotations

import gzip
import os
import stat
import subprocess
from pathlib import Path

from oci_layout import digest

from parts.debian import debian
from towline.engines.embedded.layers import LayerStore


async def test_a_real_debian_is_unpacked_as_tar_unpacks_it(tmp_path: Path) -> None:
    archive, blob = debian(), tmp_path / "blob"
    diff_id = packed(archive, blob)
    store = LayerStore(tmp_path, user_namespace=False)
    await store.open()
    ours = await store.unpack(blob, diff_id=diff_id)
    await store.close()
    assert ours is not None
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    by_tar(archive, theirs)
    expected = {name: what for name, what in entries(theirs).items() if not what.startswith(("c", "b"))}
    found = entries(ours)
    assert len(expected) > 5000
    assert [name for name in expected if found.get(name) != expected[name]] == []
    assert set(found) == set(expected)


def packed(archive: Path, blob: Path) -> str:
    """Compress an archive; return its digest."""
    content = archive.read_bytes()
    blob.write_bytes(gzip.compress(content, 1))
    return digest(content)


def by_tar(archive: Path, folder: Path) -> None:
    subprocess.run(["tar", "--numeric-owner", "-xpf", archive, "-C", folder], check=True)


def entries(root: Path) -> dict[str, str]:
    """Return all that matters of every entry: kind, mode, owners, time, links, content."""
    first: dict[int, str] = {}
    found = {}
    for path in (root, *sorted(root.rglob("*"))):
        status = path.lstat()
        name = str(path.relative_to(root))
        twin = first.setdefault(status.st_ino, name)
        content = ""
        if stat.S_ISREG(status.st_mode):
            content = digest(path.read_bytes())
        elif stat.S_ISLNK(status.st_mode):
            content = os.readlink(path)  # noqa: PTH115 - a path would tidy the text
        mode = stat.filemode(status.st_mode)
        found[name] = f"{mode} {status.st_uid}:{status.st_gid} {status.st_mtime_ns} {twin} {content}"
    return found
