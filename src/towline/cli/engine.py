"""``towline engine``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.client import part, project_named, signed_in
from towline.cli.documents import at, text_at
from towline.cli.engine_documents import engine_document, sizes
from towline.cli.output import say, show, show_one, tell

if TYPE_CHECKING:
    import argparse

    from towline.cli.documents import Document

DESCRIPTION = """\
Where containers run. An installation has one engine of its own; more can be added while it runs: Docker
Engines, swarms, Kubernetes clusters. A deployment names its engine (towline deploy --engine NAME), or gets
its project's default, or the installation's, and stays there. Only the installation's admins may.
"""
EXAMPLES = """\
examples:
  towline engine add shed unix:///run/docker-2.sock
  towline engine add rack1 tcp://10.0.0.7:2376 --tls-ca ca.pem --tls-cert cert.pem --tls-key key.pem
  towline engine add rack2 ssh://towline@rack2.example.com
  towline engine add herd  ssh://towline@manager.example.com --kind swarm
  kubectl config view --raw --flatten --minify | towline engine add prod kubernetes --kubeconfig -
  towline engine list
  towline engine set-default rack1 --project robots
  towline engine images rack1 --collect
  towline engine remove rack2
"""

_COLUMNS = ("NAME", "KIND", "ADDRESS", "HEALTH", "SINCE", "VERSION", "DEPLOYMENTS", "DEFAULT")
_IMAGES = ("IMAGE", "SIZE", "USED", "OURS")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    group = flags.verbs(parser)
    _configure_add(group)
    verb = flags.verb(
        group, "list", _list, summary="list the engines", examples="towline engine list -o json"
    )
    flags.output(verb)
    for name, do, summary in (
        ("show", _show, "show an engine, and how it fares"),
        ("check", _check, "ask an engine now whether it answers; exit code 8 where it does not"),
    ):
        verb = flags.verb(group, name, do, summary=summary, examples=f"towline engine {name} rack1")
        _named(verb)
        flags.output(verb)
    _configure_defaults(group)
    images = flags.verb(
        group,
        "images",
        _images,
        summary="list the images that an engine keeps, or delete those that nothing needs",
        examples="towline engine images rack1\n  towline engine images rack1 --collect --yes",
    )
    _named(images)
    images.add_argument(
        "--collect", action="store_true", help="delete what Towline had pulled and nothing needs any more"
    )
    flags.yes(images)
    flags.output(images)
    remove = flags.verb(
        group, "remove", _remove, summary="forget an engine", examples="towline engine remove rack2 --yes"
    )
    _named(remove)
    remove.add_argument(
        "--force",
        action="store_true",
        help="also while deployments live there: their containers stay behind, and nobody here ends them",
    )
    flags.yes(remove)


def _configure_add(group: flags.Verbs) -> None:
    add = flags.verb(
        group,
        "add",
        _add,
        summary="add an engine; it must answer",
        examples="towline engine add rack1 tcp://10.0.0.7:2376 --tls-ca ca.pem --tls-cert cert.pem"
        " --tls-key key.pem\n  towline engine add rack2 ssh://towline@rack2.example.com",
    )
    _named(add)
    add.add_argument(
        "address",
        metavar="ADDRESS",
        help="unix:///SOCKET, tcp://HOST:PORT, ssh://[USER@]HOST[:PORT][/SOCKET], or kubernetes",
    )
    add.add_argument(
        "--kind", choices=("docker", "swarm"), default="docker", help="what answers there (default: docker)"
    )
    add.add_argument("--network", metavar="NAME", help="network of its containers: host, none or a name")
    for key, what in (
        ("ca", "the authority's certificate"),
        ("cert", "our certificate"),
        ("key", "its private key"),
    ):
        add.add_argument(f"--tls-{key}", metavar="FILE", help=f"{what}, PEM, for tcp://")
    add.add_argument("--kubeconfig", metavar="FILE", help="the cluster's kubeconfig; - reads standard input")
    add.add_argument("--context", metavar="NAME", help="context of the kubeconfig; else its current one")
    add.add_argument("--namespace", metavar="NAME", help="one namespace for all projects of the cluster")
    add.add_argument("--namespace-prefix", metavar="TEXT", help="what the namespaces of projects begin with")
    add.add_argument("--platform", metavar="OS/ARCH", help="what the cluster's nodes run, as linux/arm64")
    flags.output(add)


def _configure_defaults(group: flags.Verbs) -> None:
    for name, do, summary in (
        (
            "set-default",
            _set_default,
            "make an engine what new deployments get, with --project in one project",
        ),
        ("unset-default", _unset_default, "take a default back, with --project a project's"),
    ):
        example = f"towline engine {name} rack1\n  towline engine {name} rack1 --project robots"
        verb = flags.verb(group, name, do, summary=summary, examples=example)
        _named(verb)
        flags.output(verb)


def run(args: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    code: int = args.do(args)
    return code


def _add(args: argparse.Namespace) -> int:
    body = engine_document(args)
    show_one(signed_in(args).call("POST", "/v2/engines/", body), args.output, details=_details)
    return 0


def _list(args: argparse.Namespace) -> int:
    show(signed_in(args).items("/v2/engines/"), args.output, columns=_COLUMNS, row=_row)
    return 0


def _show(args: argparse.Namespace) -> int:
    show_one(signed_in(args).get(_path(args)), args.output, details=_details)
    return 0


def _check(args: argparse.Namespace) -> int:
    engine = signed_in(args).call("POST", f"{_path(args)}check/")
    show_one(engine, args.output, details=_details)
    return 0 if at(engine, "status", "answers") is True else 8


def _set_default(args: argparse.Namespace) -> int:
    client = signed_in(args)
    body = (
        {"project": text_at(project_named(client, args.project), "metadata", "guid")} if args.project else {}
    )
    show_one(client.call("PUT", f"{_path(args)}default/", body), args.output, details=_details)
    return 0


def _unset_default(args: argparse.Namespace) -> int:
    client = signed_in(args)
    query = ""
    if args.project:
        query = f"?project={part(text_at(project_named(client, args.project), 'metadata', 'guid'))}"
    show_one(client.call("DELETE", f"{_path(args)}default/{query}"), args.output, details=_details)
    return 0


def _images(args: argparse.Namespace) -> int:
    client = signed_in(args)
    if args.collect:
        flags.confirm(args, f"Delete the images of {args.name!r} that Towline had pulled and nothing needs?")
        deleted = client.call("POST", f"{_path(args)}images/collect/")
        tell(f"{text_at(deleted, 'deleted')} deleted")
    kept = client.get(f"{_path(args)}images/")
    if args.output != "table":
        show_one(kept, args.output, details=lambda _: ())
        return 0
    images = at(kept, "images")
    show(images if isinstance(images, list) else [], "table", columns=_IMAGES, row=_image)
    say(f"disk: {sizes(at(kept, 'disk_used'))} used, {sizes(at(kept, 'disk_free'))} free")
    return 0


def _remove(args: argparse.Namespace) -> int:
    client = signed_in(args)
    engine = client.get(_path(args))
    living = at(engine, "status", "deployments")
    left = f" Its {living} deployments stay behind there, and nobody here ends them." if living else ""
    flags.confirm(args, f"Forget the engine {args.name!r}?{left if args.force else ''}")
    client.call("DELETE", f"{_path(args)}{'?force=true' if args.force else ''}")
    say(f"engine {args.name} is removed")
    return 0


def _named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")


def _path(args: argparse.Namespace) -> str:
    return f"/v2/engines/{part(args.name)}/"


def _health(engine: Document) -> str:
    return "answers" if at(engine, "status", "answers") is True else "out of reach"


def _details(engine: Document) -> list[tuple[str, str]]:
    projects = at(engine, "status", "default_of")
    names = [text_at(each, "name") for each in projects] if isinstance(projects, list) else []
    finding = at(engine, "status", "finding")
    return [
        ("Name", text_at(engine, "metadata", "name")),
        ("Kind", text_at(engine, "spec", "kind")),
        ("Address", text_at(engine, "spec", "address")),
        ("Network", text_at(engine, "spec", "network")),
        ("Namespaces", text_at(engine, "spec", "namespace")),
        ("Health", f"{_health(engine)} since {text_at(engine, 'status', 'since')}"),
        ("Trouble", text_at(engine, "status", "finding", "detail") if finding else ""),
        ("Version", text_at(engine, "status", "version")),
        ("Deployments", text_at(engine, "status", "deployments")),
        ("Default", ", ".join((["of the installation"] if _is_default(engine) else []) + names)),
    ]


def _is_default(engine: Document) -> bool:
    return at(engine, "status", "default") is True


def _row(engine: Document) -> tuple[str, ...]:
    return (
        text_at(engine, "metadata", "name"),
        text_at(engine, "spec", "kind"),
        text_at(engine, "spec", "address"),
        _health(engine),
        text_at(engine, "status", "since"),
        text_at(engine, "status", "version"),
        text_at(engine, "status", "deployments"),
        "yes" if _is_default(engine) else "",
    )


def _image(image: Document) -> tuple[str, ...]:
    return (
        text_at(image, "reference"),
        sizes(at(image, "size")),
        "yes" if at(image, "used") is True else "no",
        "yes" if at(image, "ours") is True else "no",
    )
