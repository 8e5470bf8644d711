"""A child that keeps or restores a backup, says so in the middle of it, and waits there to be killed.

Restored into PostgreSQL (TOWLINE_DATABASE) it is the middle of what is copied there, which comes last.
"""

import asyncio
import os
import sys
from pathlib import Path

from towline import upkeep
from towline.config import load


class Held:
    """Is told of progress; the last pass over all rows is the one to be killed in."""

    def __init__(self) -> None:
        self.passes = 1 if "TOWLINE_DATABASE" in os.environ else 0

    def __call__(self, done: int, total: int) -> None:
        if done == total:
            self.passes -= 1
        if done == total or self.passes > 0:
            return
        sys.stdout.write("in the middle\n")
        sys.stdout.flush()
        sys.stdin.read()


def main(verb: str, data: str, file: str) -> None:
    config, path = load({"data": data}), Path(file)
    if verb == "backup":
        asyncio.run(upkeep.keep_backup(config, path, keyring_to=None, progress=Held()))
    else:
        asyncio.run(upkeep.restore(config, path, progress=Held()))


main(*sys.argv[1:])
