"""``towline secret``: what is typed at the prompt; the documents are made in ``secret_documents``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.cli import (
    findings,
    flags,
    secret_export,
    secret_import,
    secret_minting,
    secret_mirror,
    secret_uses,
)
from towline.cli.client import opened, part
from towline.cli.documents import at, documents_at, text_at
from towline.cli.output import say, show, show_one, tell
from towline.cli.secret_documents import document

if TYPE_CHECKING:
    import argparse

    from towline.cli.documents import Document

DESCRIPTION = """\
Keep secrets. A docker pull secret is tried at its registry as soon as it is saved, and its verdict
is shown: verified, failing (with the reason and what to do), unproved or unknown.
"""
EXAMPLES = """\
examples:
  printf %s "$PASSWORD" | towline secret create my-registry \\
      --registry https://registry.example.com --username robot --password-stdin
  printf %s "$TOKEN" | towline secret create hub --docker-hub --username jane --password-stdin
  towline secret create app-keys --opaque --from-env-file .env
  aws iam create-access-key --user-name puller | towline secret create ecr --mint ecr --mint-key-file - \\
      --registry 123456789012.dkr.ecr.eu-west-1.amazonaws.com
  towline secret uses my-registry --since 2026-01-01
  towline secret verify my-registry --image registry.example.com/team/app:1.0
  towline secret export my-registry --format kubernetes --namespace prod --reveal | kubectl apply -f -
  towline secret mirror add my-registry --namespace prod --service-account default
"""

_COLUMNS = ("NAME", "TYPE", "REGISTRY", "USERNAME", "VERDICT", "SINCE")
_BAD = 6
_UNCERTAIN = 8
_CREATES = """\
printf %s "$PASSWORD" | towline secret create my-registry --registry registry.example.com:5000 \\
      --username robot --password-stdin
  towline secret create google --mint google --mint-key-file key.json --registry europe-west1-docker.pkg.dev
  towline secret create ghcr --mint github-app --mint-key-file app.pem --registry ghcr.io \\
      --mint-setting app-id=123456 --mint-setting installation-id=4711
  towline secret create app-keys --opaque --from-file TLS_KEY=key.pem"""
_UPDATES = """\
printf %s "$PASSWORD" | towline secret update my-registry --password-stdin
  towline secret update google --mint-key-file new-key.json
  towline secret update app-keys --opaque --from-file TLS_KEY=key.pem"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    group = flags.verbs(parser)
    create = flags.verb(group, "create", _create, summary="create a secret", examples=_CREATES)
    update = flags.verb(
        group,
        "update",
        _update,
        summary="put another value into a secret; a registry and user name not given stay as they are",
        examples=_UPDATES,
    )
    for parser_ in (create, update):
        _value_flags(parser_)
    flags.output(
        flags.verb(group, "list", _list, summary="list the secrets", examples="towline secret list -o name")
    )
    show_ = flags.verb(
        group, "show", _show, summary="show a secret; never its value", examples="towline secret show hub"
    )
    show_.add_argument("name", metavar="NAME")
    flags.output(show_)
    delete = flags.verb(
        group, "delete", _delete, summary="delete a secret", examples="towline secret delete hub --yes"
    )
    delete.add_argument("name", metavar="NAME")
    flags.yes(delete)
    secret_import.configure(group)
    verify = flags.verb(
        group,
        "verify",
        _verify,
        summary="try a docker pull secret at its registry now",
        examples="towline secret verify hub --image jane/app:1.0",
    )
    verify.add_argument("name", metavar="NAME")
    verify.add_argument("--image", metavar="REF", help="an image that the secret must be able to pull")
    flags.output(verify)
    secret_export.add(group)
    secret_uses.add(group)
    secret_mirror.add(group)


