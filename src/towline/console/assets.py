"""Style sheets and scripts: each under a name that changes with its content, kept compressed."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.requests import Request

_SERVED = frozenset({".css", ".js", ".svg"})
_DIGITS = 16
_FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, as it is and compressed by gzip."""

    name: str
    media_type: str
    plain: bytes
    packed: bytes

    @property
    def address(self) -> str:
        """Where browsers find it."""
        return f"/static/{hashlib.sha256(self.plain).hexdigest()[:_DIGITS]}/{self.name}"


class Assets:
    """The files of a folder that browsers may have."""

    def __init__(self, folder: Path) -> None:
        files = sorted(path for path in folder.rglob("*") if path.suffix in _SERVED)
        made = [_asset(path, path.relative_to(folder).as_posix()) for path in files]
        self._by_name = {asset.name: asset for asset in made}
        self._by_address = {asset.address: asset for asset in made}

    def address(self, name: str) -> str:
        """Return where the file of that name is; raise KeyError."""
        return self._by_name[name].address

    async def serve(self, request: Request) -> Response:
        """Answer one file, which a browser may keep for good."""
        asset = self._by_address.get(request.url.path)
        if asset is None:
            raise HTTPException(404, "there is no such file")
        headers = {
            "Cache-Control": _FOREVER,
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
        }
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(asset.packed, headers=headers, media_type=asset.media_type)
        return Response(asset.plain, headers=headers, media_type=asset.media_type)


def _asset(path: Path, name: str) -> Asset:
    content = path.read_bytes()
    media_type = mimetypes.types_map.get(path.suffix, "application/octet-stream")
    return Asset(name, media_type, content, packed=gzip.compress(content, 9, mtime=0))
