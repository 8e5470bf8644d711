"""The program that the engine starts for a layer: ``python -I -X utf8 launch.py ORDER < BLOB``.

It finds Towline by where it lies itself, as the monitor's does; all is imported before the first byte of
the layer is looked at, as afterwards nothing can be found any more.
"""

import os
import sys


def launch() -> int:
    """Unpack."""
    sys.path.append(os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 4)))
    from towline.engines.embedded.unpack.main import main  # noqa: PLC0415 - found by the line above

    return main()


if __name__ == "__main__":
    sys.exit(launch())
