"""``towline secret``: what is typed at the prompt; the documents are made in ``secret_documents``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.cli import findings, flags
from towline.cli.client import opened, part
from towline.cli.documents import at, text_at
from towline.cli.output import say, show, show_one, tell
from towline.cli.secret_documents import document

if TYPE_CHECKING:
    import argparse

    from towline.cli.documents import Document

SUMMARY = "keep docker pull secrets and other secrets"
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
  towline secret verify my-registry --image registry.example.com/team/app:1.0
"""

_COLUMNS = ("NAME", "TYPE", "REGISTRY", "USERNAME", "VERDICT", "CHECKED")
_BAD = 6
_UNCERTAIN = 8


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    group = flags.verbs(parser)
    create = flags.verb(group, "create", _create, summary="create a secret", examples=_example("create"))
    update = flags.verb(
        group, "update", _update, summary="replace a secret, value included", examples=_example("update")
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


def run(args: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    code: int = args.do(args)
    return code


def _example(verb: str) -> str:
    return (
        f'printf %s "$PASSWORD" | towline secret {verb} my-registry --registry registry.example.com:5000 \\\n'
        "      --username robot --password-stdin\n"
        f"  towline secret {verb} app-keys --opaque --from-file TLS_KEY=key.pem"
    )


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
    return _shown(client.call("PUT", path, document(args, client), query=_requirement(args)), args.output)


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
    return 0


def _details(secret: Document) -> list[tuple[str, str]]:
    keys = at(secret, "spec", "secretKeys")
    return [
        ("Name", text_at(secret, "metadata", "name")),
        ("Type", text_at(secret, "spec", "type")),
        ("Registry", text_at(secret, "spec", "docker", "registry")),
        ("Username", text_at(secret, "spec", "docker", "username")),
        ("E-mail", text_at(secret, "spec", "docker", "email")),
        ("Keys", ", ".join(map(str, keys)) if isinstance(keys, list) else ""),
        ("Verdict", text_at(secret, "status", "verdict")),
        ("Checked", text_at(secret, "status", "checked_at")),
        ("Image", text_at(secret, "status", "image")),
    ]


def _row(secret: Document) -> tuple[str, ...]:
    return (
        text_at(secret, "metadata", "name"),
        text_at(secret, "spec", "type"),
        text_at(secret, "spec", "docker", "registry"),
        text_at(secret, "spec", "docker", "username"),
        text_at(secret, "status", "verdict"),
        text_at(secret, "status", "checked_at"),
    )
