"""Pulling: what is fetched, what is not fetched twice, what is refused, and what is left behind."""

from __future__ import annotations

import asyncio
import json
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from oci_layout import ACCESS, HERE, NAME, LayoutSource, Tar, digest, layer
from oci_layout import Layer as TarLayer

from parts.require import require
from towline.domain.causes import FindingCode
from towline.domain.credential import Credential, Password
from towline.domain.errors import EngineFailed, PullRefused
from towline.engines.embedded.puller import LocalImage, Puller

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from towline.domain.deployment import LayerProgress
    from towline.domain.image import ImageReference
    from towline.domain.workload import PullAccess


class Lab:
    """A source of images and pullers on one folder."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "images"
        self.source = LayoutSource(folder / "source")
        self.puller: Puller
        self.told: list[tuple[LayerProgress, ...]] = []

    async def open(self) -> None:
        self.puller = await Puller.open(self.root, source=self.source, platform=HERE, user_namespace=False)

    async def reopen(self) -> None:
        await self.puller.close()
        await self.open()

    async def pull(self, image: ImageReference, access: PullAccess = ACCESS) -> LocalImage:
        return await self.puller.pull(image, access, progress=lambda rows: self.told.append(tuple(rows)))

    async def refusal(self, image: ImageReference) -> PullRefused:
        with pytest.raises(PullRefused) as caught:
            await self.pull(image)
        return caught.value

    def blobs(self) -> set[str]:
        return {f"sha256:{path.name}" for path in (self.root / "blobs" / "sha256").iterdir()}

    def parts(self) -> list[Path]:
        return list((self.root / "tmp").iterdir())

    def layers(self) -> set[str]:
        return {path.name for path in (self.root / "layers").iterdir()}

    def fetched(self) -> list[str]:
        return [name for name, _ in self.source.asked]


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    require("root")
    lab = Lab(tmp_path)
    await lab.open()
    yield lab
    await lab.puller.close()


BIG = TarLayer(Tar().file("big", b"".join(bytes([n % 251]) * 7 for n in range(9000))).bytes(), "")


async def test_an_image_with_layers_of_every_compression_is_pulled(lab: Lab) -> None:
    layers = [layer("a", compression=""), layer("b", compression="+gzip"), layer("c", compression="+zstd")]
    run = {"Entrypoint": ["/a"], "Cmd": ["b"], "Env": ["X=1=2", "=no", "Y"], "User": "me:us"}
    run |= {"WorkingDir": "/w", "StopSignal": "SIGINT", "Labels": {"l": "v"}}
    image = lab.source.image(layers, config=run)
    found = await lab.pull(image)
    assert found.digest == image.digest
    assert [[path.name for path in folder.iterdir()] for folder in found.layers] == [["a"], ["b"], ["c"]]
    config = found.config
    assert (config.entrypoint, config.cmd, config.user) == (("/a",), ("b",), "me:us")
    assert (config.environment, config.labels) == ({"X": "1=2", "Y": ""}, {"l": "v"})
    assert (config.working_dir, config.stop_signal) == ("/w", "SIGINT")


async def test_the_last_word_of_progress_is_that_all_is_unpacked(lab: Lab) -> None:
    image = lab.source.image([layer("a"), layer("b")])
    await lab.pull(image)
    assert [row.unpacked for row in lab.told[-1]] == [True, True]
    assert all(row.received == row.size for row in lab.told[-1])


async def test_an_index_leads_to_the_image_of_this_platform(lab: Lab) -> None:
    ours, other = lab.source.image([layer("ours")]), lab.source.image([layer("other")], architecture="arm64")
    index = lab.source.index(
        [
            (other, {"os": "linux", "architecture": "arm64"}),
            (ours, {"os": "linux", "architecture": "amd64"}),
            (ours, {"os": "unknown", "architecture": "unknown"}),
        ]
    )
    found = await lab.pull(index)
    assert found.digest == ours.digest
    assert await lab.puller.local(index) == await lab.puller.local(ours) == found


async def test_a_tag_is_resolved_at_the_registry(lab: Lab) -> None:
    image = lab.source.image([layer("a")])
    lab.source.tags["1.0"] = image.digest or ""
    assert (await lab.pull(NAME)).digest == image.digest
    assert await lab.puller.local(NAME) is None


async def test_a_pulled_image_is_there_without_the_registry(lab: Lab) -> None:
    image = lab.source.image([layer("a"), layer("b")])
    found = await lab.pull(image)
    await lab.reopen()
    lab.source.asked.clear()
    lab.source.manifests_asked.clear()
    assert await lab.puller.local(image) == found
    assert await lab.pull(image) == found
    assert (lab.source.asked, lab.source.manifests_asked) == ([], [])


async def test_an_image_that_lacks_one_layer_is_not_there(lab: Lab) -> None:
    image = lab.source.image([layer("a"), layer("b")])
    found = await lab.pull(image)
    remove(found.layers[1])
    assert await lab.puller.local(image) is None
    assert await lab.pull(image) == found


def remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


async def test_a_layer_that_leans_on_lower_ones_is_kept_for_its_own_chain(lab: Lab) -> None:
    leaning = TarLayer(Tar().hard_link("new", "old").bytes())
    one, two = (TarLayer(Tar().file("old", content).bytes()) for content in (b"one", b"two"))
    first = await lab.pull(lab.source.image([one, leaning]))
    second = await lab.pull(lab.source.image([two, leaning]))
    assert [(image.layers[1] / "new").read_bytes() for image in (first, second)] == [b"one", b"two"]


async def test_a_cut_connection_is_taken_up_where_it_broke(lab: Lab) -> None:
    lab.source.cuts = [10**9, 20_000, 10_000]
    image = lab.source.image([BIG])
    await lab.pull(image)
    assert lab.source.asked[1:] == [
        (digest(BIG.blob), 0),
        (digest(BIG.blob), 20_000),
        (digest(BIG.blob), 30_000),
    ]


async def test_a_connection_that_brings_nothing_more_is_given_up(lab: Lab) -> None:
    lab.source.cuts = [10**9, 20_000, 0]
    refusal = await lab.refusal(lab.source.image([BIG]))
    assert refusal.finding.code is FindingCode.REGISTRY_RESET
    assert [path.stat().st_size for path in lab.parts()] == [20_000]


async def test_an_answer_that_ends_too_early_is_unavailable(lab: Lab) -> None:
    image = lab.source.image([BIG])
    path = lab.source.path(digest(BIG.blob))
    path.write_bytes(path.read_bytes()[:5000])
    refusal = await lab.refusal(image)
    assert refusal.finding.code is FindingCode.BLOB_UNAVAILABLE
    assert f"5000 of {len(BIG.blob)} bytes" in refusal.finding.detail


async def test_a_part_of_an_earlier_process_is_read_again_and_completed(lab: Lab) -> None:
    image = lab.source.image([BIG])
    part = lab.root / "tmp" / f"{digest(BIG.blob).removeprefix('sha256:')}.part"
    part.write_bytes(BIG.blob[:12_345])
    await lab.reopen()
    await lab.pull(image)
    assert lab.source.asked[1:] == [(digest(BIG.blob), 12_345)]


@pytest.mark.parametrize("spoilt", [b"x" * 12_345, b"x" * 10_000_000])
async def test_a_spoilt_part_is_thrown_away(lab: Lab, spoilt: bytes) -> None:
    image = lab.source.image([BIG])
    (lab.root / "tmp" / f"{digest(BIG.blob).removeprefix('sha256:')}.part").write_bytes(spoilt)
    await lab.pull(image)
    assert lab.source.asked[-1] == (digest(BIG.blob), 0)


async def test_other_content_than_the_digest_names_is_corrupt_and_not_kept(lab: Lab) -> None:
    image = lab.source.image([BIG])
    lab.source.put(b"x" * len(BIG.blob), name=digest(BIG.blob))
    refusal = await lab.refusal(image)
    assert refusal.finding.code is FindingCode.IMAGE_CORRUPT
    assert lab.parts() == []
    assert digest(BIG.blob) not in lab.blobs()


async def test_more_content_than_the_manifest_says_is_corrupt_and_not_kept(lab: Lab) -> None:
    image = lab.source.image([BIG])
    lab.source.put(BIG.blob + b"more", name=digest(BIG.blob))
    refusal = await lab.refusal(image)
    assert refusal.finding.code is FindingCode.IMAGE_CORRUPT
    assert lab.parts() == []


@pytest.mark.parametrize("by", [-1, 1])
async def test_a_manifest_that_lies_about_a_size_is_found_out(lab: Lab, by: int) -> None:
    manifest = json.loads(json.dumps(lab.source.manifest_of([BIG])))
    manifest["layers"][0]["size"] += by
    refusal = await lab.refusal(NAME.pinned(lab.source.put_json(manifest)))
    assert refusal.finding.code in (FindingCode.IMAGE_CORRUPT, FindingCode.BLOB_UNAVAILABLE)
    assert digest(BIG.blob) not in lab.blobs()


async def test_another_manifest_than_was_asked_for_is_corrupt(lab: Lab) -> None:
    image = lab.source.image([BIG])
    lab.source.put(b"{}", name=image.digest or "")
    assert (await lab.refusal(image)).finding.code is FindingCode.IMAGE_CORRUPT


async def test_an_image_of_another_platform_is_refused_before_its_layers_come(lab: Lab) -> None:
    refusal = await lab.refusal(lab.source.image([BIG], architecture="s390x"))
    assert refusal.finding.code is FindingCode.PLATFORM_NOT_AVAILABLE
    assert digest(BIG.blob) not in lab.fetched()


async def test_a_digest_of_another_kind_is_refused(lab: Lab) -> None:
    refusal = await lab.refusal(NAME.pinned("sha512:" + "a" * 128))
    assert refusal.finding.code is FindingCode.MANIFEST_NOT_SUPPORTED


async def test_what_two_ask_for_at_once_is_fetched_and_unpacked_once(lab: Lab) -> None:
    shared = layer("shared")
    images = [lab.source.image([shared, layer(name)]) for name in ("one", "two")]
    lab.source.pause = asyncio.Event()
    pulls = [asyncio.create_task(lab.pull(image)) for image in (*images, images[0])]
    while len(lab.source.asked) < 2:  # noqa: ASYNC110 - the configurations of both
        await asyncio.sleep(0)
    lab.source.pause.set()
    first, second, third = await asyncio.gather(*pulls)
    assert first == third
    assert first.layers[0] == second.layers[0]
    assert len(lab.fetched()) == len(set(lab.fetched())) == 5


async def test_a_layer_that_stands_twice_in_an_image_is_fetched_once(lab: Lab) -> None:
    twice = layer("a")
    found = await lab.pull(lab.source.image([twice, layer("b"), twice]))
    assert found.layers[0] == found.layers[2]
    assert lab.fetched().count(digest(twice.blob)) == 1


async def test_a_refusal_of_anothers_login_does_not_spoil_a_pull_that_joined_it(lab: Lab) -> None:
    image = lab.source.image([layer("a")])
    bad, good = (
        replace(ACCESS, credential=Credential(name, Password("hunter2-not-real"))) for name in ("bad", "good")
    )
    lab.source.refuse = {"bad": FindingCode.NO_PULL_PERMISSION}
    lab.source.pause = asyncio.Event()
    refused = asyncio.create_task(lab.pull(image, bad))
    while not lab.source.asked:  # noqa: ASYNC110 - it stands at the pause
        await asyncio.sleep(0)
    joined = asyncio.create_task(lab.pull(image, good))
    lab.source.pause.set()
    assert (await joined).digest == image.digest
    with pytest.raises(PullRefused, match="no-pull-permission"):
        await refused


async def test_a_cancelled_pull_leaves_no_task_and_no_half_layer_and_can_be_repeated(lab: Lab) -> None:
    image = lab.source.image([BIG, layer("a")])
    lab.source.pause = asyncio.Event()
    pulling = asyncio.create_task(lab.pull(image))
    while not lab.source.asked:  # noqa: ASYNC110 - it stands at the pause
        await asyncio.sleep(0)
    pulling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pulling
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert lab.layers() == set()
    lab.source.pause.set()
    assert (await lab.pull(image)).digest == image.digest


async def test_a_cancelled_pull_does_not_end_the_one_that_shares_its_blobs(lab: Lab) -> None:
    image = lab.source.image([BIG])
    lab.source.pause = asyncio.Event()
    cancelled, other = (asyncio.create_task(lab.pull(image)) for _ in range(2))
    while not lab.source.asked:  # noqa: ASYNC110 - it stands at the pause
        await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    lab.source.pause.set()
    assert (await other).digest == image.digest
    assert lab.fetched().count(digest(BIG.blob)) == 1


async def test_collecting_keeps_what_the_kept_images_need_and_nothing_else(lab: Lab) -> None:
    shared = layer("shared")
    kept, gone = (lab.source.image([shared, layer(name)]) for name in ("kept", "gone"))
    index = lab.source.index([(kept, {"os": "linux", "architecture": "amd64"})])
    found = await lab.pull(index)
    await lab.pull(gone)
    (lab.root / "tmp" / ("0" * 64 + ".part")).write_bytes(b"abandoned")
    await lab.puller.collect({kept.digest or ""})
    assert await lab.puller.local(index) == found
    assert await lab.puller.local(gone) is None
    assert lab.layers() == {path.name for path in found.layers}
    assert len(lab.blobs()) == 5
    assert lab.parts() == []
    await lab.puller.collect(())
    assert (lab.blobs(), lab.layers()) == (set(), set())


async def test_collecting_leaves_alone_what_is_being_pulled(lab: Lab) -> None:
    image = lab.source.image([BIG])
    lab.source.cuts = [10**9, 20_000, 0]
    await lab.refusal(image)
    lab.source.pause = asyncio.Event()
    lab.source.asked.clear()
    pulling = asyncio.create_task(lab.pull(image))
    while not lab.source.asked:  # noqa: ASYNC110 - it stands at the pause
        await asyncio.sleep(0)
    await lab.puller.collect(())
    lab.source.pause.set()
    assert (await pulling).digest == image.digest
    assert (digest(BIG.blob), 20_000) in lab.source.asked


async def test_a_blob_that_went_bad_on_the_disk_is_fetched_again(lab: Lab) -> None:
    image = lab.source.image([BIG])
    found = await lab.pull(image)
    await lab.reopen()
    remove(found.layers[0])
    (lab.root / "blobs" / "sha256" / digest(BIG.blob).removeprefix("sha256:")).write_bytes(b"rot")
    assert await lab.pull(image) == found


async def test_two_servers_do_not_share_a_folder(lab: Lab) -> None:
    with pytest.raises(EngineFailed, match="another towline process"):
        await Puller.open(lab.root, source=lab.source, platform=HERE, user_namespace=False)


async def test_the_folder_is_closed_to_others_and_an_oci_layout(lab: Lab) -> None:
    require("skopeo")
    image = lab.source.image([layer("a")])
    await lab.pull(image)
    assert lab.root.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in (lab.root / "blobs" / "sha256").iterdir())
    said = await asyncio.create_subprocess_exec(
        "skopeo", "inspect", "--raw", f"oci:{lab.root}", stdout=asyncio.subprocess.PIPE
    )
    shown, _ = await said.communicate()
    assert digest(shown) == image.digest


async def test_a_full_disk_is_said_and_gives_its_room_back(small_disk: Path) -> None:
    lab = Lab(small_disk)
    lab.source.folder = small_disk.parent / "source"
    blob = bytes(4 << 20)
    await lab.open()
    manifest = lab.source.manifest_of([BIG])
    manifest["layers"] = [lab.source.descriptor(blob, "application/vnd.oci.image.layer.v1.tar+gzip")]
    lab.source.piece = 1 << 18
    refusal = await lab.refusal(NAME.pinned(lab.source.put_json(manifest)))
    assert refusal.finding.code is FindingCode.DISK_FULL
    assert lab.parts() == []
    await lab.puller.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a disk of 2 MiB."""
    require("root")
    require("mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "towline-test", disk], check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)
