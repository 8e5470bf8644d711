"""What an Engine keeps, as everybody reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.domain.engine import KeptImage, Storage

if TYPE_CHECKING:
    from collections.abc import Collection

    from towline.engines.docker.daemon import Json, Room


def storage(room: Room, *, ours: Collection[str], can_collect: bool) -> Storage:
    """Return what an Engine keeps; ``ours`` are the references that this installation had pulled."""
    images = sorted(
        (_image(each, ours) for each in room.images), key=lambda each: (-each.size, each.reference)
    )
    return Storage(tuple(images), disk_used=room.used, disk_free=room.free, can_collect=can_collect)


def _image(told: Json, ours: Collection[str]) -> KeptImage:
    """Return one image; ``Containers`` counts also those that were stopped."""
    names = [name for name in told.get("RepoTags") or () if name != "<none>:<none>"]
    digests = [name for name in told.get("RepoDigests") or () if name != "<none>@<none>"]
    mine = [name for name in (*digests, *names) if name in ours]
    shown = [*mine, *names, *digests, str(told.get("Id", ""))]
    is_used = int(told.get("Containers") or 0) > 0
    return KeptImage(shown[0], int(told.get("Size") or 0), is_used=is_used, is_ours=bool(mine))
