"""The content store keeps its promise: a name stands for content that fits it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from towline.domain.errors import EngineFailed
from towline.engines.embedded.content import ContentStore, digest_of
from towline.engines.embedded.manifest import Descriptor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = b'{"a": 1}'
DIGEST = digest_of(CONTENT)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ContentStore]:
    store = ContentStore(tmp_path / "images")
    store.open()
    yield store
    store.close()


def test_a_document_is_found_under_its_digest(store: ContentStore) -> None:
    assert store.read(DIGEST) is None
    store.put(CONTENT)
    assert store.read(DIGEST) == CONTENT
    assert store.has(DIGEST)


def test_a_document_that_went_bad_is_not_there(store: ContentStore) -> None:
    store.put(CONTENT)
    store.path(DIGEST).write_bytes(b"{}")
    assert store.read(DIGEST) is None


def test_a_doubted_blob_is_a_part_until_it_is_adopted_again(store: ContentStore) -> None:
    store.put(CONTENT)
    store.doubt(DIGEST)
    assert not store.has(DIGEST)
    assert store.part(DIGEST).read_bytes() == CONTENT
    assert store.adopt(DIGEST).read_bytes() == CONTENT


def test_what_is_complete_stands_once_in_the_layouts_index(store: ContentStore, tmp_path: Path) -> None:
    for _ in range(2):
        store.complete(Descriptor("application/x", DIGEST, 8))
    index = json.loads((tmp_path / "images" / "index.json").read_text())
    assert index["manifests"] == [{"mediaType": "application/x", "digest": DIGEST, "size": 8}]
    assert store.completed() == [DIGEST]


@pytest.mark.parametrize("broken", ["", "[]", "{}", '{"manifests": 3}', '{"manifests": [3]}', "{"])
def test_a_broken_index_is_begun_anew(store: ContentStore, tmp_path: Path, broken: str) -> None:
    (tmp_path / "images" / "index.json").write_text(broken)
    assert store.completed() == []
    store.complete(Descriptor("application/x", DIGEST, 8))
    assert store.completed() == [DIGEST]


def test_discarding_hides_at_once_and_names_what_is_to_be_deleted(store: ContentStore) -> None:
    other = b"other"
    for content in (CONTENT, other):
        store.put(content)
        store.complete(Descriptor("application/x", digest_of(content), len(content)))
    doomed = store.discard({DIGEST}, parts=())
    assert [path.read_bytes() for path in doomed] == [other]
    assert store.read(digest_of(other)) is None
    assert store.completed() == [DIGEST]


def test_a_start_clears_what_is_of_no_use_and_keeps_parts(store: ContentStore) -> None:
    part = store.part(DIGEST)
    part.write_bytes(b"half")
    for name in ("5.new", "6.gone"):
        (part.parent / name).write_bytes(b"x")
    store.close()
    store.open()
    assert list(part.parent.iterdir()) == [part]


def test_a_second_store_on_the_folder_is_refused(store: ContentStore, tmp_path: Path) -> None:
    with pytest.raises(EngineFailed, match="another towline process"):
        ContentStore(tmp_path / "images").open()