def run(args: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    code: int = args.do(args)
    return code


def _value_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    docker = parser.add_argument_group("docker pull secret")
    where = docker.add_mutually_exclusive_group()
    where.add_argument("--registry", metavar="URL", help="the private registry")
    where.add_argument("--docker-hub", action="store_true", help="the registry is Docker Hub")
    docker.add_argument("--username")
    flags.password(parser)
    docker.add_argument("--email", help="e-mail address kept with the secret; by default your own")
    docker.add_argument(
        "--require-verified", action="store_true", help="save only if the registry accepts the credential"
    )
    secret_minting.add(parser)
    opaque = parser.add_argument_group("opaque secret")
    opaque.add_argument("--opaque", action="store_true", help="keep keys and values instead")
    opaque.add_argument("--from-env-file", metavar="FILE", help="lines KEY=VALUE; - reads standard input")
    opaque.add_argument(
        "--from-file", metavar="KEY=PATH", action="append", default=[], help="a file's text as one value"
    )
    parser.add_argument("--label", metavar="KEY=VALUE", action="append", default=[])
    flags.output(parser)


def _create(args: argparse.Namespace) -> int:
    client = opened(args)
    made = client.call("POST", "/v2/secrets/", document(args, client), query=_requirement(args))
    return _shown(made, args.output)


def _update(args: argparse.Namespace) -> int:
    client = opened(args)
    path = f"/v2/secrets/{part(args.name)}/"
    present = {} if args.opaque else at(client.get(path), "spec", "docker")
    wanted = document(args, client, present if isinstance(present, dict) else None)
    return _shown(client.call("PUT", path, wanted, query=_requirement(args)), args.output)


def _list(args: argparse.Namespace) -> int:
    show(opened(args).items("/v2/secrets/"), args.output, columns=_COLUMNS, row=_row)
    return 0


def _show(args: argparse.Namespace) -> int:
    return _shown(opened(args).get(f"/v2/secrets/{part(args.name)}/"), args.output)


def _delete(args: argparse.Namespace) -> int:
    client = opened(args)
    flags.confirm(args, f"Delete the secret {args.name!r}?")
    client.call("DELETE", f"/v2/secrets/{part(args.name)}/")
    say(f"secret {args.name} is deleted")
    return 0


def _verify(args: argparse.Namespace) -> int:
    body = {"image": args.image} if args.image else {}
    proved = opened(args).call("POST", f"/v2/secrets/{part(args.name)}/verify/", body)
    _shown(proved, args.output)
    match text_at(proved, "status", "verdict") or text_at(proved, "verdict"):
        case "failing":
            return _BAD
        case "unknown" | "unproved":
            return _UNCERTAIN
        case _:
            return 0


def _requirement(args: argparse.Namespace) -> dict[str, str]:
    return {"require": "verified"} if args.require_verified else {}


def _shown(secret: Document, output: str) -> int:
    show_one(secret, output, details=_details)
    finding = at(secret, "status", "finding")
    if isinstance(finding, dict):
        for line in findings.lines(finding):
            tell(line)
    for warning in documents_at(secret, "status", "warnings"):
        place = text_at(warning, "field").rpartition(".")[2]
        tell(f"warning: the {place}: {text_at(warning, 'problem')}; {text_at(warning, 'fix')}")
    return 0


def _details(secret: Document) -> list[tuple[str, str]]:
    keys = at(secret, "spec", "secretKeys")
    return [
        ("Name", text_at(secret, "metadata", "name")),
        ("Type", text_at(secret, "spec", "type")),
        ("Registry", text_at(secret, "spec", "docker", "registry")),
        ("Username", text_at(secret, "spec", "docker", "username")),
        ("E-mail", text_at(secret, "spec", "docker", "email")),
        *secret_minting.minting_details(secret),
        ("Keys", ", ".join(map(str, keys)) if isinstance(keys, list) else ""),
        ("Verdict", _verdict(secret)),
        ("Since", text_at(secret, "status", "since")),
        ("Checked", text_at(secret, "status", "checked_at")),
        ("Image", text_at(secret, "status", "image")),
        ("Token", text_at(secret, "status", "token", "kind")),
        ("Expires", text_at(secret, "status", "token", "expires_at")),
    ]


def _verdict(secret: Document) -> str:
    verdict = text_at(secret, "status", "verdict")
    return f"{verdict} (stale: a later check could not be made)" if at(secret, "status", "stale") else verdict


def _row(secret: Document) -> tuple[str, ...]:
    return (
        text_at(secret, "metadata", "name"),
        text_at(secret, "spec", "type"),
        text_at(secret, "spec", "docker", "registry"),
        text_at(secret, "spec", "docker", "username"),
        f"{text_at(secret, 'status', 'verdict')}{' (stale)' if at(secret, 'status', 'stale') else ''}",
        text_at(secret, "status", "since"),
    )
