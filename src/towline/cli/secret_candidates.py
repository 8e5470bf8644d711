"""Finding logins on this machine: files, variables, credential helpers, Kubernetes Secrets."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from towline.cli.credential_files import all_sources, named_source
from towline.cli.credential_programs import HelperFailed, Helpers
from towline.cli.failure import Failure
from towline.cli.output import tell
from towline.domain.credential import Credential
from towline.domain.errors import InvalidInput
from towline.domain.importing import candidates
from towline.domain.json_text import NotJson, read_json
from towline.domain.pasted import Pasted, PastedEntry, PastedForm, entries_of_config
from towline.domain.pasting import read_pasted
from towline.domain.readers.config_file import LARGEST, Form

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from towline.domain.importing import Candidate
    from towline.domain.readers.config_file import Source

_DOCUMENTS = (PastedForm.CONFIG_JSON, PastedForm.KUBERNETES)


def gather(args: argparse.Namespace) -> tuple[Candidate, ...]:
    """Return what the flags point at; raise Failure for a file that cannot be read."""
    helpers = Helpers(os.environ, args.helper_timeout)
    found = [(source.name, entry) for source in _sources(args) for entry in _entries(source, helpers)]
    return candidates((name, _checked(entry)) for name, entry in found)


def _sources(args: argparse.Namespace) -> tuple[Source, ...]:
    if args.from_kubernetes:
        if args.file:
            raise Failure("--file and --from-kubernetes do not go together", code=2)
        from towline.cli.kubernetes_secrets import cluster_sources

        return cluster_sources(context=args.context, namespace=args.namespace, secret=args.secret)
    if args.context or args.namespace or args.secret:
        raise Failure("--context, --namespace and --secret belong to --from-kubernetes", code=2)
    return tuple(named_source(file) for file in args.file) or all_sources(os.environ)


def _entries(source: Source, helpers: Helpers) -> Iterator[PastedEntry]:
    try:
        pasted = _read(source)
    except InvalidInput as error:
        raise Failure(f"{source.name}: {error.problem}", code=2) from None
    for entry in pasted.entries:
        yield _asked(entry, helpers) if entry.helper else entry
    if pasted.store:
        yield from _kept_by(pasted.store, helpers, {entry.place for entry in pasted.entries})
    elif not pasted.entries:
        for note in pasted.notes:
            tell(f"{source.name}: {note}")


def _read(source: Source) -> Pasted:
    if source.form is Form.DOCKERCFG:
        return Pasted(PastedForm.CONFIG_JSON, entries_of_config({"auths": _object(source.text)}))
    if not source.text.strip():
        return Pasted(PastedForm.CONFIG_JSON, notes=("it is empty",))
    pasted = read_pasted(source.text, load_yaml=_load_yaml, largest=LARGEST)
    if pasted.form not in _DOCUMENTS and source.text.lstrip().startswith("{"):
        return Pasted(PastedForm.CONFIG_JSON, notes=("it names no registry",))
    if pasted.form not in _DOCUMENTS:
        raise InvalidInput("file", problem="is neither a config.json nor a Kubernetes Secret")
    return pasted


def _load_yaml(text: str) -> Sequence[object]:
    from towline.cli.yaml_text import load_yaml

    return load_yaml(text)


def _object(text: str) -> dict[str, object]:
    try:
        found = read_json(text).value
    except NotJson as error:
        raise InvalidInput("file", problem=str(error)) from None
    if not isinstance(found, dict):
        raise InvalidInput("file", problem="is not a JSON object")
    return found


def _asked(entry: PastedEntry, helpers: Helpers) -> PastedEntry:
    """Return an entry with what its helper says; with the file's own login where that has none."""
    program = f"docker-credential-{entry.helper[:60]}"
    try:
        answer = helpers.get(entry.helper, entry.place)
        said = "has no login for it"
    except HelperFailed as failure:
        answer, said = None, str(failure)
    if answer is not None and answer.username and answer.secret:
        how = f"the credential helper {entry.helper!r} keeps it"
        return replace(
            entry,
            username=answer.username,
            password=answer.secret,
            how=how,
            problem="",
            advice="",
            is_empty=False,
        )
    if not entry.problem:
        return replace(entry, how=f"{entry.how}; {program} {said}")
    command = f"docker login {shlex.quote(entry.registry)}"
    problem = f"it holds nothing, and {program} {said}"
    return replace(entry, problem=problem, advice=entry.advice or command, is_empty=True)


def _kept_by(store: str, helpers: Helpers, known: set[str]) -> Iterator[PastedEntry]:
    """Yield the logins that only the helper for all registries knows of."""
    try:
        servers = helpers.servers(store)
    except HelperFailed as failure:
        tell(f"docker-credential-{store[:60]} {failure}")
        return
    named = entries_of_config({"auths": {place: {} for place in servers}, "credsStore": store})
    yield from (_asked(entry, helpers) for entry in named if entry.place not in known)


def _checked(entry: PastedEntry) -> PastedEntry:
    """Return an entry with its problem where its login is none that a secret can hold."""
    if entry.problem:
        return entry
    try:
        Credential(entry.username, entry.password)
    except InvalidInput as error:
        return replace(entry, problem=f"its {error.field} {error.problem}")
    return entry
