"""Play the whole run and write down what it gave (``make rio-table``)."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from rio import absent, journey, record
from rio.stage import play, running_stage


def main() -> int:
    """Record; say what did not go as expected."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, running_stage(Path(folder)) as stage:
        ran = play(stage, journey.LANE, absent.LANE)
    record.keep(record.record(ran))
    bad = 0
    for step, ended in ran:
        missing = [words for words in step.says if words not in ended.text]
        shown = [words for words in step.hides if words in ended.text]
        if ended.code != step.code or missing or shown:
            bad += 1
            sys.stdout.write(f"--- rio {step.command}: {ended.code}, lacks {missing}, shows {shown}\n")
            sys.stdout.write(ended.text[-1500:] + "\n")
    sys.stdout.write(f"{len(ran)} commands, {bad} not as expected, {time.monotonic() - began:.0f} s\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
