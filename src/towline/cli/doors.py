"""``towline doors``: what a project allows where credentials leave, beyond the doors themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.client import opened
from towline.cli.documents import Document, at, documents_at, number_at, text_at
from towline.cli.failure import Failure
from towline.cli.output import say, show_one

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from towline.cli.client import Client
    from towline.cli.flags import Verbs

DESCRIPTION = """\
By default nothing is kept by tools for the time in which the server is out of reach, and no cluster's
service account tokens are believed. Project admins change that here.
"""
EXAMPLES = """\
examples:
  towline doors show
  towline doors set --offline-minutes 480
  kubectl get --raw /openid/v1/jwks > jwks.json
  towline doors trust https://kubernetes.default.svc.cluster.local --audience towline --jwks jwks.json \\
      --allow 'prod/*=prod-registry' --allow 'ci/builder=ci-*'
  towline doors distrust https://kubernetes.default.svc.cluster.local
"""
_PATH = "/v2/credentials/policy/"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    group = flags.verbs(parser)
    flags.output(
        flags.verb(group, "show", _show, summary="show what is allowed", examples="towline doors show")
    )
    set_ = flags.verb(
        group,
        "set",
        _set,
        summary="set what is allowed",
        examples="towline doors set --offline-minutes 480",
    )
    set_.add_argument(
        "--offline-minutes",
        metavar="N",
        type=int,
        required=True,
        help="how long tools may go on with what they were given while the server is out of reach; 0: never",
    )
    flags.output(set_)
    _configure_trust(group)
    distrust = flags.verb(
        group,
        "distrust",
        _distrust,
        summary="believe it no more",
        examples="towline doors distrust https://kubernetes.default.svc.cluster.local",
    )
    distrust.add_argument("issuer", metavar="ISSUER")
    flags.output(distrust)


def run(args: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    code: int = args.do(args)
    return code


def _configure_trust(group: Verbs) -> None:
    trust = flags.verb(
        group,
        "trust",
        _trust,
        summary="believe a cluster's service account tokens",
        examples="towline doors trust https://kubernetes.default.svc.cluster.local --audience towline \\\n"
        "      --jwks jwks.json --allow 'prod/*=prod-registry'",
    )
    trust.add_argument("issuer", metavar="ISSUER", help="the tokens' iss")
    trust.add_argument("--audience", metavar="NAME", required=True, help="what the kubelet asks them for")
    trust.add_argument("--jwks", metavar="FILE", required=True, help="the cluster's public keys")
    trust.add_argument(
        "--allow",
        metavar="NAMESPACE/ACCOUNT=SECRET",
        action="append",
        required=True,
        help="who may have which secret; all three may end in '*'",
    )
    flags.output(trust)


def _show(args: argparse.Namespace) -> int:
    return _shown(opened(args).get(_PATH), args.output)


def _set(args: argparse.Namespace) -> int:
    client = opened(args)
    issuers = documents_at(client.get(_PATH), "spec", "issuers")
    return _put(args, client, args.offline_minutes, issuers)


def _trust(args: argparse.Namespace) -> int:
    client = opened(args)
    present = client.get(_PATH)
    issuer: Document = {
        "issuer": args.issuer,
        "audience": args.audience,
        "jwks": _jwks(args.jwks),
        "workloads": [_workload(each) for each in args.allow],
    }
    others = _others(present, args.issuer)
    return _put(args, client, number_at(present, "spec", "offlineMinutes"), [*others, issuer])


def _distrust(args: argparse.Namespace) -> int:
    client = opened(args)
    present = client.get(_PATH)
    others = _others(present, args.issuer)
    if len(others) == len(documents_at(present, "spec", "issuers")):
        raise Failure(f"{args.issuer} is not trusted; `towline doors show` lists who is", code=3)
    return _put(args, client, number_at(present, "spec", "offlineMinutes"), others)


def _put(args: argparse.Namespace, client: Client, minutes: int, issuers: Sequence[Document]) -> int:
    body = {"kind": "DoorPolicy", "spec": {"offlineMinutes": minutes, "issuers": list(issuers)}}
    return _shown(client.call("PUT", _PATH, body), args.output)


def _others(policy: Document, issuer: str) -> list[Document]:
    return [each for each in documents_at(policy, "spec", "issuers") if text_at(each, "issuer") != issuer]


def _workload(text: str) -> Document:
    account, equals, secrets = text.partition("=")
    namespace, slash, name = account.partition("/")
    if not (equals and slash and namespace and name and secrets):
        raise Failure(f"--allow {text!r}: write NAMESPACE/ACCOUNT=SECRET", code=2)
    return {"namespace": namespace, "serviceAccount": name, "secrets": secrets.split(",")}


def _jwks(path: str) -> object:
    try:
        return json.loads(Path(path).read_bytes())
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}", code=2) from error
    except (ValueError, RecursionError) as error:
        raise Failure(f"{path} is not JSON", code=2) from error


def _shown(policy: Document, output: str) -> int:
    show_one(policy, output, details=_details)
    if output == "table":
        for issuer in documents_at(policy, "spec", "issuers"):
            for row in documents_at(issuer, "workloads"):
                names = at(row, "secrets")
                secrets = " ".join(map(str, names)) if isinstance(names, list) else ""
                who = f"{text_at(row, 'namespace')}/{text_at(row, 'serviceAccount')}"
                say(f"  {text_at(issuer, 'issuer')}: {who} may have {secrets}")
    return 0


def _details(policy: Document) -> list[tuple[str, str]]:
    minutes = number_at(policy, "spec", "offlineMinutes")
    trusted = [text_at(each, "issuer") for each in documents_at(policy, "spec", "issuers")]
    return [
        ("Offline", f"{minutes} minutes" if minutes else "never"),
        ("Trusted clusters", " ".join(trusted) or "none"),
    ]
