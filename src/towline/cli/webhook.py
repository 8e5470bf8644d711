"""``towline webhook``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.client import opened, part
from towline.cli.documents import at, text_at
from towline.cli.output import say, show, show_one, tell

if TYPE_CHECKING:
    import argparse

    from towline.cli.documents import Document

DESCRIPTION = """\
Tell a web server, Slack or a mailbox when a secret's verdict or a deployment's phase changes. What is
posted is signed: X-Towline-Signature holds t=SECONDS,v1=HEX, HMAC-SHA256 over SECONDS.BODY.
"""
EXAMPLES = """\
examples:
  towline webhook create ops --url https://hooks.example.com/towline
  towline webhook create slack --url https://hooks.slack.com/services/T0/B0/x --format slack
  towline webhook create mail --url mailto:ops@example.com --kind secret.verdict-changed
  towline webhook test ops
"""

_COLUMNS = ("NAME", "TARGET", "FORMAT", "WAITING", "GIVEN UP", "LAST TROUBLE")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    group = flags.verbs(parser)
    example = "towline webhook create ops --url https://hooks.example.com/towline"
    create = flags.verb(group, "create", _create, summary="create a webhook", examples=example)
    create.add_argument("name", metavar="NAME")
    create.add_argument("--url", required=True, help="https://..., or mailto:ADDRESS")
    create.add_argument(
        "--format", choices=("json", "slack", "email"), help="by default json, or email for mailto"
    )
    create.add_argument(
        "--kind", action="append", default=[], help="only this kind of event; may be repeated"
    )
    flags.output(create)
    list_ = flags.verb(
        group, "list", _list, summary="list the webhooks", examples="towline webhook list -o json"
    )
    flags.output(list_)
    test = flags.verb(group, "test", _test, summary="send a test event", examples="towline webhook test ops")
    delete = flags.verb(
        group, "delete", _delete, summary="delete a webhook", examples="towline webhook delete ops --yes"
    )
    for parser_ in (test, delete):
        parser_.add_argument("name", metavar="NAME")
    flags.yes(delete)


def run(args: argparse.Namespace) -> int:
    """Run the verb; return the exit code."""
    code: int = args.do(args)
    return code


def _create(args: argparse.Namespace) -> int:
    spec: Document = {"url": args.url, "kinds": args.kind}
    if args.format:
        spec["format"] = args.format
    body = {"kind": "Webhook", "metadata": {"name": args.name}, "spec": spec}
    made = opened(args).call("POST", "/v2/webhooks/", body)
    show_one(made, args.output, details=_details)
    tell("keep the signing key: it is not shown again")
    return 0


def _list(args: argparse.Namespace) -> int:
    show(opened(args).items("/v2/webhooks/"), args.output, columns=_COLUMNS, row=_row)
    return 0


def _test(args: argparse.Namespace) -> int:
    opened(args).call("POST", f"/v2/webhooks/{part(args.name)}/test/", {})
    say("a test event is on its way; `towline webhook list` shows how it fared")
    return 0


def _delete(args: argparse.Namespace) -> int:
    client = opened(args)
    flags.confirm(args, f"Delete the webhook {args.name!r} and what waits for it?")
    client.call("DELETE", f"/v2/webhooks/{part(args.name)}/")
    say(f"webhook {args.name} is deleted")
    return 0


def _details(webhook: Document) -> list[tuple[str, str]]:
    kinds = at(webhook, "spec", "kinds")
    return [
        ("Name", text_at(webhook, "metadata", "name")),
        ("Target", text_at(webhook, "spec", "target")),
        ("Format", text_at(webhook, "spec", "format")),
        ("Kinds", ", ".join(map(str, kinds)) if isinstance(kinds, list) else ""),
        ("Signing key", text_at(webhook, "signingKey")),
    ]


def _row(webhook: Document) -> tuple[str, ...]:
    return (
        text_at(webhook, "metadata", "name"),
        text_at(webhook, "spec", "target"),
        text_at(webhook, "spec", "format"),
        text_at(webhook, "status", "waiting"),
        text_at(webhook, "status", "given_up"),
        text_at(webhook, "status", "last_trouble"),
    )
