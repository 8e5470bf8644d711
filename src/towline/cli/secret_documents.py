"""Secrets as the API takes them, from flags, standard input and files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.documents import text_at
from towline.cli.failure import Failure
from towline.cli.secret_minting import mint_asked

if TYPE_CHECKING:
    import argparse

    from towline.cli.client import Client
    from towline.cli.documents import Document

API_VERSION = "api.rapyuta.io/v2"
# The address under which Docker Hub's credentials are kept; docker login uses the same.
_DOCKER_HUB = "https://index.docker.io/v1/"


def document(args: argparse.Namespace, client: Client, present: Document | None = None) -> Document:
    """Return the secret that the flags ask for; raise Failure for flags that do not go together.

    ``present`` is what is replaced: its registry, username and e-mail address hold where no flag says
    otherwise. The password is always entered anew.
    """
    spec = _opaque(args) if args.opaque else _docker(args, client, present or {})
    metadata: Document = {"name": args.name}
    if args.label:
        metadata["labels"] = dict(pair(text, flag="--label") for text in args.label)
    return {"apiVersion": API_VERSION, "kind": "Secret", "metadata": metadata, "spec": spec}


def pair(text: str, *, flag: str) -> tuple[str, str]:
    """Return both halves of KEY=VALUE."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise Failure(f"{flag} {text!a}: write it as KEY=VALUE", code=2)
    return key, value


def _docker(args: argparse.Namespace, client: Client, present: Document) -> Document:
    if args.from_env_file or args.from_file:
        raise Failure("--from-env-file and --from-file belong to --opaque", code=2)
    registry = _DOCKER_HUB if args.docker_hub else args.registry or text_at(present, "registry")
    if not registry:
        raise Failure(
            "say where the images are: --registry URL or --docker-hub; or keep keys with --opaque", code=2
        )
    email = args.email or text_at(present, "email") or own_address(client)
    if (mint := mint_asked(args, present)) is not None:
        return {"type": "Docker", "docker": {"registry": registry, "email": email, "mint": mint}}
    username = args.username or text_at(present, "username")
    if not username:
        raise Failure("--username is missing", code=2)
    docker = {
        "registry": registry,
        "username": username,
        "password": flags.read_password(args),
        "email": email,
    }
    return {"type": "Docker", "docker": docker}


def own_address(client: Client) -> str:
    """Return the e-mail address of who is signed in."""
    return text_at(client.get("/v2/users/me/"), "spec", "emailID")


def _opaque(args: argparse.Namespace) -> Document:
    docker = (args.registry, args.docker_hub, args.username, args.password_stdin, args.require_verified)
    if any((*docker, args.mint, args.mint_key_file, args.mint_setting)):
        raise Failure("--opaque goes with --from-env-file and --from-file alone", code=2)
    data: dict[str, str] = {}
    if args.from_env_file:
        data |= _env_lines(_read(args.from_env_file), args.from_env_file)
    for text in args.from_file:
        key, path = pair(text, flag="--from-file")
        data[key] = _read(path)
    if not data:
        raise Failure("no value given; use --from-env-file FILE or --from-file KEY=PATH", code=2)
    return {"type": "Opaque", "data": data}


def _env_lines(text: str, file: str) -> dict[str, str]:
    """Return lines KEY=VALUE as docker reads an env file: no quotes, no expansion."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not equals or not key.strip():
            # The line itself may hold a secret, so only its number is told.
            raise Failure(f"{file}: line {number} is not KEY=VALUE", code=2)
        found[key.strip()] = value
    return found


def _read(path: str) -> str:
    try:
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return content.decode()
    except UnicodeDecodeError as error:
        raise Failure(f"{path} is not UTF-8 text", code=2) from error
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}", code=2) from error
