"""``towline project``."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from towline.cli import contexts, flags
from towline.cli.client import part, project_named, signed_in
from towline.cli.documents import text_at
from towline.cli.output import say, show

if TYPE_CHECKING:
    import argparse

    from towline.cli.documents import Document

DESCRIPTION = "A project holds secrets, packages and deployments, and says who may use them."
EXAMPLES = """\
examples:
  towline project list
  towline project create robots
  towline project select robots
  towline project delete robots --yes
"""

_COLUMNS = ("NAME", "GUID", "ORGANIZATION", "CREATED")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    group = flags.verbs(parser)
    flags.output(
        flags.verb(
            group, "list", _list, summary="list your projects", examples="towline project list -o json"
        )
    )
    create = flags.verb(
        group, "create", _create, summary="create a project", examples="towline project create robots"
    )
    create.add_argument("name", metavar="NAME")
    flags.output(create)
    select = flags.verb(
        group,
        "select",
        _select,
        summary="choose the project that commands are about",
        examples="towline project select robots",
    )
    select.add_argument("name", metavar="NAME", help="name or guid")
    flags.output(select)
    delete = flags.verb(
        group,
        "delete",
        _delete,
        summary="delete a project that is empty",
        examples="towline project delete robots --yes",
    )
    delete.add_argument("name", metavar="NAME", help="name or guid")
    flags.yes(delete)


def run(args: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    code: int = args.do(args)
    return code


def _list(args: argparse.Namespace) -> int:
    show(signed_in(args).items("/v2/projects/"), args.output, columns=_COLUMNS, row=_row)
    return 0


def _create(args: argparse.Namespace) -> int:
    client = signed_in(args)
    metadata = {"name": args.name}
    if client.context.organization:
        metadata["organizationGUID"] = client.context.organization
    made = client.call("POST", "/v2/projects/", {"kind": "Project", "metadata": metadata, "spec": {}})
    show([made], args.output, columns=_COLUMNS, row=_row)
    return 0


def _select(args: argparse.Namespace) -> int:
    client = signed_in(args)
    project = project_named(client, args.name)
    context = replace(
        contexts.load(os.environ),
        server=client.context.server,
        token=client.context.token,
        project=text_at(project, "metadata", "guid"),
        organization=text_at(project, "metadata", "organizationGUID"),
    )
    contexts.save(context, os.environ)
    if args.output == "table":
        say(f"project {text_at(project, 'metadata', 'name')} is chosen")
    else:
        show([project], args.output, columns=_COLUMNS, row=_row)
    return 0


def _delete(args: argparse.Namespace) -> int:
    client = signed_in(args)
    project = project_named(client, args.name)
    flags.confirm(args, f"Delete the project {args.name!r}?")
    client.call("DELETE", f"/v2/projects/{part(text_at(project, 'metadata', 'guid'))}/")
    say(f"project {args.name} is deleted")
    return 0


def _row(project: Document) -> tuple[str, ...]:
    return (
        text_at(project, "metadata", "name"),
        text_at(project, "metadata", "guid"),
        text_at(project, "metadata", "organizationName"),
        text_at(project, "metadata", "createdAt"),
    )
