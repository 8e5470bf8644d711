"""Layers become folders that overlayfs stacks: what is kept, what is hidden, what is refused."""

from __future__ import annotations

import asyncio
import gzip
import os
import stat
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest
from backports import zstd
from oci_layout import Tar, digest

from parts.require import require
from towline.domain.causes import FindingCode
from towline.domain.errors import PullRefused
from towline.engines.embedded.layers import LayerStore, layer_names
from towline.engines.embedded.unpack.order import Limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

CHAIN = "sha256:" + "c" * 64


class Lab:
    """A layer store and a place for blobs."""

    def __init__(self, folder: Path, *, limits: Limits | None = None) -> None:
        self.folder = folder
        self.store = LayerStore(folder, user_namespace=False, limits=limits)

    async def unpack(
        self, tar: Tar | bytes, *, blob: bytes | None = None, below: list[Path] | None = None
    ) -> Path:
        """Unpack a layer that must not lean on others unless ``below`` gives them."""
        content = tar if isinstance(tar, bytes) else tar.bytes()
        path = self.blob(gzip.compress(content, 1) if blob is None else blob)
        found = await self.store.unpack(path, diff_id=digest(content), chain_id=CHAIN, lowers=below)
        assert found is not None, "it leans on the layers below"
        return found

    async def refusal(self, tar: Tar | bytes, *, blob: bytes | None = None) -> PullRefused:
        """Return why a layer is refused."""
        with pytest.raises(PullRefused) as caught:
            await self.unpack(tar, blob=blob)
        assert list((self.folder / "layers").iterdir()) == []
        return caught.value

    def blob(self, content: bytes) -> Path:
        path = self.folder / "blob"
        path.write_bytes(content)
        return path


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    require("root")
    lab = Lab(tmp_path)
    await lab.store.open()
    yield lab
    await lab.store.close()


def lab_with(folder: Path, **limits: int) -> Lab:
    require("root")
    lab = Lab(folder, limits=Limits(**limits))
    (folder / "layers").mkdir()
    (folder / "unsettled").mkdir()
    return lab


def said_by(*command: str) -> bytes:
    """Run a command and return what it prints."""
    return subprocess.run(command, capture_output=True, check=True).stdout


def kind(path: Path) -> str:
    """Return the kind and mode as ``ls`` shows them."""
    return stat.filemode(path.lstat().st_mode)


