"""``towline secret mirror``: a docker pull secret kept in namespaces of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.client import opened, part
from towline.cli.documents import at, documents_at, text_at
from towline.cli.failure import Failure
from towline.cli.output import say, show, show_one, tell

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from towline.cli.documents import Document
    from towline.cli.flags import Verbs

_COLUMNS = ("MIRROR", "ENGINE", "NAMESPACE", "STATE", "VERSION", "SERVICE ACCOUNTS", "WHY")


def add(group: Verbs) -> None:
    """Add the verbs."""
    mirror = group.add_parser(
        "mirror",
        help="keep a docker pull secret in namespaces of a cluster",
        description="Keep a docker pull secret in namespaces of a Kubernetes cluster, for what Towline"
        " does not deploy: always the newest version, put right when somebody changes it.",
    )
    verbs = mirror.add_subparsers(dest="mirror_verb", metavar="COMMAND", required=True)
    _add_add(verbs)
    list_ = flags.verb(
        verbs,
        "list",
        _list,
        summary="tell how a secret's mirrors fare, by namespace",
        examples="towline secret mirror list prod-registry\n"
        "  towline secret mirror list prod-registry -o json",
    )
    list_.add_argument("name", metavar="SECRET")
    flags.output(list_)
    remove = flags.verb(
        verbs,
        "remove",
        _remove,
        summary="take away from the cluster exactly what a mirror put there",
        examples="towline secret mirror remove prod-registry --yes\n"
        "  towline secret mirror remove prod-registry mirror-abcdefghijklmnopqrstuvwx",
    )
    remove.add_argument("name", metavar="SECRET")
    remove.add_argument(
        "mirror", metavar="MIRROR", nargs="?", help="which one; needed where there are several"
    )
    flags.yes(remove)


def _add_add(verbs: Verbs) -> None:
    add_ = flags.verb(
        verbs,
        "add",
        _add,
        summary="keep a secret in namespaces, and on service accounts there",
        examples="towline secret mirror add prod-registry --namespace web --namespace shop\n"
        "  towline secret mirror add prod-registry --namespace-selector 'team in (web,shop)' \\\n"
        "      --service-account default --nudge\n"
        "  towline secret mirror add prod-registry --engine prod --namespace web",
    )
    add_.add_argument("name", metavar="SECRET")
    add_.add_argument(
        "--engine",
        metavar="NAME",
        help="in which cluster; by default the installation's own, or the only one",
    )
    add_.add_argument("--namespace", metavar="NAME", action="append", default=[], help="may be repeated")
    add_.add_argument(
        "--namespace-selector", metavar="LABELS", default="", help="also every namespace with these labels"
    )
    add_.add_argument(
        "--service-account",
        metavar="NAME",
        action="append",
        default=[],
        help="its pods pull with the secret by themselves; may be repeated",
    )
    add_.add_argument("--secret-name", metavar="NAME", help="what it is called there; by default as here")
    add_.add_argument(
        "--nudge",
        action="store_true",
        help="delete pods that wait for an image because they were made too early, where something"
        " (a ReplicaSet, a Job) makes them anew",
    )
    flags.output(add_)


def _add(args: argparse.Namespace) -> int:
    spec: Document = {
        "namespaces": args.namespace,
        "namespaceSelector": args.namespace_selector,
        "serviceAccounts": args.service_account,
        "nudge": args.nudge,
    }
    if args.secret_name:
        spec["secretName"] = args.secret_name
    if args.engine:
        spec["engine"] = args.engine
    path = f"/v2/secrets/{part(args.name)}/mirrors/"
    made = opened(args).call("POST", path, {"kind": "SecretMirror", "spec": spec})
    show_one(made, args.output, details=_details)
    tell("whoever may read secrets in these namespaces can read it there; the audit trail tells of each copy")
    return 0


def _list(args: argparse.Namespace) -> int:
    mirrors = opened(args).items(f"/v2/secrets/{part(args.name)}/mirrors/")
    if args.output != "table":
        show(mirrors, args.output, columns=_COLUMNS, row=_row, name=_guid)
        return 0
    rows = [
        {
            **place,
            "mirror": _guid(mirror),
            "engine": text_at(mirror, "spec", "engine"),
            "mirrorState": text_at(mirror, "status", "state"),
        }
        for mirror in mirrors
        for place in documents_at(mirror, "status", "namespaces")
        or [{"namespace": "-", "state": "waiting", "reason": "nothing was done yet"}]
    ]
    show(rows, args.output, columns=_COLUMNS, row=_row)
    for row in rows:
        for pod in _texts(row, "waitingPods"):
            say(f"  {text_at(row, 'namespace')}/{pod}")
    return 0


def _remove(args: argparse.Namespace) -> int:
    client = opened(args)
    path = f"/v2/secrets/{part(args.name)}/mirrors/"
    guid = args.mirror or _only([_guid(each) for each in client.items(path)], args.name)
    question = (
        f"Take the mirror {guid} of {args.name!r} away? What is made there from now on pulls without it."
    )
    flags.confirm(args, question)
    client.call("DELETE", f"{path}{part(guid)}/")
    say(f"mirror {guid} is being taken away; `towline secret mirror list {args.name}` shows when it is gone")
    return 0


def _only(guids: Sequence[str], secret: str) -> str:
    match guids:
        case []:
            raise Failure(f"the secret {secret} has no mirror", code=3)
        case [guid]:
            return guid
        case _:
            raise Failure(f"the secret {secret} has several mirrors: name one of {', '.join(guids)}", code=2)


def _guid(mirror: Document) -> str:
    return text_at(mirror, "metadata", "guid")


def _row(place: Document) -> tuple[str, ...]:
    leaving = text_at(place, "mirrorState") == "leaving"
    return (
        text_at(place, "mirror"),
        text_at(place, "engine"),
        text_at(place, "namespace"),
        "leaving" if leaving else text_at(place, "state"),
        text_at(place, "version"),
        " ".join(_texts(place, "serviceAccounts")),
        text_at(place, "reason"),
    )


def _details(mirror: Document) -> list[tuple[str, str]]:
    spec = at(mirror, "spec")
    return [
        ("Mirror", _guid(mirror)),
        ("Engine", text_at(mirror, "spec", "engine")),
        ("Namespaces", " ".join(_texts(spec, "namespaces"))),
        ("Selector", text_at(mirror, "spec", "namespaceSelector")),
        ("Service accounts", " ".join(_texts(spec, "serviceAccounts"))),
        ("Secret there", text_at(mirror, "spec", "secretName")),
        ("Nudge", "yes" if at(mirror, "spec", "nudge") else "no"),
    ]


def _texts(document: object, name: str) -> list[str]:
    found = document.get(name) if isinstance(document, dict) else None
    return [str(each) for each in found] if isinstance(found, list) else []
