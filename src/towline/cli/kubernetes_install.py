"""``towline kubernetes install`` and ``uninstall``: Towline itself on a cluster."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.asking_cluster import asked
from towline.cli.failure import Failure
from towline.cli.output import say, tell
from towline.cli.secret_documents import pair

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from typing import Any

    from towline.engines.kubernetes.installation.carrying_out import Step
    from towline.engines.kubernetes.installation.options import Options

_NEXT_KEYRING = """\
These documents hold no keyring, and Towline waits for it. Make it once, and keep a copy:
  towline kubernetes install {options} --print-keyring | kubectl create -f -"""
_NEXT = """\
Towline runs. From this machine:
  kubectl -n {namespace} port-forward service/{name} 8420:{port}
and open {scheme}://localhost:8420. The first start wrote a one-time set-up link into the log:
  kubectl -n {namespace} logs deployment/{name} | grep setup"""


def configure(group: flags.Verbs) -> None:
    """Add the verbs."""
    install = flags.verb(
        group,
        "install",
        _install,
        summary="print or apply the manifests that run Towline itself on a cluster",
        examples="towline kubernetes install --image registry.example.com/towline:0.1.0 --apply",
    )
    _where(install)
    _what(install)
    _how_kept(install)
    _how_reached(install)
    _how(install)
    uninstall = flags.verb(
        group,
        "uninstall",
        _uninstall,
        summary="delete what install made on a cluster; data and keyring stay unless told otherwise",
        examples="towline kubernetes uninstall --namespace towline",
    )
    _where(uninstall)
    uninstall.add_argument(
        "--delete-data",
        action="store_true",
        help="delete the database's volume and the keyring too",
    )
    flags.yes(uninstall)


def _where(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kubeconfig", metavar="FILE", default="", help="the cluster [KUBECONFIG]")
    parser.add_argument("--context", metavar="NAME", default="", help="context of the kubeconfig")
    parser.add_argument("--namespace", default="towline", help="Towline's own namespace (%(default)s)")
    parser.add_argument("--name", default="towline", help="what its objects are called (%(default)s)")


def _what(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--image", metavar="IMAGE", required=True, help="Towline's image, built of deploy/Containerfile"
    )
    parser.add_argument("--image-pull-secret", metavar="SECRET", default="", help="what opens that image")
    parser.add_argument(
        "--watch-namespaces",
        metavar="NAMES",
        type=_names,
        default=(),
        help="give rights in these namespaces alone, with comma; packages run in the first, those of projects"
        " named by --set kubernetes_project_namespaces=GUID=NAMESPACE in theirs (default: the whole cluster,"
        " a namespace for each project)",
    )
    parser.add_argument(
        "--mirror-namespaces",
        metavar="NAMES",
        type=_names,
        default=(),
        help="namespaces into which secrets may be mirrored, with comma, for example 'web,shop-*'",
    )
    parser.add_argument("--cpu", metavar="AMOUNT", default="100m", help="asked for (%(default)s)")
    parser.add_argument(
        "--memory", metavar="AMOUNT", default="512Mi", help="asked for, and the most (%(default)s)"
    )
    parser.add_argument(
        "--set",
        metavar="SETTING=VALUE",
        dest="settings",
        action="append",
        default=[],
        help="any setting of `towline serve`, for example log_level=debug",
    )


def _how_kept(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--storage-class", metavar="NAME", default="", help="of the volume that SQLite is on")
    parser.add_argument("--storage-size", metavar="SIZE", default="10Gi", help="of it (%(default)s)")
    parser.add_argument(
        "--database-secret",
        metavar="SECRET",
        default="",
        help="use PostgreSQL instead of SQLite: the Secret with its URL under the key `url`",
    )
    parser.add_argument(
        "--replicas", metavar="N", type=int, default=1, help="more than one needs --database-secret"
    )
    parser.add_argument(
        "--keyring-secret",
        metavar="SECRET",
        default="towline-keyring",
        help="what holds the keyring; made if it is not there, never written again (%(default)s)",
    )


def _how_reached(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", metavar="NAME", default="", help="make an Ingress for this host name")
    parser.add_argument("--ingress-class", metavar="NAME", default="", help="of the Ingress")
    parser.add_argument("--ingress-tls-secret", metavar="SECRET", default="", help="its certificate")
    parser.add_argument(
        "--ingress-annotation", metavar="NAME=VALUE", action="append", default=[], help="for its controller"
    )
    parser.add_argument(
        "--tls-secret",
        metavar="SECRET",
        default="",
        help="certificate for HTTPS by Towline itself",
    )
    parser.add_argument(
        "--trusted-proxies",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="addresses or networks of the Ingress controller, whose X-Forwarded headers are believed",
    )
    parser.add_argument(
        "--allow-plain-http",
        action="store_true",
        help="make an Ingress without any certificate",
    )
    parser.add_argument(
        "--allow-from",
        metavar="NAMESPACE",
        action="append",
        default=[],
        help="who may connect to Towline (default: anybody with --tls-secret or --host, else nobody:"
        " kubectl port-forward works all the same)",
    )
    parser.add_argument(
        "--allow-metadata",
        action="store_true",
        help="let Towline ask the cloud's metadata address, for registries opened with the node's identity",
    )


def _how(parser: argparse.ArgumentParser) -> None:
    flags.output(parser, ("yaml", "json"), default="yaml")
    parser.add_argument("--apply", action="store_true", help="apply them and wait until Towline runs")
    parser.add_argument(
        "--dry-run", action="store_true", help="let the API server check everything and keep nothing"
    )
    parser.add_argument(
        "--force-conflicts", action="store_true", help="take over fields that somebody else has changed"
    )
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=float, default=300, help="wait so long (%(default)s)"
    )
    parser.add_argument(
        "--print-keyring",
        action="store_true",
        help="print nothing but a Secret with a fresh keyring: whoever sees it can open every credential",
    )
    parser.add_argument(
        "--new-keyring",
        action="store_true",
        help="make a keyring even if a database is there that needs the old one",
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def _install(args: argparse.Namespace) -> int:
    from towline import installing
    from towline.domain.errors import InvalidInput

    try:
        options = _options(args)
        installing.check_settings(options.settings)
    except InvalidInput as error:
        raise Failure(str(error), code=2) from error
    if args.print_keyring:
        _print([installing.keyring_document(options)], args.output)
    elif args.apply or args.dry_run:
        _carry_out(args, options)
    else:
        from towline.engines.kubernetes.installation import manifests

        _print(manifests.documents(options), args.output)
        tell(_NEXT_KEYRING.format(options=_same(args)))
    return 0


def _options(args: argparse.Namespace) -> Options:
    """Return what was asked for; raise InvalidInput or Failure."""
    from dataclasses import fields

    from towline.engines.kubernetes.installation.options import Options

    annotations = dict(pair(each, flag="--ingress-annotation") for each in args.ingress_annotation)
    given = vars(args) | {
        "settings": dict(pair(each, flag="--set") for each in args.settings),
        "ingress_annotations": annotations,
    }
    return Options(**{each.name: given[each.name] for each in fields(Options)})


def _print(documents: Sequence[dict[str, Any]], output: str) -> None:
    from towline.engines.kubernetes.installation import manifests

    write = manifests.as_json if output == "json" else manifests.as_yaml
    sys.stdout.write(write(documents))


def _same(args: argparse.Namespace) -> str:
    """Return the options that the keyring's Secret depends on, as they are typed."""
    words = [f"--image {args.image}"]
    for name, usual in (("namespace", "towline"), ("name", "towline"), ("keyring_secret", "towline-keyring")):
        if getattr(args, name) != usual:
            words.append(f"--{name.replace('_', '-')} {getattr(args, name)}")
    return " ".join(words)


