"""The program that the engine starts for a container: ``python -I -S launch.py``.

The first process returns at once; the monitor is its child, so that the control plane has nothing
to reap and nothing to lose. All instructions come as JSON on standard input, never as arguments or
environment, because they hold the values of the container's environment.
"""

import os
import sys


def launch() -> int:
    """Become the monitor in a child and let the first process end."""
    if os.fork():
        return 0
    sys.path.append(os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 4)))
    from towline.engines.embedded.monitor.main import main  # noqa: PLC0415 - found by the line above

    return main()


if __name__ == "__main__":
    os._exit(launch())
