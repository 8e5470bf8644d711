"""``python -m parts.beforehand``: get from elsewhere what the tests build upon, before they run."""

from __future__ import annotations

import os
import shutil
import sys

from parts.container_image import wheels
from parts.debian import debian


def main() -> None:
    """Make the Debian and download the wheels where the tests that use them can run."""
    if os.geteuid() or not shutil.which("debootstrap"):
        sys.stderr.write("the tests of the container image need root and debootstrap: they will say so\n")
        return
    for get in (debian, wheels):
        try:
            get()
        except AssertionError as failure:  # where it lasts, the tests that need it fail of it
            sys.stderr.write(f"{failure}\nthe tests that need it will try again\n")


if __name__ == "__main__":
    main()
