"""``towline deployment``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.client import opened, part
from towline.cli.documents import Document, at, documents_at, number_at, text_at
from towline.cli.manifests import read_manifests
from towline.cli.output import clean, say, show, show_one, tell
from towline.cli.waiting import explain, wait

if TYPE_CHECKING:
    import argparse

DESCRIPTION = "A deployment runs a package."
EXAMPLES = """\
examples:
  towline deployment create -f talker.yaml
  towline deployment wait talker --timeout 60
  towline deployment logs talker -f
  towline deployment restart talker
  towline deployment delete talker --yes
"""

_COLUMNS = ("NAME", "PACKAGE", "PHASE", "STATUS", "ERRORS", "CREATED")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    group = flags.verbs(parser)
    create = flags.verb(
        group,
        "create",
        _create,
        summary="create deployments",
        examples="towline deployment create -f run.yaml",
    )
    create.add_argument("-f", "--file", metavar="FILE", required=True, help="YAML; - reads standard input")
    flags.output(create)
    flags.output(
        flags.verb(
            group, "list", _list, summary="list the deployments", examples="towline deployment list -o json"
        )
    )
    show_ = _named(group, "show", _show, summary="show a deployment, its findings included")
    flags.output(show_)
    wait_ = _named(group, "wait", _wait, summary="wait until a deployment runs or failed")
    wait_.add_argument("--timeout", type=float, default=300.0, metavar="SECONDS")
    _log_flags(_named(group, "logs", _logs, summary="print a container's log"))
    _named(group, "restart", _restart, summary="deploy again as it is, with fresh containers")
    flags.yes(_named(group, "delete", _delete, summary="stop and delete a deployment"))


def run(args: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    code: int = args.do(args)
    return code


def _named(group: flags.Verbs, name: str, run: flags.Run, *, summary: str) -> argparse.ArgumentParser:
    parser = flags.verb(group, name, run, summary=summary, examples=f"towline deployment {name} talker")
    parser.add_argument("name", metavar="NAME")
    return parser


def _log_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="go on as the log grows")
    parser.add_argument("--tail", type=int, metavar="N", help="only the newest N lines")
    parser.add_argument("--timestamps", action="store_true", help="begin each line with its time (UTC)")
    parser.add_argument("--executable", metavar="NAME", help="the first one by default")
    parser.add_argument(
        "--previous", action="store_true", help="the run before the present one (on Kubernetes)"
    )
    parser.add_argument("--replica", type=int, default=0, metavar="N")


def _create(args: argparse.Namespace) -> int:
    manifests = read_manifests(args.file, kinds=("Deployment",))
    client = opened(args)
    made = [client.call("POST", "/v2/deployments/", manifest) for manifest in manifests]
    show(made, args.output, columns=_COLUMNS, row=_row)
    return 0


def _list(args: argparse.Namespace) -> int:
    show(opened(args).items("/v2/deployments/"), args.output, columns=_COLUMNS, row=_row)
    return 0


def _show(args: argparse.Namespace) -> int:
    deployment = opened(args).get(_path(args.name))
    show_one(deployment, args.output, details=_details)
    if args.output == "table":
        explain(deployment, say)
    return 0


def _wait(args: argparse.Namespace) -> int:
    return wait(opened(args), args.name, timeout=args.timeout)


def _logs(args: argparse.Namespace) -> int:
    query = {"follow": "true" if args.follow else "false", "replica": str(args.replica)}
    if args.previous:
        query["previous"] = "true"
    if args.tail is not None:
        query["tail"] = str(args.tail)
    if args.timestamps:
        query["timestamps"] = "true"
    if args.executable:
        query["executable"] = args.executable
    for line in opened(args).lines(f"{_path(args.name)}logs/", **query):
        if args.follow and not line.strip():
            continue  # it keeps the connection alive and is no part of the log
        _print_raw(line)
    return 0


def _restart(args: argparse.Namespace) -> int:
    client = opened(args)
    known = client.get(_path(args.name))
    body = {key: known[key] for key in ("apiVersion", "kind", "metadata", "spec") if key in known}
    client.call("PATCH", _path(args.name), body)
    tell(f"deployment {args.name} starts again")
    return 0


def _delete(args: argparse.Namespace) -> int:
    client = opened(args)
    flags.confirm(args, f"Stop and delete the deployment {args.name!r}?")
    client.call("DELETE", _path(args.name))
    say(f"deployment {args.name} is deleted")
    return 0


def _print_raw(line: bytes) -> None:
    """Print a line of a container's log: cleaned on a terminal, byte for byte elsewhere."""
    if sys.stdout.isatty():
        say(clean(line.decode("utf-8", "replace")).removesuffix("\n"))
        return
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _path(name: str) -> str:
    return f"/v2/deployments/{part(name)}/"


def _package(deployment: Document) -> str:
    depends = at(deployment, "metadata", "depends")
    return " ".join(filter(None, (text_at(depends, "nameOrGUID"), text_at(depends, "version"))))


def _errors(deployment: Document) -> str:
    codes = at(deployment, "status", "error_codes")
    return ", ".join(map(str, codes)) if isinstance(codes, list) else ""


def _details(deployment: Document) -> list[tuple[str, str]]:
    runs = documents_at(deployment, "status", "executables_status")
    return [
        ("Name", text_at(deployment, "metadata", "name")),
        ("GUID", text_at(deployment, "metadata", "guid")),
        ("Package", _package(deployment)),
        ("Generation", _generation(deployment)),
        ("Phase", text_at(deployment, "status", "phase")),
        ("Status", text_at(deployment, "status", "status")),
        *(("Disk", _volume(each)) for each in documents_at(deployment, "spec", "volumes")),
        *((text_at(run, "name"), f"{text_at(run, 'status')}  {text_at(run, 'image')}") for run in runs),
    ]


def _volume(volume: Document) -> str:
    folder = text_at(volume, "subPath")
    within = f", folder {folder}" if folder else ""
    return f"{text_at(volume, 'depends', 'nameOrGUID')} at {text_at(volume, 'mountPath')}{within}"


def _generation(deployment: Document) -> str:
    """Return which generation is wished, and which one serves where that is another."""
    wished, serving = (
        number_at(deployment, "metadata", "generation"),
        number_at(deployment, "status", "serving"),
    )
    return f"{wished}, generation {serving} is serving" if serving not in (0, wished) else str(wished)


def _row(deployment: Document) -> tuple[str, ...]:
    return (
        text_at(deployment, "metadata", "name"),
        _package(deployment),
        text_at(deployment, "status", "phase"),
        text_at(deployment, "status", "status"),
        _errors(deployment),
        text_at(deployment, "metadata", "createdAt"),
    )
