"""``towline package``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.client import opened, part
from towline.cli.documents import at, documents_at, text_at
from towline.cli.manifests import read_manifests
from towline.cli.output import say, show, show_one

if TYPE_CHECKING:
    import argparse

    from towline.cli.documents import Document

DESCRIPTION = "A package says which images run with which secrets; it has versions and never changes."
EXAMPLES = """\
examples:
  towline package create -f talker.yaml
  towline package list
  towline package show talker --version v1.0.0
  towline package delete talker --version v1.0.0 --yes
"""

_COLUMNS = ("NAME", "VERSION", "IMAGES", "GUID", "CREATED")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    group = flags.verbs(parser)
    create = flags.verb(
        group, "create", _create, summary="create packages", examples="towline package create -f talker.yaml"
    )
    create.add_argument("-f", "--file", metavar="FILE", required=True, help="YAML; - reads standard input")
    flags.output(create)
    flags.output(
        flags.verb(group, "list", _list, summary="list the packages", examples="towline package list -o json")
    )
    show_ = flags.verb(
        group, "show", _show, summary="show a package", examples="towline package show talker -o yaml"
    )
    delete = flags.verb(
        group,
        "delete",
        _delete,
        summary="delete a version of a package",
        examples="towline package delete talker --version v1.0.0 --yes",
    )
    for parser_ in (show_, delete):
        parser_.add_argument("name", metavar="NAME")
        parser_.add_argument("--version", default="", help="the version; the newest by default")
    flags.output(show_)
    flags.yes(delete)


def run(args: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    code: int = args.do(args)
    return code


def _create(args: argparse.Namespace) -> int:
    manifests = read_manifests(args.file, kinds=("Package",))
    client = opened(args)
    made = [client.call("POST", "/v2/packages/", manifest) for manifest in manifests]
    show(made, args.output, columns=_COLUMNS, row=_row)
    return 0


def _list(args: argparse.Namespace) -> int:
    show(opened(args).items("/v2/packages/"), args.output, columns=_COLUMNS, row=_row)
    return 0


def _show(args: argparse.Namespace) -> int:
    package = opened(args).get(f"/v2/packages/{part(args.name)}/", **_version(args))
    show_one(package, args.output, details=_details)
    return 0


def _delete(args: argparse.Namespace) -> int:
    client = opened(args)
    flags.confirm(args, f"Delete the package {args.name!r} {args.version}?")
    client.call("DELETE", f"/v2/packages/{part(args.name)}/", query=_version(args))
    say(f"package {args.name} {args.version} is deleted")
    return 0


def _version(args: argparse.Namespace) -> dict[str, str]:
    return {"version": args.version} if args.version else {}


def _images(package: Document) -> str:
    runs = documents_at(package, "spec", "executables")
    return ", ".join(image for run in runs if (image := text_at(run, "docker", "image")))


def _details(package: Document) -> list[tuple[str, str]]:
    lines = [
        ("Name", text_at(package, "metadata", "name")),
        ("Version", text_at(package, "metadata", "version")),
        ("GUID", text_at(package, "metadata", "guid")),
        ("Created", text_at(package, "metadata", "createdAt")),
    ]
    for executable in documents_at(package, "spec", "executables"):
        secret = at(executable, "docker", "pullSecret", "depends")
        pulled = f" with secret {text_at(secret, 'nameOrGUID')}" if secret else ""
        lines.append((text_at(executable, "name"), f"{text_at(executable, 'docker', 'image')}{pulled}"))
    return lines


def _row(package: Document) -> tuple[str, ...]:
    metadata = at(package, "metadata")
    return (
        text_at(metadata, "name"),
        text_at(metadata, "version"),
        _images(package),
        text_at(metadata, "guid"),
        text_at(metadata, "createdAt"),
    )
