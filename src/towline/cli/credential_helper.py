"""``towline credential-helper``: docker, podman and skopeo ask Towline instead of holding passwords."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from towline.cli import docker_config, flags
from towline.cli.failure import Failure
from towline.cli.output import say, tell

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from towline.cli.documents import Document

DESCRIPTION = """\
Write into docker's config.json that `docker-credential-towline` answers for registries. That program reads
what `towline login` keeps, or TOWLINE_SERVER, TOWLINE_TOKEN (or TOWLINE_TOKEN_FILE), TOWLINE_PROJECT and
TOWLINE_CA.
"""
EXAMPLES = """\
examples:
  towline credential-helper install --registry registry.example.com --registry docker.io
  towline credential-helper install --every-registry --dry-run
  towline credential-helper remove
"""
PROGRAM = "docker-credential-towline"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    group = flags.verbs(parser)
    install = flags.verb(
        group,
        "install",
        _install,
        summary="write into docker's config.json that Towline answers",
        examples="towline credential-helper install --registry registry.example.com:5000",
    )
    install.add_argument(
        "--registry",
        metavar="HOST[:PORT]",
        action="append",
        default=[],
        help="for this one (credHelpers)",
    )
    install.add_argument(
        "--every-registry", action="store_true", help="for all that have no other helper (credsStore)"
    )
    install.add_argument(
        "--remove-logins", action="store_true", help="also remove the logins that the file holds for them"
    )
    remove = flags.verb(
        group,
        "remove",
        _remove,
        summary="take it out of docker's config.json again",
        examples="towline credential-helper remove --registry registry.example.com:5000",
    )
    remove.add_argument(
        "--registry", metavar="HOST[:PORT]", action="append", default=[], help="only for this registry"
    )
    for verb in (install, remove):
        verb.add_argument("--file", metavar="FILE", help="the config.json, or podman's auth.json, to change")
        verb.add_argument("--dry-run", action="store_true", help="only show what would change")


def run(args: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    code: int = args.do(args)
    return code


def _install(args: argparse.Namespace) -> int:
    if not args.registry and not args.every_registry:
        raise Failure("name a registry with --registry, or say --every-registry", code=2)
    file, keys = _file(args), _keys(args.registry)
    before = docker_config.load(file)
    after = docker_config.with_helper(before, keys, everywhere=args.every_registry)
    if args.remove_logins:
        after = docker_config.without_logins(after, keys)
    _write(args, file, before, after)
    for key in docker_config.logins(after, keys):
        tell(f"{file} still holds a login for {key}, which is not used any more; --remove-logins removes it")
    if shutil.which(PROGRAM) is None:
        tell(f"{PROGRAM} is not on PATH, where docker looks for it")
    return 0


def _remove(args: argparse.Namespace) -> int:
    file = _file(args)
    before = docker_config.load(file)
    _write(args, file, before, docker_config.without_helper(before, _keys(args.registry)))
    return 0


def _write(args: argparse.Namespace, file: Path, before: Document, after: Document) -> None:
    lines = docker_config.difference(before, after)
    if not lines:
        say(f"{file} says so already")
        return
    say(f"{file}{' would change' if args.dry_run else ''}:")
    for line in lines:
        say(f"  {line}")
    if not args.dry_run:
        docker_config.save(file, after)


def _keys(registries: Sequence[str]) -> Sequence[str]:
    return tuple(key for registry in registries for key in docker_config.keys_of(registry))


def _file(args: argparse.Namespace) -> Path:
    return Path(args.file) if args.file else docker_config.path(os.environ)
