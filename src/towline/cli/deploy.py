"""``towline deploy IMAGE --secret NAME``: from an image to a running container in one command."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.client import opened, part
from towline.cli.failure import ApiError, Failure
from towline.cli.output import say, show_one, tell
from towline.cli.pull_questions import REFUSED, ask, explain, show_answers, summary
from towline.cli.secret_documents import API_VERSION, pair
from towline.cli.waiting import wait

if TYPE_CHECKING:
    import argparse

    from towline.cli.client import Client
    from towline.cli.documents import Document

DESCRIPTION = """\
Run an image: ask whether it can be pulled, make the package and the deployment, show the pull's
progress, wait until it runs. Deploying the same name again replaces what runs. What follows -- is
run instead of the image's command.
"""
EXAMPLES = """\
examples:
  towline deploy registry.example.com/team/app:1.0 --secret my-registry
  towline deploy nginx:1.27 --name web --replicas 2 --memory 256 --env LOG_LEVEL=debug
  towline deploy registry.example.com/team/app:1.0 --secret my-registry -- sh -c 'sleep 3600'
  towline deploy nginx:1.27 --engine rack1
  towline deploy postgres:17 --name db --volume data:/var/lib/postgresql/data --env POSTGRES_PASSWORD=test
  towline deploy registry.example.com/team/app:1.0 --secret my-registry --dry-run -o json

Exit code 0: it runs; 6: the image cannot be pulled; 1: it failed otherwise; 7: time is up.
With --dry-run 0: it can be pulled; 6: it cannot; 8: nobody could tell.
"""
WORDS_AFTER_DASHES = "command"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("image", metavar="IMAGE")
    parser.add_argument("--secret", metavar="NAME", help="the docker pull secret; none for a public image")
    parser.add_argument("--name", help="name of package and deployment; by default the image's")
    parser.add_argument(
        "--command", nargs="+", metavar="WORD", help="run this instead of the image's command"
    )
    parser.add_argument("--env", metavar="KEY=VALUE", action="append", default=[])
    parser.add_argument(
        "--engine", metavar="NAME", help="where to run it; else the project's default, or the installation's"
    )
    parser.add_argument(
        "--volume",
        metavar="DISK:PATH",
        action="append",
        default=[],
        help="mount a disk there; may be repeated",
    )
    parser.add_argument("--replicas", type=int, default=1, metavar="N")
    parser.add_argument("--cpu", type=float, metavar="CORES", help="the most processor time")
    parser.add_argument("--memory", type=int, metavar="MB", help="the most memory")
    parser.add_argument("--timeout", type=float, default=300.0, metavar="SECONDS", help="how long to wait")
    parser.add_argument("--no-wait", action="store_true", help="return as soon as it is asked for")
    parser.add_argument("--dry-run", action="store_true", help="ask whether it can be pulled, and do nothing")
    parser.add_argument(
        "--no-preflight", action="store_true", help="do not ask first whether it can be pulled"
    )
    flags.connection(parser)
    flags.output(parser)


def run(args: argparse.Namespace) -> int:
    """Ask, deploy and wait; return 0, 1, 6, 7, or 8 for a dry run that nobody could answer."""
    name = args.name or _name_of(args.image)
    package = _package(args, name)
    deployment = _deployment(args, name, version=str(package["metadata"]["version"]))
    client = opened(args)
    refused = None if args.no_preflight and not args.dry_run else _asked_first(args, client)
    if refused is not None:
        return refused
    _create_package(client, package)
    _create_deployment(client, name, deployment)
    if args.no_wait:
        write = say if args.output == "table" else tell
        write(f"deployment {name} is asked for; follow it with `towline deployment wait {name}`")
        if args.output != "table":
            show_one(client.get(f"/v2/deployments/{part(name)}/"), args.output, details=lambda _: ())
        return 0
    return wait(client, name, timeout=args.timeout, output=args.output)


def _asked_first(args: argparse.Namespace, client: Client) -> int | None:
    """Ask the registry before anything is made; return the exit code where that is the end."""
    code, items = ask(client, [{"images": [{"image": args.image, "secret": args.secret}]}])
    if args.dry_run:
        show_answers(items, args.output)
        return code
    for item in items:
        tell(summary(item))
    explain(items)
    if code != REFUSED:
        return None
    tell("towline: nothing was deployed; --no-preflight deploys all the same")
    return code


def _name_of(image: str) -> str:
    from towline.domain.errors import InvalidInput
    from towline.domain.image import ImageReference

    try:
        repository = ImageReference.parse(image).repository
    except InvalidInput as error:
        raise Failure(str(error), code=2) from error
    return re.sub(r"[^a-z0-9]+", "-", repository.rsplit("/", 1)[-1]).strip("-")


def _package(args: argparse.Namespace, name: str) -> dict[str, dict[str, object]]:
    docker: Document = {"image": args.image, "imagePullPolicy": "IfNotPresent"}
    if args.secret:
        docker["pullSecret"] = {"depends": {"kind": "secret", "nameOrGUID": args.secret}}
    executable: Document = {"name": "app", "type": "docker", "docker": docker}
    if args.command:
        executable["command"] = args.command
    limits = {key: value for key, value in (("cpu", args.cpu), ("memory", args.memory)) if value is not None}
    if limits:
        executable["limits"] = limits
    spec: Document = {"runtime": "cloud", "cloud": {"replicas": args.replicas}, "executables": [executable]}
    # Packages never change. A version made from the content lets the same package be found again.
    version = f"v0.0.0-{hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:12]}"
    return {"metadata": {"name": name, "version": version}, "spec": spec}


def _deployment(args: argparse.Namespace, name: str, *, version: str) -> Document:
    variables = [
        {"name": key, "value": value} for key, value in (pair(each, flag="--env") for each in args.env)
    ]
    metadata: Document = {
        "name": name,
        "depends": {"kind": "package", "nameOrGUID": name, "version": version},
    }
    if args.engine:
        metadata["labels"] = {"towline.io/engine": args.engine}
    return {
        "apiVersion": API_VERSION,
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "runtime": "cloud",
            "restart": "always",
            "envArgs": variables,
            "volumes": [_volume(each) for each in args.volume],
        },
    }


def _volume(text: str) -> Document:
    disk, colon, path = text.partition(":")
    if not colon or not disk:
        raise Failure(f"--volume {text!a}: write it as DISK:PATH", code=2)
    return {"mountPath": path, "depends": {"kind": "disk", "nameOrGUID": disk}}


def _create_package(client: Client, package: dict[str, dict[str, object]]) -> None:
    try:
        client.call("POST", "/v2/packages/", {"apiVersion": API_VERSION, "kind": "Package", **package})
    except ApiError as error:
        if error.status != http.client.CONFLICT:
            raise


def _create_deployment(client: Client, name: str, deployment: Document) -> None:
    try:
        client.call("POST", "/v2/deployments/", deployment)
    except ApiError as error:
        if error.status != http.client.CONFLICT:
            raise
        try:
            client.call("PATCH", f"/v2/deployments/{part(name)}/", deployment)
        except ApiError as absent:
            if absent.status != http.client.NOT_FOUND:
                raise
            raise error from absent  # the conflict was not about the name: a disk is taken
