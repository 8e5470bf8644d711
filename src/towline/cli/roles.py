"""What commands about people share: roles as one types them, and where they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.cli.failure import Failure

if TYPE_CHECKING:
    import argparse

    from towline.cli.documents import Document

PROJECT_ROLES = {
    "viewer": "project_viewer",
    "developer": "project_developer",
    "admin": "project_admin",
}
_FORM = "write PROJECT=viewer, PROJECT=developer or PROJECT=admin"


def argument(parser: argparse.ArgumentParser, *, summary: str) -> None:
    """Add ``--role PROJECT=ROLE``, once for each."""
    parser.add_argument("--role", metavar="PROJECT=ROLE", action="append", default=[], help=summary)


def pairs(texts: list[str]) -> list[tuple[Document, str]]:
    """Return where and which role, for each ``PROJECT=ROLE``; raise Failure for another form."""
    found: list[tuple[Document, str]] = []
    for text in texts:
        project, equals, role = text.rpartition("=")
        if not equals or role not in PROJECT_ROLES:
            raise Failure(f"--role {text!a} is no role in a project; {_FORM}", code=2)
        found.append(({"kind": "Project", "name": project}, PROJECT_ROLES[role]))
    return found
