"""``towline logout``."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from towline.cli import contexts
from towline.cli.client import Client
from towline.cli.failure import ApiError, Failure
from towline.cli.output import say

if TYPE_CHECKING:
    import argparse

DESCRIPTION = """\
End the session that `towline login` began: the server forgets its token, and so does this machine. Whatever
shares the session, such as the file that `towline rio-config` wrote, is signed out too. Tokens in
TOWLINE_TOKEN are left alone; `towline token revoke` ends those.
"""
EXAMPLES = """\
examples:
  towline logout
"""


def configure(_: argparse.ArgumentParser) -> None:
    """Add no arguments."""


def run(_: argparse.Namespace) -> int:
    """End the session; return 0."""
    kept = contexts.load(os.environ)
    if not kept.token:
        raise Failure("nobody is signed in here", code=5)
    try:
        Client(replace(kept, ca=os.environ.get("TOWLINE_CA") or kept.ca)).call("POST", "/user/logout")
    except ApiError as error:
        if error.code != 5:  # a session that is over already needs no end
            hint = f"the session goes on there; delete {contexts.path(os.environ)} to forget it here alone"
            raise Failure(f"{error}; {hint}", code=error.code) from error
    contexts.save(replace(kept, token=""), os.environ)
    say(f"signed out of {kept.server}")
    return 0
