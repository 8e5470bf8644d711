"""What somebody may have meant who typed a command that is not there."""

from __future__ import annotations

import difflib

from towline.cli import COMMANDS
from towline.cli.reference import verbs_of

# What docker, kubectl and rio call it.
ELSEWHERE = {
    "auth": "login",
    "init": "serve",
    "install": "credential-helper install",
    "ps": "deployment list",
    "pull": "preflight",
    "rollout": "deployment restart",
    "run": "deploy",
    "signin": "login",
    "signout": "logout",
    "start": "serve",
    "stop": "deployment delete",
}
_MOST = 3  # a verb that many commands have, such as list, says nothing


def hint(word: str) -> str:
    """Return what to type in place of ``word``, or where to look."""
    names = [command.name for command in COMMANDS]
    if near := difflib.get_close_matches(word, names, n=1, cutoff=0.8):
        return f"did you mean {near[0]!r}?"
    meant = [f"{name} {word}" for name in names if word in verbs_of(name)]
    if word in ELSEWHERE:
        meant = [ELSEWHERE[word]]
    if 0 < len(meant) <= _MOST:
        return f"did you mean {' or '.join(repr(each) for each in meant)}?"
    if near := difflib.get_close_matches(word, names, n=1):
        return f"did you mean {near[0]!r}?"
    return "`towline --help` lists all commands"
