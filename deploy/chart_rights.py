"""Write the table of needs as the file that the Helm chart reads (``make docs``)."""

from __future__ import annotations

import json
from pathlib import Path

from towline.engines.kubernetes.needs import MIRRORING, NEEDED

FILE = Path(__file__).resolve().parent / "helm" / "towline" / "files" / "rights.json"


def text() -> str:
    """Return the file's content."""
    rows = [
        {
            "group": right.group,
            "resource": right.resource,
            "verbs": list(right.verbs),
            "clusterwide": right.is_clusterwide,
            "mirrors": right in MIRRORING,
            "why": right.why,
        }
        for right in (*NEEDED, *MIRRORING)
    ]
    return json.dumps(rows, indent=2) + "\n"


def main() -> int:
    """Write it."""
    FILE.write_text(text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
