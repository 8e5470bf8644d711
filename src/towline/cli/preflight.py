"""``towline preflight``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.client import opened
from towline.cli.failure import Failure
from towline.cli.manifests import read_manifests
from towline.cli.pull_questions import ask, questions_of, show_answers

if TYPE_CHECKING:
    import argparse

    from towline.cli.documents import Document

DESCRIPTION = "Ask the registries whether images can be pulled with a secret; nothing is downloaded."
EXAMPLES = """\
examples:
  towline preflight registry.example.com/team/app:1.0 --secret my-registry
  towline preflight --package talker --version v1.0.0
  towline preflight -f talker.yaml -o json

Exit code 0: all can be pulled; 6: at least one cannot; 8: nobody could tell.
"""

_KINDS = ("Package", "Deployment", "Secret")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("images", metavar="IMAGE", nargs="*")
    parser.add_argument("--secret", metavar="NAME", help="the docker pull secret to try")
    parser.add_argument("--package", metavar="NAME", help="try all images of a package instead")
    parser.add_argument("--version", default="", help="the package's version")
    parser.add_argument(
        "-f",
        "--file",
        metavar="FILE",
        help="try all images of the YAML documents in FILE; - reads standard input",
    )
    flags.connection(parser)
    flags.output(parser)


def run(args: argparse.Namespace) -> int:
    """Ask; return 0, 6 or 8."""
    questions = _questions(args)
    code, items = ask(opened(args), questions)
    show_answers(items, args.output)
    return code


def _questions(args: argparse.Namespace) -> list[Document]:
    if sum(map(bool, (args.images, args.package, args.file))) != 1:
        raise Failure("give images, --package or -f", code=2)
    if args.secret and not args.images:
        raise Failure("packages name their own secrets; leave --secret out", code=2)
    if args.package:
        return [{"package": {"name": args.package, "version": args.version}}]
    if args.images:
        return [{"images": [{"image": image, "secret": args.secret} for image in args.images]}]
    questions = questions_of(read_manifests(args.file, kinds=_KINDS))
    if not questions:
        raise Failure(f"{args.file} names no image", code=2)
    return questions
