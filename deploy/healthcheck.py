"""Ask the server of this container whether it lives; the exit code is the answer."""

from __future__ import annotations

import http.client
import os
import ssl

SECONDS = 4.0


def main() -> int:
    """Return 0 if it answers. Its certificate is another name's: it is this very container that is asked."""
    port = int(os.environ.get("TOWLINE_PORT") or 8420)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    if os.environ.get("TOWLINE_TLS_CERT"):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=SECONDS, context=context)
    try:
        connection.request("GET", "/healthz")
        return int(connection.getresponse().status != http.client.OK)
    except (OSError, http.client.HTTPException) as error:
        print(f"no answer on port {port}: {error}")  # noqa: T201  (docker keeps it beside the verdict)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
