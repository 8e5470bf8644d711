"""``towline disk``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.client import opened, part
from towline.cli.documents import at, text_at
from towline.cli.engine_documents import sizes
from towline.cli.output import say, show, show_one
from towline.cli.secret_documents import API_VERSION, pair

if TYPE_CHECKING:
    import argparse

    from towline.cli.documents import Document

DESCRIPTION = """\
A disk keeps what a deployment writes: it outlives updates and deletions, serves one deployment at a
time, and lives on one engine. Deployments mount disks under spec.volumes.
"""
EXAMPLES = """\
examples:
  towline disk create data --capacity 8
  towline disk create data --engine rack1 --label team=robots
  towline disk list
  towline disk show data
  towline disk delete data --yes
"""

_COLUMNS = ("NAME", "STATUS", "CAPACITY", "ENGINE", "USED BY", "CREATED")
_ENGINE_LABEL = "towline.io/engine"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    group = flags.verbs(parser)
    _configure_create(group)
    flags.output(
        flags.verb(group, "list", _list, summary="list the disks", examples="towline disk list -o json")
    )
    show_ = flags.verb(
        group,
        "show",
        _show,
        summary="show a disk, and what is on it",
        examples="towline disk show data -o yaml",
    )
    show_.add_argument("name", metavar="NAME")
    flags.output(show_)
    delete = flags.verb(
        group,
        "delete",
        _delete,
        summary="delete a disk with all that is on it",
        examples="towline disk delete data --yes",
    )
    delete.add_argument("name", metavar="NAME")
    flags.yes(delete)


def _configure_create(group: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    create = flags.verb(
        group,
        "create",
        _create,
        summary="make a disk",
        examples="towline disk create data --capacity 8",
    )
    create.add_argument("name", metavar="NAME")
    create.add_argument(
        "--capacity",
        type=int,
        default=4,
        metavar="GIB",
        help="an even number from 4 to 512 (default: %(default)s)",
    )
    create.add_argument(
        "--engine", metavar="NAME", help="where it is to be; else where it is mounted first decides"
    )
    create.add_argument("--label", metavar="KEY=VALUE", action="append", default=[])
    flags.output(create)


def run(args: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    code: int = args.do(args)
    return code


def _create(args: argparse.Namespace) -> int:
    labels = dict(pair(each, flag="--label") for each in args.label)
    if args.engine:
        labels[_ENGINE_LABEL] = args.engine
    body = {
        "apiVersion": API_VERSION,
        "kind": "Disk",
        "metadata": {"name": args.name, "labels": labels},
        "spec": {"runtime": "cloud", "capacity": args.capacity},
    }
    show_one(opened(args).call("POST", "/v2/disks/", body), args.output, details=_details)
    return 0


def _list(args: argparse.Namespace) -> int:
    show(opened(args).items("/v2/disks/"), args.output, columns=_COLUMNS, row=_row)
    return 0


def _show(args: argparse.Namespace) -> int:
    show_one(opened(args).get(_path(args.name)), args.output, details=_details)
    return 0


def _delete(args: argparse.Namespace) -> int:
    client = opened(args)
    flags.confirm(args, f"Delete the disk {args.name!r} with all that is on it? This cannot be undone.")
    client.call("DELETE", _path(args.name))
    say(f"disk {args.name} is deleted")
    return 0


def _path(name: str) -> str:
    return f"/v2/disks/{part(name)}/"


def _capacity(disk: Document) -> str:
    return f"{at(disk, 'spec', 'capacity')} GiB"


def _details(disk: Document) -> list[tuple[str, str]]:
    used = at(disk, "status", "capacityUsed")
    return [
        ("Name", text_at(disk, "metadata", "name")),
        ("GUID", text_at(disk, "metadata", "guid")),
        ("Status", text_at(disk, "status", "status")),
        ("Capacity", _capacity(disk)),
        ("On it", sizes(used) if isinstance(used, int) else "not known"),
        ("Engine", text_at(disk, "status", "engine") or "none yet: where it is mounted first"),
        ("Used by", text_at(disk, "status", "diskBound", "deployment_name") or "no deployment"),
        ("Created", text_at(disk, "metadata", "createdAt")),
    ]


def _row(disk: Document) -> tuple[str, ...]:
    return (
        text_at(disk, "metadata", "name"),
        text_at(disk, "status", "status"),
        _capacity(disk),
        text_at(disk, "status", "engine"),
        text_at(disk, "status", "diskBound", "deployment_name"),
        text_at(disk, "metadata", "createdAt"),
    )
