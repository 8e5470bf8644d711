"""Flags of a docker pull secret whose login Towline mints, and what they ask for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from towline.cli.documents import at, text_at
from towline.cli.failure import Failure

if TYPE_CHECKING:
    import argparse

    from towline.cli.documents import Document

KINDS = "ecr, google, acr or github-app"
_MOST = 64 << 10


def add(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    group = parser.add_argument_group(
        "docker pull secret whose login Towline mints",
        "Instead of username and password: Towline makes the registry's short-lived login from a parent "
        "credential, tries it, and renews it before it ends.",
    )
    group.add_argument("--mint", metavar="KIND", help=f"by whose rules: {KINDS}")
    group.add_argument(
        "--mint-key-file",
        metavar="FILE",
        help="the parent credential as the provider gave it out; - reads standard input",
    )
    group.add_argument(
        "--mint-setting",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a setting of the kind, such as region=eu-west-1 or installation-id=4711; can be repeated",
    )


def mint_asked(args: argparse.Namespace, present: Document) -> Document | None:
    """Return ``spec.docker.mint`` as the flags ask for it, None where the login is typed.

    ``present`` is ``spec.docker`` of what is replaced: its kind and settings hold where no flag says
    otherwise.
    """
    kept = at(present, "mint")
    kept = kept if isinstance(kept, dict) and not args.password_stdin else {}
    if not (args.mint or args.mint_key_file or args.mint_setting or kept):
        return None
    if args.username or args.password_stdin:
        raise Failure("--mint goes without --username and --password-stdin: Towline makes both", code=2)
    kind = args.mint or text_at(kept, "kind")
    if not kind:
        raise Failure(f"--mint KIND is missing: {KINDS}", code=2)
    if not args.mint_key_file:
        raise Failure(
            "--mint-key-file FILE is missing: the parent credential; - reads it from standard input", code=2
        )
    settings = at(kept, "settings") if kind == text_at(kept, "kind") else None
    given = dict(_pair(text) for text in args.mint_setting)
    return {
        "kind": kind,
        "settings": {**(settings if isinstance(settings, dict) else {}), **given},
        "key": _key(args.mint_key_file),
    }


def minting_details(secret: Document) -> list[tuple[str, str]]:
    """Return what is told of a secret's minting, as label and text; all empty where nothing is minted."""
    kind = text_at(secret, "spec", "docker", "mint", "kind")
    settings = at(secret, "spec", "docker", "mint", "settings")
    listed = settings.items() if isinstance(settings, dict) else ()
    failures = at(secret, "status", "mint", "failures")
    return [
        ("Minted by", f"Towline ({kind})" if kind else ""),
        ("Settings", ", ".join(f"{name}={text}" for name, text in listed)),
        (
            "Valid until",
            text_at(secret, "status", "mint", "valid_until") or ("not minted yet" if kind else ""),
        ),
        ("Next renewal", text_at(secret, "status", "mint", "renews_at")),
        ("Failed tries", str(failures) if failures else ""),
    ]


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Failure(f"--mint-setting {text!a}: write it as NAME=VALUE", code=2)
    return name, value


def _key(path: str) -> str:
    """Return the file's text, byte for byte: a private key must survive its way."""
    try:
        content = sys.stdin.buffer.read(_MOST + 1) if path == "-" else Path(path).read_bytes()
        text = content.decode()
    except UnicodeDecodeError as error:
        raise Failure(f"{path} is not UTF-8 text", code=2) from error
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}", code=2) from error
    if not text.strip():
        raise Failure(f"{path} is empty: the parent credential is missing", code=2)
    return text
