"""``towline credential``: which credential a tool would use, what an auth value holds; no server is asked."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.failure import Failure

if TYPE_CHECKING:
    import argparse

    from towline.cli.flags import Verbs

DESCRIPTION = """\
Look into the files in which docker, podman, the kubelet and oras keep credentials, on this machine and
without asking a server. No password is printed unless --reveal says so.
"""
EXAMPLES = """\
examples:
  towline credential resolve registry.example.com/team/app:1.0
  towline credential resolve jane/app --reader kubelet --file secret.yaml -o json
  jq -r '.auths[].auth' ~/.docker/config.json | towline credential decode -
"""

_READERS = ("docker", "containers", "kubelet", "oras")
_FORMATS = ("table", "json", "yaml")
_NONE = 3
_BAD = 2


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    group = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    for parser_ in (_resolve_parser(group), _decode_parser(group)):
        parser_.add_argument("--reveal", action="store_true", help="show the password too")
        flags.output(parser_, _FORMATS)


def _resolve_parser(group: Verbs) -> argparse.ArgumentParser:
    import argparse

    resolve = group.add_parser(
        "resolve",
        help="tell which credential a tool would use for an image, and by which rule",
        description=(
            "Tell which credential a tool would use for an image, and by which rule. Without --reader\n"
            "docker's answer is shown, and what the others would do. Exit code 3: none would be used;\n"
            "2: a file cannot be read."
        ),
        epilog="examples:\n  towline credential resolve jane/app:1.0 --reader docker -o json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    resolve.set_defaults(do=_resolve)
    resolve.add_argument("image", metavar="IMAGE")
    resolve.add_argument(
        "--file",
        metavar="FILE",
        action="append",
        default=[],
        help="read this config.json, auth.json, .dockercfg or Kubernetes Secret instead of the tool's own "
        "files; - reads standard input; may be repeated",
    )
    resolve.add_argument("--reader", choices=_READERS, help="the tool (containers: podman, skopeo, CRI-O)")
    return resolve


def _decode_parser(group: Verbs) -> argparse.ArgumentParser:
    import argparse

    decode = group.add_parser(
        "decode",
        help="explain an authorization token (the auth of a config.json)",
        description=(
            "Explain an authorization token: the username is what is left of the first colon of the decoded\n"
            "text, the password all that is right of it. Exit code 2: docker would not take it."
        ),
        epilog='examples:\n  printf %s "$AUTH" | towline credential decode -',
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    decode.set_defaults(do=_decode)
    decode.add_argument(
        "auth", metavar="AUTH", help="the token; - reads it from standard input, where no other user sees it"
    )
    return decode


def run(args: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    code: int = args.do(args)
    return code


def _resolve(args: argparse.Namespace) -> int:
    from towline.cli import credential_answers
    from towline.domain.errors import InvalidInput
    from towline.domain.image import ImageReference
    from towline.domain.readers.answers import Kind
    from towline.domain.readers.rules import Reader

    try:
        image = ImageReference.parse(args.image)
        asked = credential_answers.Question(image, tuple(args.file), os.environ)
        readers = [Reader(args.reader)] if args.reader else list(Reader)
        found, *others = (asked.answer(reader) for reader in readers)
    except InvalidInput as error:
        raise Failure(str(error), code=_BAD) from None
    credential_answers.show(found, others, args.output, reveal=args.reveal)
    return _NONE if found.kind is Kind.NONE else 0


def _decode(args: argparse.Namespace) -> int:
    from towline.cli import credential_answers
    from towline.cli.output import tell
    from towline.domain.credential import Password
    from towline.domain.readers.explaining import LARGEST, explained

    if args.auth == "-":
        text = sys.stdin.buffer.read(LARGEST + 1).decode(errors="replace").removesuffix("\n")
    else:
        text = args.auth
        tell("note: an argument is seen by everybody on this machine; `towline credential decode -` is not")
    if len(text) > LARGEST:
        raise Failure("the token is longer than 64 KiB; auth values are not", code=_BAD)
    if not text.strip():
        raise Failure("the token is empty; give base64 of username:password", code=_BAD)
    found = explained(Password(text))
    credential_answers.show_explanation(found, args.output, reveal=args.reveal)
    return 0 if found.is_sound else _BAD