def _carry_out(args: argparse.Namespace, options: Options) -> None:
    from towline import installing

    access = _access(args)
    asked(
        installing.install(
            options,
            access=access,
            tell=_told,
            force=args.force_conflicts,
            is_trial=args.dry_run,
            may_replace_keyring=args.new_keyring,
        )
    )
    if args.dry_run:
        say("The API server has kept nothing of this.")
        return
    trouble = asked(installing.trouble(options, access=access, seconds=args.timeout, tell=tell))
    if trouble:
        raise Failure(f"Towline does not run yet after {args.timeout:g} s: {trouble}", code=7)
    say(_NEXT.format(**_address(options)))


def _address(options: Options) -> Mapping[str, object]:
    from towline.engines.kubernetes.installation.network import service_port

    return {
        "namespace": options.namespace,
        "name": options.name,
        "port": service_port(options),
        "scheme": "https" if options.tls_secret else "http",
    }


def _told(step: Step) -> None:
    why = f"  ({step.why})" if step.why else ""
    say(f"{step.outcome:11} {step.subject}{why}")


def _access(args: argparse.Namespace) -> Mapping[str, str]:
    return {"kubeconfig": args.kubeconfig, "context": args.context}


def _uninstall(args: argparse.Namespace) -> int:
    from towline import installing
    from towline.domain.errors import InvalidInput
    from towline.engines.kubernetes.installation.options import Options

    try:
        options = Options(image="towline", name=args.name, namespace=args.namespace)
    except InvalidInput as error:
        raise Failure(str(error), code=2) from error
    access = _access(args)
    removal = asked(installing.planned_removal(options, access=access, with_data=args.delete_data))
    for note in removal.notes:
        tell(f"note: {note}")
    if not removal.doomed:
        raise Failure(f"no installation {args.name!r} is in namespace {args.namespace}", code=3)
    for target in removal.doomed:
        tell(f"to be deleted: {target.subject}")
    lost = " The database and the keyring are lost for good." if args.delete_data else ""
    flags.confirm(args, f"Delete these {len(removal.doomed)} objects?{lost}")
    asked(installing.remove(removal, access=access, tell=say))
    for target in removal.kept:
        say(f"kept    {target.subject}")
    say("What Towline deployed goes on running, labelled app.kubernetes.io/managed-by=towline.")
    return 0
