"""``towline serve``: the control plane, one process on one port."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

DESCRIPTION = """\
Run the control plane: API, console, reconciler and engine in one process on one port.

The first start prints a one-time set-up link; there is no default password. Every setting may also
stand in the environment (TOWLINE_PORT) or in DATA/towline.toml (port = 8420); flags win.
"""
EXAMPLES = """\
examples:
  towline serve
  towline serve --data ~/towline --port 9000
  towline serve --host 0.0.0.0 --tls-cert chain.pem --tls-key key.pem
"""

_ONLY_ENVIRONMENT = frozenset({"keyring"})


def configure(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` a flag for every setting."""
    from towline import config

    parser.add_argument("--config", metavar="FILE", help="settings file instead of DATA/towline.toml")
    for name, variable, default, text in config.settings():
        flag = f"--{name.replace('_', '-')}"
        help_text = f"{text} [{variable}]".replace("%", "%%")
        if isinstance(default, bool):
            parser.add_argument(flag, action="store_const", const=True, default=None, help=help_text)
        elif isinstance(default, tuple):
            parser.add_argument(flag, action="append", metavar="VALUE", help=help_text)
        else:
            parser.add_argument(flag, metavar=name.rsplit("_", 1)[-1].upper(), help=help_text)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; return 0 on a clean end, 1 on failure, 2 on bad settings."""
    from towline import config
    from towline.domain.errors import InvalidInput, TowlineError

    names = {name for name, *_ in config.settings()} | {"config"}
    flags = {name: value for name, value in vars(args).items() if name in names and value is not None}
    try:
        settings = config.load(flags)
    except InvalidInput as error:
        sys.stderr.write(f"towline serve: {error}\n")
        return 2
    gc.disable()  # what is made from here on stays; `app` looks for garbage again once it serves
    from towline import app

    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(app.serve(settings, announce=_announce))
    except (TowlineError, OSError) as error:
        sys.stderr.write(f"towline serve: {error}\n")
        return 1
    return 0


def _new_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


def _announce(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
