"""From the arguments of ``towline engine add`` to the engine that is asked for, and sizes for people."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from towline.cli.failure import Failure

if TYPE_CHECKING:
    import argparse

    from towline.cli.documents import Document

_CLUSTER = "kubernetes"
_UNITS = ("B", "kB", "MB", "GB", "TB")


def engine_document(args: argparse.Namespace) -> Document:
    """Return the engine that the arguments ask for; raise Failure for a file that cannot be read."""
    is_cluster = args.address == _CLUSTER
    spec: Document = {"kind": _CLUSTER if is_cluster else args.kind}
    if not is_cluster:
        spec["address"] = args.address
    elif not args.kubeconfig:
        raise Failure("a cluster needs --kubeconfig FILE, or - for standard input", code=2)
    tls = {
        name: _read(path)
        for name, path in (("ca", args.tls_ca), ("cert", args.tls_cert), ("key", args.tls_key))
        if path
    }
    if tls and "ca" not in tls:
        raise Failure("--tls-cert and --tls-key need --tls-ca: whom would they be shown to?", code=2)
    if tls:
        spec["tls"] = tls
    if args.kubeconfig:
        spec["kubeconfig"] = sys.stdin.read() if args.kubeconfig == "-" else _read(args.kubeconfig)
    for key, text in (
        ("network", args.network),
        ("context", args.context),
        ("namespace", args.namespace),
        ("namespacePrefix", args.namespace_prefix),
        ("platform", args.platform),
    ):
        if text:
            spec[key] = text
    return {"kind": "Engine", "metadata": {"name": args.name}, "spec": spec}


def sizes(number: object) -> str:
    """Return bytes for people; ``unknown`` for what nobody told."""
    if not isinstance(number, int):
        return "unknown"
    size, unit = float(number), 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"


def _read(path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}", code=2) from error
    except UnicodeDecodeError as error:
        raise Failure(f"{path} is no text file", code=2) from error
