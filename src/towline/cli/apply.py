"""``towline apply``."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.client import opened, part
from towline.cli.documents import text_at
from towline.cli.failure import ApiError
from towline.cli.manifests import read_manifests
from towline.cli.output import say, show, tell
from towline.cli.pull_questions import REFUSED, ask, explain, questions_of, summary

if TYPE_CHECKING:
    import argparse

    from towline.cli.client import Client
    from towline.cli.documents import Document

DESCRIPTION = """\
Create what YAML documents describe: secrets first, then disks, packages and deployments. A secret that
is there already is replaced; disks and packages never change, and a deployment is left as it is. Before a
deployment is made, its images are asked for at their registries: one that cannot be pulled ends it.
"""
EXAMPLES = """\
examples:
  towline apply -f talker.yaml
  cat secret.yaml talker.yaml | towline apply -f -
"""

_PATHS = {
    "Secret": "/v2/secrets/",
    "Disk": "/v2/disks/",
    "Package": "/v2/packages/",
    "Deployment": "/v2/deployments/",
}
_COLUMNS = ("KIND", "NAME", "GUID")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("-f", "--file", metavar="FILE", required=True, help="YAML; - reads standard input")
    flags.connection(parser)
    parser.add_argument(
        "--no-preflight", action="store_true", help="do not ask first whether the images can be pulled"
    )
    flags.output(parser)


def run(args: argparse.Namespace) -> int:
    """Create or change; return 0 if all is as described, 6 if an image cannot be pulled."""
    order = list(_PATHS)
    manifests = read_manifests(args.file, kinds=order)
    manifests.sort(key=lambda each: order.index(text_at(each, "kind")))
    client = opened(args)
    quiet = args.output != "table"
    first = [each for each in manifests if text_at(each, "kind") != "Deployment"]
    done = [_applied(client, manifest, quiet=quiet) for manifest in first]
    deployments = manifests[len(first) :]
    if deployments and not args.no_preflight and _refused(client, manifests):
        tell("towline: no deployment was made; --no-preflight makes them all the same")
        return REFUSED
    done += [_applied(client, manifest, quiet=quiet) for manifest in deployments]
    if quiet:
        show(done, args.output, columns=_COLUMNS, row=lambda each: (text_at(each, "kind"),))
    return 0


def _refused(client: Client, manifests: list[Document]) -> bool:
    """Ask for the images of packages and deployments; tell what was found."""
    code, items = ask(client, questions_of(manifests))
    for item in items:
        tell(summary(item))
    explain(items)
    return code == REFUSED


def _applied(client: Client, manifest: Document, *, quiet: bool) -> Document:
    kind, name = text_at(manifest, "kind"), text_at(manifest, "metadata", "name")
    try:
        made, outcome = client.call("POST", _PATHS[kind], manifest), "created"
    except ApiError as error:
        if error.status != http.client.CONFLICT:
            raise ApiError(f"{kind} {name}: {error}", status=error.status, code=error.code) from error
        path = f"{_PATHS[kind]}{part(name)}/"
        if kind == "Secret":
            made, outcome = client.call("PUT", path, manifest), "updated"
        else:
            made, outcome = _present(client, path, manifest, conflict=error), "already exists"
    if not quiet:
        say(f"{kind.lower()} {name}: {outcome}")
    return made


def _present(client: Client, path: str, manifest: Document, *, conflict: ApiError) -> Document:
    """Return what is there; raise ``conflict`` where that is not of the name, as of a disk that is taken."""
    version = text_at(manifest, "metadata", "version")
    try:
        return client.get(path, **({"version": version} if version else {}))
    except ApiError as error:
        if error.status != http.client.NOT_FOUND:
            raise
        raise conflict from error
