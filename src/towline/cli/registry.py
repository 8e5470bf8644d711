"""``towline registry``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.client import opened, part
from towline.cli.documents import Document, at, text_at
from towline.cli.failure import Failure
from towline.cli.output import say, show, show_one

if TYPE_CHECKING:
    import argparse

DESCRIPTION = (
    "Settings of registries in a project: a private CA, plain HTTP, a proxy, hosts of token servers."
)
EXAMPLES = """\
examples:
  towline registry set registry.example.com --ca company-ca.pem
  towline registry set 10.0.0.7:5000 --plain-http
  towline registry list
"""

_COLUMNS = ("REGISTRY", "CA", "PLAIN HTTP", "PROXY", "REALM HOSTS")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    group = flags.verbs(parser)
    set_ = flags.verb(
        group,
        "set",
        _set,
        summary="put a registry's settings in place, as a whole",
        examples="towline registry set registry.example.com --ca company-ca.pem",
    )
    set_.add_argument("host", metavar="HOST[:PORT]")
    set_.add_argument("--ca", metavar="FILE", help="PEM file with the CA's certificate")
    set_.add_argument("--plain-http", action="store_true", help="speak HTTP without TLS")
    set_.add_argument("--proxy", metavar="URL", help="reach it through this proxy")
    set_.add_argument(
        "--realm-host", metavar="HOST", action="append", default=[], help="a token server to trust"
    )
    flags.output(set_)
    flags.output(
        flags.verb(group, "list", _list, summary="list registries", examples="towline registry list")
    )
    show_ = flags.verb(
        group,
        "show",
        _show,
        summary="show a registry's settings",
        examples="towline registry show registry.example.com",
    )
    show_.add_argument("host", metavar="HOST[:PORT]")
    flags.output(show_)
    delete = flags.verb(
        group,
        "delete",
        _delete,
        summary="delete a registry's settings",
        examples="towline registry delete registry.example.com --yes",
    )
    delete.add_argument("host", metavar="HOST[:PORT]")
    flags.yes(delete)


def run(args: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    code: int = args.do(args)
    return code


def _set(args: argparse.Namespace) -> int:
    spec: Document = {"plainHTTP": args.plain_http}
    if args.ca:
        spec["ca"] = _certificate(args.ca)
    if args.proxy:
        spec["proxy"] = args.proxy
    if args.realm_host:
        spec["realmHosts"] = args.realm_host
    client = opened(args)
    body = {"kind": "Registry", "metadata": {"name": args.host}, "spec": spec}
    show_one(client.call("PUT", _path(args.host), body), args.output, details=_details)
    return 0


def _list(args: argparse.Namespace) -> int:
    rows = opened(args).items("/v2/registries/")
    show(rows, args.output, columns=_COLUMNS, row=lambda each: [value for _, value in _details(each)])
    return 0


def _show(args: argparse.Namespace) -> int:
    show_one(opened(args).get(_path(args.host)), args.output, details=_details)
    return 0


def _delete(args: argparse.Namespace) -> int:
    client = opened(args)
    flags.confirm(args, f"Delete the settings of {args.host!r}?")
    client.call("DELETE", _path(args.host))
    say(f"settings of {args.host} are deleted")
    return 0


def _path(host: str) -> str:
    return f"/v2/registries/{part(host)}/"


def _certificate(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}", code=2) from error
    except UnicodeDecodeError as error:
        raise Failure(f"{path} is not a PEM file", code=2) from error


def _details(registry: Document) -> list[tuple[str, str]]:
    hosts = at(registry, "spec", "realmHosts")
    return [
        ("Registry", text_at(registry, "metadata", "name")),
        ("CA", "given" if at(registry, "spec", "ca") else ""),
        ("Plain HTTP", "yes" if at(registry, "spec", "plainHTTP") else "no"),
        ("Proxy", text_at(registry, "spec", "proxy")),
        ("Realm hosts", ", ".join(map(str, hosts)) if isinstance(hosts, list) else ""),
    ]