def is_whiteout(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(path: Path) -> bool:
    return "user.overlay.opaque" in os.listxattr(path)


async def test_owners_modes_times_and_links_are_kept(lab: Lab) -> None:
    tar = (
        Tar()
        .folder("tmp", mode=0o1777, mtime=1_600_000_000)
        .folder("bin")
        .file("bin/su", b"program", mode=0o4755, uid=5, gid=6)
        .hard_link("bin/also", "bin/su")
        .link("bin/link", "/etc/passwd", uid=7, gid=8, mtime=1_500_000_000)
        .add("bin/fifo", tarfile.FIFOTYPE, mode=0o620)
        .file("tmp/later")
    )
    found = await lab.unpack(tar)
    su, link = found / "bin/su", found / "bin/link"
    assert (kind(su), su.stat().st_uid, su.stat().st_gid) == ("-rwsr-xr-x", 5, 6)
    assert su.stat().st_mtime == 1_700_000_000
    assert su.samefile(found / "bin/also")
    assert (str(link.readlink()), link.lstat().st_uid, link.lstat().st_gid) == ("/etc/passwd", 7, 8)
    assert link.lstat().st_mtime == 1_500_000_000
    assert kind(found / "bin/fifo") == "prw--w----"
    assert kind(found / "tmp") == "drwxrwxrwt"
    assert (found / "tmp").stat().st_mtime == 1_600_000_000


async def test_long_names_foreign_letters_and_fine_times_are_kept(lab: Lab) -> None:
    name = "/".join(["söme-löng-földer"] * 15) + "/file"
    tar = Tar()
    for depth in range(1, 16):
        tar.folder("/".join(name.split("/")[:depth]))
    tar.file(name, b"x", mtime=1_700_000_000.0, pax_headers={"mtime": "1700000000.123456789"})
    found = await lab.unpack(tar)
    assert (found / name).stat().st_mtime_ns == 1_700_000_000_123_456_789


async def test_names_that_are_no_text_are_kept_byte_for_byte(lab: Lab) -> None:
    raw = b"caf\xe9"
    found = await lab.unpack(Tar().file(os.fsdecode(raw)))
    assert [os.fsencode(path.name) for path in found.iterdir()] == [raw]


async def test_attributes_of_users_are_kept_and_others_left_out(lab: Lab) -> None:
    headers = {"SCHILY.xattr.user.note": "kept", "SCHILY.xattr.security.capability": "x"}
    found = await lab.unpack(Tar().file("a", pax_headers=headers))
    assert os.listxattr(found / "a") == ["user.note"]
    assert os.getxattr(found / "a", "user.note") == b"kept"


async def test_a_sparse_file_is_unpacked_with_its_holes_as_zeros(lab: Lab, tmp_path: Path) -> None:
    require("tar")
    source = tmp_path / "source"
    source.mkdir()
    with (source / "sparse").open("wb") as file:
        file.truncate(3 << 20)
        file.seek(1 << 20)
        file.write(b"in the middle")
    found = await lab.unpack(said_by("tar", "-cS", "-C", str(source), "sparse"))
    assert (found / "sparse").read_bytes() == (source / "sparse").read_bytes()


@pytest.mark.parametrize(
    "compress",
    [bytes, gzip.compress, zstd.compress, lambda content: b"".join(map(gzip.compress, halves(content)))],
    ids=["plain", "gzip", "zstd", "gzip in two members"],
)
async def test_compression_is_told_by_the_content(lab: Lab, compress: object) -> None:
    assert callable(compress)
    content = Tar().file("a", b"x" * 100_000).bytes()
    found = await lab.unpack(content, blob=compress(content))
    assert (found / "a").read_bytes() == b"x" * 100_000


def halves(content: bytes) -> tuple[bytes, bytes]:
    return content[: len(content) // 2], content[len(content) // 2 :]


async def test_whiteouts_and_opaque_marks_take_the_form_of_overlayfs(lab: Lab) -> None:
    found = await lab.unpack(Tar().folder("etc").file("etc/.wh.gone").folder("var").file("var/.wh..wh..opq"))
    assert is_whiteout(found / "etc/gone")
    assert is_opaque(found / "var")
    assert not is_opaque(found / "etc")


@pytest.mark.parametrize("mark_first", [True, False])
async def test_a_folder_deleted_and_made_anew_in_one_layer_is_opaque(
    lab: Lab,
    mark_first: bool,  # noqa: FBT001 - a table's column
) -> None:
    tar = Tar()
    steps = [lambda: tar.file(".wh.etc"), lambda: tar.folder("etc").file("etc/new")]
    for step in steps if mark_first else reversed(steps):
        step()
    found = await lab.unpack(tar)
    assert is_opaque(found / "etc")
    assert (found / "etc/new").exists()


async def test_a_file_deleted_and_made_anew_in_one_layer_is_the_new_one(lab: Lab) -> None:
    found = await lab.unpack(Tar().file(".wh.a").file("a", b"new").file("b", b"new").file(".wh.b"))
    assert (found / "a").read_bytes() == (found / "b").read_bytes() == b"new"


async def test_a_later_entry_replaces_an_earlier_one_of_any_kind(lab: Lab) -> None:
    tar = Tar().folder("a").file("a/x").file("a", b"file").link("b", "a").folder("b").file("b/y")
    tar.file("c", b"old").file("c", b"new").file("d").link("d", "c")
    found = await lab.unpack(tar)
    assert (found / "a").read_bytes() == b"file"
    assert (found / "b/y").exists()
    assert (found / "c").read_bytes() == b"new"
    assert str((found / "d").readlink()) == "c"


async def test_notes_of_aufs_are_left_out(lab: Lab) -> None:
    found = await lab.unpack(Tar().file(".wh..wh.aufs").file("a"))
    assert [path.name for path in found.iterdir()] == ["a"]


async def test_an_overlay_shows_what_the_layers_mean(lab: Lab, tmp_path: Path) -> None:
    require("mount")
    lower = await lab.unpack(
        Tar().folder("etc").file("etc/old").file("etc/kept").folder("var").file("var/old")
    )
    upper = await lab.unpack(
        Tar().folder("etc").file("etc/.wh.old").folder("var").file("var/.wh..wh..opq").file("var/new")
    )
    merged = tmp_path / "merged"
    merged.mkdir()
    options = f"lowerdir={upper}:{lower},userxattr"
    said_by("mount", "-t", "overlay", "overlay", "-o", options, str(merged))
    try:
        names = sorted(str(path.relative_to(merged)) for path in merged.rglob("*"))
    finally:
        said_by("umount", str(merged))
    assert names == ["etc", "etc/kept", "var", "var/new"]


async def test_a_folder_that_is_not_named_has_the_lower_layers_owner_and_mode(lab: Lab) -> None:
    lower = await lab.unpack(
        Tar().folder("tmp", mode=0o1777, uid=3).link("lib", "usr/lib").folder("usr").folder("usr/lib")
    )
    upper = Tar().file("tmp/a").file("lib/b").file("opt/c").bytes()
    blob = lab.blob(upper)
    assert await lab.store.unpack(blob, diff_id=digest(upper), chain_id=CHAIN) is None
    found = await lab.store.unpack(blob, diff_id=digest(upper), chain_id=CHAIN, lowers=[lower])
    assert found is not None
    assert (kind(found / "tmp"), (found / "tmp").stat().st_uid) == ("drwxrwxrwt", 3)
    assert (found / "usr/lib/b").exists()
    assert not (found / "lib").exists()
    assert kind(found / "opt") == "drwxr-xr-x"
    assert found.name == layer_names(digest(upper), CHAIN)[1]


async def test_a_hard_link_into_a_lower_layer_is_a_copy_of_the_file(lab: Lab) -> None:
    lower = await lab.unpack(Tar().folder("a").file("a/old", b"content", mode=0o4711, uid=9))
    middle = await lab.unpack(Tar().folder("b"))
    found = await lab.unpack(Tar().folder("b").hard_link("b/new", "a/old"), below=[lower, middle])
    assert (found / "b/new").samefile(found / "a/old")
    assert (found / "b/new").read_bytes() == b"content"
    assert (kind(found / "b/new"), (found / "b/new").stat().st_uid) == ("-rws--x--x", 9)
    assert not (found / "b/new").samefile(lower / "a/old")


@pytest.mark.parametrize("hiding", [".wh.old", ".wh..wh..opq"])
async def test_a_hard_link_does_not_reach_what_a_layer_between_hides(lab: Lab, hiding: str) -> None:
    lower = await lab.unpack(Tar().folder("a").file("a/old"))
    middle = await lab.unpack(Tar().folder("a").file(f"a/{hiding}"))
    content = Tar().folder("a").hard_link("a/new", "a/old").bytes()
    with pytest.raises(PullRefused, match="not there"):
        await lab.unpack(content, below=[lower, middle])


async def test_what_the_layer_itself_hides_is_not_looked_up_below(lab: Lab) -> None:
    found = await lab.unpack(Tar().folder("a").file("a/.wh..wh..opq").file("a/b/c"))
    assert (found / "a/b/c").exists()


@pytest.mark.parametrize(
    ("damage", "detail"),
    [
        (lambda blob: blob[:-20], "compression is broken"),
        (lambda blob: blob[:200] + b"\0\0\0\0" + blob[204:], "compression is broken"),
        (lambda _: b"\x28\xb5\x2f\xfdnonsense", "compression is broken"),
        (lambda _: b"<html>not a layer</html>", "archive is broken"),
        (lambda _: gzip.compress(b"n" * 5000), "archive is broken"),
    ],
    ids=["cut", "changed", "no zstd", "a web page", "no archive"],
)
async def test_a_broken_layer_is_refused(lab: Lab, damage: object, detail: str) -> None:
    assert callable(damage)
    content = Tar().file("a", os.urandom(5000)).bytes()
    refusal = await lab.refusal(content, blob=damage(gzip.compress(content, 1)))
    assert refusal.finding.code is FindingCode.IMAGE_REFUSED
    assert detail in refusal.finding.detail


async def test_a_header_broken_in_the_middle_is_not_taken_for_the_end(lab: Lab) -> None:
    content = bytearray(Tar().file("a", b"x" * 512).file("b").bytes())
    content[1024 + 148] ^= 0xFF
    refusal = await lab.refusal(bytes(content))
    assert refusal.finding.code is FindingCode.IMAGE_REFUSED


async def test_an_archive_that_ends_inside_a_file_is_refused(lab: Lab) -> None:
    refusal = await lab.refusal(Tar().file("a", b"x" * 5000).bytes()[:2048])
    assert refusal.finding.code is FindingCode.IMAGE_REFUSED


async def test_a_size_below_zero_is_refused(lab: Lab) -> None:
    content = bytearray(Tar().file("a", b"x" * 512).file("b").bytes())
    content[124:136] = b"\xff" * 11 + b"\x00"
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    refusal = await lab.refusal(bytes(content))
    assert refusal.finding.code is FindingCode.IMAGE_REFUSED


async def test_other_content_than_the_configuration_promises_is_corrupt(lab: Lab) -> None:
    blob = lab.blob(Tar().file("a").bytes())
    with pytest.raises(PullRefused, match="configuration says") as caught:
        await lab.store.unpack(blob, diff_id=digest(b"other"))
    assert caught.value.finding.code is FindingCode.IMAGE_CORRUPT


async def test_a_bomb_of_zeros_is_refused(tmp_path: Path) -> None:
    lab = lab_with(tmp_path, at_least=1 << 20, ratio=20)
    refusal = await lab.refusal(Tar().file("a", bytes(4 << 20)))
    assert refusal.finding.code is FindingCode.IMAGE_REFUSED
    assert "far beyond its size" in refusal.finding.detail


async def test_a_bomb_of_holes_is_refused(tmp_path: Path) -> None:
    lab = lab_with(tmp_path, at_least=1 << 20, ratio=1)
    headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "a"}
    headers |= {"GNU.sparse.size": str(1 << 50), "GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,1"}
    refusal = await lab.refusal(Tar().file("a", b"x", pax_headers=headers))
    assert refusal.finding.code is FindingCode.IMAGE_REFUSED
    assert "far beyond its size" in refusal.finding.detail


async def test_a_bomb_of_entries_is_refused(tmp_path: Path) -> None:
    lab = lab_with(tmp_path, entries=10)
    tar = Tar()
    for number in range(11):
        tar.file(str(number))
    assert "more than 10 entries" in (await lab.refusal(tar)).finding.detail


async def test_a_bomb_of_headers_is_refused(tmp_path: Path) -> None:
    lab = lab_with(tmp_path, memory=200 << 20)
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE
    header.size = 300 << 20
    content = header.tobuf() + b"9" * (300 << 20)
    refusal = await lab.refusal(content, blob=zstd.compress(content))
    assert refusal.finding.code is FindingCode.IMAGE_REFUSED


async def test_a_layer_that_takes_too_long_is_refused(tmp_path: Path) -> None:
    refusal = await lab_with(tmp_path, seconds=0).refusal(Tar().file("a"))
    assert "longer than 0 s" in refusal.finding.detail


async def test_a_full_disk_is_said_and_leaves_nothing(small_disk: Path) -> None:
    lab = Lab(small_disk)
    await lab.store.open()
    refusal = await lab.refusal(Tar().file("a", os.urandom(100)).file("b", bytes(8 << 20)))
    assert refusal.finding.code is FindingCode.DISK_FULL


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a disk of 2 MiB."""
    require("root")
    require("mount")
    said_by("mount", "-t", "tmpfs", "-o", "size=2m", "towline-test", str(tmp_path))
    yield tmp_path
    said_by("umount", str(tmp_path))


async def test_a_cancelled_unpacking_leaves_nothing(lab: Lab) -> None:
    content = Tar().file("a", os.urandom(1 << 20) * 30).bytes()
    before = children()
    unpacking = asyncio.create_task(lab.unpack(content))
    layers = lab.folder / "layers"
    while not list(layers.glob(".new-*/a")):  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0)
    unpacking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await unpacking
    assert list(layers.iterdir()) == []
    assert children() == before


def children() -> list[str]:
    """Return the numbers of this process's children."""
    pid = os.getpid()
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:  # noqa: PTH123 - a kernel's file
        return file.read().split()


async def test_what_an_earlier_process_left_unfinished_is_cleared(lab: Lab) -> None:
    (lab.folder / "layers" / ".new-half").mkdir()
    await lab.store.open()
    assert list((lab.folder / "layers").iterdir()) == []


async def test_a_layer_that_a_power_cut_may_have_spoilt_is_unpacked_again(lab: Lab) -> None:
    tar = Tar().file("a").bytes()
    found = await lab.unpack(tar)
    await lab.store.close()
    assert list((lab.folder / "unsettled").iterdir()) == []
    (lab.folder / "unsettled" / found.name).write_text("an earlier boot")
    await lab.store.open()
    assert lab.store.find(digest(tar), CHAIN) is None
    assert list((lab.folder / "unsettled").iterdir()) == []
