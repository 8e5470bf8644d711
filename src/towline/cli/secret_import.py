"""``towline secret import``: logins of this machine become docker pull secrets, as the user chooses."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.client import Client, opened, part
from towline.cli.documents import Document, text_at
from towline.cli.failure import ApiError, Failure
from towline.cli.import_report import seen
from towline.cli.output import tell
from towline.cli.secret_documents import own_address, pair

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from towline.domain.importing import Candidate

EXAMPLES = """\
towline secret import --dry-run
  towline secret import --only registry.example.com --rename registry.example.com=team-registry
  towline secret import --file regcred.yaml --all -o json
  towline secret import --from-kubernetes --namespace shop --all"""

_AT_ONCE = 8
_NONE = 3


def configure(group: flags.Verbs) -> None:
    """Add the verb."""
    import_ = flags.verb(
        group,
        "import",
        run,
        summary="make pull secrets of the logins that docker, podman or Kubernetes keep here",
        examples=EXAMPLES,
    )
    import_.add_argument(
        "--file",
        metavar="FILE",
        action="append",
        default=[],
        help="a config.json, auth.json, .dockercfg or Kubernetes Secret (YAML or JSON); - reads standard "
        "input; by default all files of docker and podman",
    )
    import_.add_argument("--from-kubernetes", action="store_true", help="read a cluster's pull secrets")
    import_.add_argument("--context", metavar="NAME", help="context of the kubeconfig")
    import_.add_argument("--namespace", metavar="NAME", help="namespace in the cluster")
    import_.add_argument("--secret", metavar="NAME", help="this Secret of the cluster alone")
    import_.add_argument("--all", action="store_true", help="import every login that can be used")
    import_.add_argument(
        "--only", metavar="HOST", action="append", default=[], help="import this registry's; may be repeated"
    )
    import_.add_argument(
        "--rename", metavar="OLD=NEW", action="append", default=[], help="call a secret (or a host's) NEW"
    )
    import_.add_argument("--replace", action="store_true", help="replace secrets of the same name")
    import_.add_argument(
        "--require-verified", action="store_true", help="import only what the registry accepts now"
    )
    import_.add_argument("--dry-run", action="store_true", help="show what is there, and create nothing")
    import_.add_argument(
        "--helper-timeout", metavar="SECONDS", type=float, default=30.0, help="wait so long for a helper"
    )
    flags.yes(import_)
    flags.output(import_)


def run(args: argparse.Namespace) -> int:
    """Find, show, choose, check, create; return the exit code."""
    from towline.cli import import_choice, import_report
    from towline.cli.secret_candidates import gather

    found = import_choice.renamed(gather(args), dict(pair(text, flag="--rename") for text in args.rename))
    if not found:
        raise Failure("no login was found; --file FILE names a file, `docker login` makes one", code=_NONE)
    client = _client(args)
    # Who has chosen already is told what the registry said when the secret was made: one login, not two.
    is_asked = args.dry_run or not (args.all or args.only)
    rows = import_report.rows(found, _verdicts(client if is_asked else None, found))
    if args.dry_run or client is None:
        import_report.plan(rows, taken=_names(client), replaces=args.replace)
        return import_report.shown(rows, args.output)
    if all(row["outcome"] for row in rows):
        return import_report.shown(rows, args.output) or _NONE
    chosen = import_choice.chosen(args, found, rows)
    documents = import_choice.documents(chosen, email=own_address(client))
    import_choice.confirm(args, chosen)
    places = [each.entry for each in found]
    for candidate, document in zip(chosen, documents, strict=True):
        rows[places.index(candidate.entry)] |= {"name": candidate.name, **_created(client, document, args)}
    return import_report.shown(rows, args.output)


def _client(args: argparse.Namespace) -> Client | None:
    """Return a client; None for a dry run of somebody who is not signed in."""
    try:
        return opened(args)
    except Failure as failure:
        if not args.dry_run or isinstance(failure, ApiError):
            raise
        tell(f"note: {failure}; logins are not tried")
        return None


def _names(client: Client | None) -> set[str]:
    return {text_at(each, "metadata", "name") for each in client.items("/v2/secrets/")} if client else set()


def _verdicts(client: Client | None, found: Sequence[Candidate]) -> list[Document]:
    """Return what the server says to each login that can be used; it keeps none of them."""
    from concurrent.futures import ThreadPoolExecutor

    from towline.cli.import_choice import login_of

    def ask(candidate: Candidate) -> Document:
        if client is None or candidate.entry.problem:
            return {}
        return Client(client.context).call("POST", "/v2/credentials/verify/", login_of(candidate))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(ask, found))


def _created(client: Client, document: Document, args: argparse.Namespace) -> Document:
    """Create or replace one secret; return its outcome, also where the server refuses it."""
    query = {"require": "verified"} if args.require_verified else {}
    name = text_at(document, "metadata", "name")
    try:
        made = client.call("POST", "/v2/secrets/", document, query=query)
        outcome = "created"
    except ApiError as error:
        if error.status != HTTPStatus.CONFLICT or not args.replace:
            return _refused(error)
        try:
            made = client.call("PUT", f"/v2/secrets/{part(name)}/", document, query=query)
            outcome = "updated"
        except ApiError as again:
            return _refused(again)
    return {"outcome": outcome, **seen(made.get("status"))}


def _refused(error: ApiError) -> Document:
    reason = str(error).partition("\n")[0]
    match error.status:
        case HTTPStatus.CONFLICT:
            hint = "--replace puts this one in its place, --rename gives another name"
            return {"outcome": "exists", "reason": f"{reason}; {hint}"}
        case HTTPStatus.PRECONDITION_FAILED:
            return {"outcome": "not verified", "reason": reason}
        case _:
            return {"outcome": "failed", "reason": reason}
