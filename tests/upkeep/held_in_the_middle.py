"""A child that keeps or restores a backup, says so in the middle of it, and waits there to be killed."""

import asyncio
import sys
from pathlib import Path

from towline import upkeep
from towline.config import Config


def held(done: int, total: int) -> None:
    if done < total:
        sys.stdout.write("in the middle\n")
        sys.stdout.flush()
        sys.stdin.read()


def main(verb: str, data: str, file: str) -> None:
    config, path = Config(data=data), Path(file)
    if verb == "backup":
        asyncio.run(upkeep.keep_backup(config, path, keyring_to=None, progress=held))
    else:
        asyncio.run(upkeep.restore(config, path, progress=held))


main(*sys.argv[1:])
