"""``towline admin doctor``: look at what an installation stands on."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import asdict

from towline.cli import flags
from towline.cli.output import say, table

DESCRIPTION = """\
Look at what the server stands on, and change nothing: data folder, disk, database, audit trail, keyring,
engine, clock, port, and whether each registry of a secret answers. It may run beside the server. The exit
code is 0 when nothing failed, 1 when something did; a warning alone is no failure.
"""


def configure(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        help="look at what the server stands on, and say what to mend",
        description=DESCRIPTION,
        epilog="examples:\n  towline admin doctor --data /var/lib/towline\n  towline admin doctor -o json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    flags.data(parser)
    flags.output(parser, flags.TABLE_OR_JSON)
    parser.set_defaults(do=_doctor)


def _doctor(args: argparse.Namespace) -> int:
    from towline import config, doctor

    checks = asyncio.run(doctor.examined(config.load({"data": args.data})))
    failed = [check for check in checks if check.state == doctor.FAILED]
    if args.output == "json":
        sys.stdout.write(json.dumps([asdict(check) for check in checks], indent=2) + "\n")
        return 1 if failed else 0
    table(("CHECK", "STATE", "WHAT WAS SEEN"), [(check.name, check.state, check.told) for check in checks])
    for check in checks:
        if check.fix and check.state != doctor.OK:
            say(f"{check.name}: {check.fix}")
    return 1 if failed else 0
