"""The yardstick: a bare Starlette handler that does the same read as GET of a secret, and nothing else.

``python bench/bare.py DATABASE PROJECT PORT``
"""

from __future__ import annotations

import sqlite3
import sys
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request


def main() -> int:
    """Serve until a signal ends the process."""
    database, project, port = sys.argv[1:]
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)

    async def secret(request: Request) -> Response:
        wanted = (project, request.path_params["name"])
        query = "SELECT document FROM secrets WHERE project_guid = ? AND name = ?"
        found = connection.execute(query, wanted).fetchone()
        return Response(found[0], media_type="application/json")

    app = Starlette(routes=[Route("/v2/secrets/{name}/", secret)])
    uvicorn.run(
        app, host="127.0.0.1", port=int(port), log_config=None, access_log=False, lifespan="off",
        server_header=False, loop="uvloop", http="httptools",
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
