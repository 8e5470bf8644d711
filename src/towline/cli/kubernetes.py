"""``towline kubernetes``: Towline on a cluster, a look at its pull secrets, and what kubelets need to ask."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

from towline.cli import contexts, flags, kubernetes_install
from towline.cli.asking_cluster import asked
from towline.cli.failure import Failure
from towline.cli.output import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

DESCRIPTION = """\
Says what the pull secrets of a cluster are worth and why pods wait for images, installs Towline itself
there, or prints what a node's kubelet needs so that no password lives on it or in a namespace.
"""
EXAMPLES = """\
examples:
  towline kubernetes scan
  towline kubernetes scan --namespace shop -o json
  towline kubernetes doctor --context prod
  towline kubernetes install --image registry.example.com/towline:0.1.0 | less
  towline kubernetes install --image registry.example.com/towline:0.1.0 --context prod --apply
  towline kubernetes uninstall --context prod
  towline kubernetes provider-config --match registry.example.com --match '*.example.com' > towline.yaml
  towline kubernetes provider-config --match registry.example.com --audience towline
"""
PROGRAM = "towline-kubelet-provider"
_PATTERN = re.compile(r"[A-Za-z0-9*](?:[A-Za-z0-9.*-]*[A-Za-z0-9*])?(?::[0-9]{1,5})?(?:/[a-z0-9._/-]+)?")
_DURATION = re.compile(r"(?:[0-9]+(?:h|m|s))+")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    group = flags.verbs(parser)
    config = flags.verb(
        group,
        "provider-config",
        _provider_config,
        summary="print the kubelet's configuration for its image credential provider",
        examples="towline kubernetes provider-config --match registry.example.com:5000",
    )
    config.add_argument(
        "--match",
        metavar="PATTERN",
        action="append",
        required=True,
        help="images to ask for: host[:port][/path]; `*` stands for one part of the host",
    )
    config.add_argument(
        "--audience",
        metavar="NAME",
        help="have the kubelet send service accounts' tokens for this audience (Kubernetes 1.33 and later)",
    )
    config.add_argument(
        "--token-file", metavar="FILE", default="/etc/towline/token", help="the node's token (%(default)s)"
    )
    config.add_argument("--ca-file", metavar="FILE", help="the CA of the server's certificate, on the node")
    config.add_argument(
        "--cache", metavar="DURATION", default="1m", help="defaultCacheDuration (default: %(default)s)"
    )

    _configure_scan(group)
    kubernetes_install.configure(group)


def _configure_scan(group: flags.Verbs) -> None:
    scan = flags.verb(
        group,
        "scan",
        _scan,
        summary="try the pull secrets of a cluster at their registries, and say why pods wait for images",
        examples="towline kubernetes scan --context prod --namespace shop",
    )
    _cluster(scan)
    scan.add_argument(
        "--platform", metavar="OS/ARCH", default="linux/amd64", help="what nodes run (%(default)s)"
    )
    flags.output(scan, flags.TABLE_OR_JSON)
    doctor = flags.verb(
        group,
        "doctor",
        _doctor,
        summary="ask a cluster whether the engine may do what it needs, and what stands in its way",
        examples="towline kubernetes doctor --kubeconfig towline.kubeconfig\n"
        "  towline kubernetes doctor --namespace apps --try-in apps",
    )
    _cluster(doctor)
    doctor.add_argument("--mirrors", action="store_true", help="ask also for what mirrored secrets need")
    doctor.add_argument(
        "--try-in",
        metavar="NAMESPACE",
        default="",
        help="ask the API server what it would say there to each kind of object that the engine sends:"
        " policies and webhooks speak too, and nothing is kept",
    )
    flags.output(doctor, flags.TABLE_OR_JSON)


def _cluster(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kubeconfig", metavar="FILE", default="", help="the cluster [KUBECONFIG]")
    parser.add_argument("--context", metavar="NAME", default="", help="context of the kubeconfig")
    parser.add_argument("--namespace", metavar="NAME", default="", help="only this one (default: all)")


def run(args: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    code: int = args.do(args)
    return code


def _scan(args: argparse.Namespace) -> int:
    """Scan from this machine, with the user's own rights in the cluster; no server is asked."""
    from towline import scanning
    from towline.cli import cluster_scan

    where = {"kubeconfig": args.kubeconfig, "context": args.context, "namespace": args.namespace}
    report = asked(scanning.scan(**where, platform=args.platform))
    cluster_scan.show(report, args.output)
    return 0 if report.is_well else 6


def _doctor(args: argparse.Namespace) -> int:
    from towline import scanning
    from towline.cli import cluster_doctor

    where = {"kubeconfig": args.kubeconfig, "context": args.context, "namespace": args.namespace}
    examined = asked(scanning.examine(**where, mirrors=args.mirrors, trial=args.try_in))
    cluster_doctor.show(examined, namespace=args.namespace, output=args.output)
    return 0 if examined.is_well else 6


def _provider_config(args: argparse.Namespace) -> int:
    context = contexts.resolve(args, os.environ)
    for pattern in args.match:
        if not _PATTERN.fullmatch(pattern):
            rule = "write host[:port][/path] without scheme, for example '*.example.com'"
            raise Failure(f"--match {pattern!r} is no pattern of images; {rule}", code=2)
    if not _DURATION.fullmatch(args.cache):
        raise Failure(f"--cache {args.cache!r} is no duration; write it as 1m or 90s", code=2)
    environment = {"TOWLINE_SERVER": context.server, "TOWLINE_TOKEN_FILE": args.token_file}
    if args.ca_file:
        environment["TOWLINE_CA"] = args.ca_file
    say(_INSTRUCTIONS.format(program=PROGRAM, token=args.token_file).rstrip())
    for line in _lines(args, environment):
        say(line)
    return 0


def _lines(args: argparse.Namespace, environment: dict[str, str]) -> Sequence[str]:
    """Return the document; JSON's way of writing a text is YAML's too."""
    lines = [
        "apiVersion: kubelet.config.k8s.io/v1",
        "kind: CredentialProviderConfig",
        "providers:",
        f"  - name: {PROGRAM}",
        "    apiVersion: credentialprovider.kubelet.k8s.io/v1",
        f"    defaultCacheDuration: {json.dumps(args.cache)}",
        "    matchImages:",
        *(f"      - {json.dumps(pattern)}" for pattern in args.match),
        "    env:",
    ]
    for name, value in environment.items():
        lines += [f"      - name: {name}", f"        value: {json.dumps(value)}"]
    if args.audience:
        lines += [
            "    tokenAttributes:",
            f"      serviceAccountTokenAudience: {json.dumps(args.audience)}",
            "      cacheType: ServiceAccount",
            "      requireServiceAccount: false",
        ]
    return lines


_INSTRUCTIONS = """\
# 1. Make a token for the nodes:
#      towline token create nodes --scope 'secrets:use:prod-*' --days 365 --save token
#    and put it on each node as {token}, readable by root alone.
# 2. Install Towline's programs there, and link {program} into one folder, for example
#      /usr/local/libexec/kubelet-credential-providers
# 3. Start the kubelet with
#      --image-credential-provider-config=/etc/towline/provider.yaml (this file)
#      --image-credential-provider-bin-dir=/usr/local/libexec/kubelet-credential-providers
"""
