"""What ``towline credential`` finds out, and how it is shown."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from towline.cli.credential_files import named_source, places_for, sources_for
from towline.cli.credential_programs import Helpers, default_store
from towline.cli.output import say
from towline.domain.errors import InvalidInput
from towline.domain.json_text import NotJson, read_json
from towline.domain.kubernetes_secret import is_kubernetes, secrets_in
from towline.domain.readers.answers import Kind, answered
from towline.domain.readers.config_file import Form, Source
from towline.domain.readers.resolving import resolving
from towline.domain.readers.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towline.cli.documents import Document
    from towline.domain.image import ImageReference
    from towline.domain.readers.answers import HelperAnswer, HelperQuestion, Resolution
    from towline.domain.readers.explaining import Explanation
    from towline.domain.readers.rules import Reader


@dataclass(frozen=True)
class Question:
    """An image, and the files that are to be looked at instead of a tool's own; none: the tool's own."""

    image: ImageReference
    files: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)

    def answer(self, reader: Reader) -> Resolution:
        """Return what ``reader`` would use; raise InvalidInput or Failure for a file that cannot be read."""
        sources = self._named if self.files else sources_for(reader, self.environ)
        store = default_store(self.environ) if RULES[reader].finds_store else ""
        walk = resolving(reader, self.image, sources, found_store=store)
        found = answered(walk, self._ask)
        if sources:
            return found
        looked = ", ".join(str(place.path) for place in places_for(reader, self.environ))
        return replace(found, reasons=(f"none of its files is there: {looked}", *found.reasons))

    def _ask(self, question: HelperQuestion) -> HelperAnswer:
        """Ask each helper once, whoever of the readers wants to know."""
        if question not in self._heard:
            self._heard[question] = Helpers(self.environ).answer(question)
        return self._heard[question]

    @cached_property
    def _heard(self) -> dict[HelperQuestion, HelperAnswer]:
        return {}

    @cached_property
    def _named(self) -> tuple[Source, ...]:
        return tuple(source for file in self.files for source in unpacked(named_source(file)))


def unpacked(source: Source) -> Sequence[Source]:
    """Return the files of credentials in the Kubernetes Secrets of a source, else the source as it is."""
    documents = _documents(source)
    if not any(is_kubernetes(each) for each in documents):
        return (source,)
    found = []
    for secret in (each for document in documents for each in secrets_in(document)):
        name = f"{source.name}, Secret {secret.name or '?'}"
        if secret.problem and not secret.is_other:
            raise InvalidInput(name, problem=secret.problem)
        if not secret.is_other:
            found.append(Source(name, secret.text, Form.DOCKERCFG if secret.is_flat else Form.CONFIG))
    if not found:
        raise InvalidInput(source.name, problem="holds no Secret of type kubernetes.io/dockerconfigjson")
    return found


def show(found: Resolution, others: Sequence[Resolution], output: str, *, reveal: bool) -> None:
    """Print docker's answer, or that of the one reader that was asked for, and the others beside it."""
    document = _document(found, reveal=reveal)
    if others:
        document["others"] = [_document(each, reveal=reveal) for each in others]
    if output != "table":
        _print(document, output)
        return
    _lines(document)
    for reason in found.reasons:
        say(f"  because {reason}")
    for other in others:
        _other_line(found, other)


def show_explanation(found: Explanation, output: str, *, reveal: bool) -> None:
    """Print what an auth value holds."""
    document: Document = {
        "form": found.form.value,
        "username": found.username,
        "hasPassword": bool(found.password),
    }
    if reveal:
        document["password"] = found.password.reveal()
    document["problems"] = [
        {"code": each.code, "problem": each.problem, "fix": each.fix} for each in found.traps
    ]
    document["readers"] = {reader.value: problem or "accepts it" for reader, problem in found.refusals}
    if output != "table":
        _print(document, output)
        return
    say(f"{'Form:':10} {found.form.value}")
    say(f"{'Username:':10} {found.username or '(none)'}  (left of the first colon)")
    shown = found.password.reveal() if reveal else "given, not shown" if found.password else "(none)"
    say(f"{'Password:':10} {shown}  (all that is right of it)")
    for trap in found.traps:
        say(f"  {trap.code}: {trap.problem}; {trap.fix}")
    for reader, problem in found.refusals:
        say(f"  {RULES[reader].title}: {f'refuses it, as it {problem}' if problem else 'accepts it'}")


def _document(found: Resolution, *, reveal: bool) -> Document:
    document: Document = {
        "image": found.image,
        "reader": found.reader.value,
        "source": found.source,
        "key": found.key,
        "kind": found.kind.value,
        "username": found.username,
        "reasons": list(found.reasons),
    }
    if reveal:
        document["password"] = found.secret.reveal()
    return document


def _lines(document: Document) -> None:
    names = ("image", "reader", "source", "key", "kind", "username", "password")
    for name in names:
        if document.get(name):
            say(f"{f'{name.capitalize()}:':10} {document[name]}")


def _other_line(found: Resolution, other: Resolution) -> None:
    title = RULES[other.reader].title
    same = (found.kind, found.key, found.username, found.secret, found.source)
    is_same = same == (other.kind, other.key, other.username, other.secret, other.source)
    if other.kind is Kind.NONE:
        say(f"{title}: {'also ' if is_same else ''}nothing: {other.reasons[-1]}")
    elif is_same:
        say(f"{title}: the same")
    else:
        say(f"{title}: {other.kind.value} of user {other.username!r}, key {other.key!r}, from {other.source}")
    if is_same:
        return
    for reason in other.reasons:
        say(f"  because {reason}")


def _documents(source: Source) -> Sequence[object]:
    """Return a source's documents where it may be of Kubernetes; none for anything else."""
    bare = source.text.lstrip("\ufeff \t\r\n")
    if source.form is not Form.CONFIG or "kind" not in bare:
        return ()
    if bare.startswith("{"):
        try:
            return (read_json(bare).value,)
        except NotJson:
            return ()  # the reader says where
    from towline.cli.yaml_text import load_yaml

    try:
        return load_yaml(bare)
    except InvalidInput as error:
        raise error.within(source.name) from None


def _print(document: Document, output: str) -> None:
    if output == "json":
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return
    import yaml

    sys.stdout.write(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
