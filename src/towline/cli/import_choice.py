"""Which of the logins that were found are imported, under which names; all are checked before any is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from towline.cli import flags
from towline.cli.failure import Failure
from towline.cli.import_report import place_of, short
from towline.cli.output import clean
from towline.cli.secret_documents import API_VERSION
from towline.domain.errors import InvalidInput
from towline.domain.secret import DockerDraft

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from towline.cli.documents import Document
    from towline.domain.importing import Candidate

_BAD, _NONE = 2, 3


def renamed(found: Sequence[Candidate], renames: Mapping[str, str]) -> tuple[Candidate, ...]:
    """Return the logins under the names that ``--rename`` gives; raise Failure for one that means none."""
    result = list(found)
    for old, new in renames.items():
        places = [at for at, each in enumerate(found) if each.is_at(old)]
        if len(places) != 1:
            what = "no login" if not places else f"{len(places)} logins"
            raise Failure(f"--rename {old}={new}: {old!a} means {what}; {_there(found)}", code=_BAD)
        result[places[0]] = found[places[0]].named(new)
    return tuple(result)


def chosen(
    args: argparse.Namespace, found: Sequence[Candidate], rows: Sequence[Document]
) -> tuple[Candidate, ...]:
    """Return what the flags or the user choose; raise Failure where nobody does."""
    usable = tuple(each for each in found if not each.entry.problem)
    if args.only:
        return tuple(dict.fromkeys(each for text in args.only for each in _only(text, found)))
    if args.all:
        return usable
    if not sys.stdin.isatty():
        raise Failure("say which: --all, or --only HOST; --dry-run shows what is there", code=_BAD)
    for each in found:
        if each.entry.problem:
            _write(f"  -  {each.name}: {place_of(each)}: {short(each)}\n")
    return _asked(usable, [row for row in rows if not row["outcome"]])


def login_of(candidate: Candidate) -> Document:
    """Return a login as the server is sent it."""
    entry = candidate.entry
    return {"registry": entry.registry, "username": entry.username, "password": entry.password.reveal()}


def documents(chosen: Sequence[Candidate], *, email: str) -> list[Document]:
    """Return the secrets to create; raise Failure for the first that is not legal, before any is created."""
    names = [each.name for each in chosen]
    for name in names:
        if names.count(name) > 1:
            raise Failure(f"two logins would be called {name!a}; use --rename", code=_BAD)
    return [_document(each, each.entry.email or email) for each in chosen]


def confirm(args: argparse.Namespace, chosen: Sequence[Candidate]) -> None:
    """Ask on a terminal; elsewhere the flags have said it."""
    if not chosen:
        raise Failure("nothing was chosen, nothing was imported", code=_NONE)
    if sys.stdin.isatty():
        flags.confirm(args, f"Import {', '.join(each.name for each in chosen)}?")


def _document(candidate: Candidate, email: str) -> Document:
    login = login_of(candidate)
    try:
        DockerDraft.checked(
            candidate.name,
            registry=candidate.entry.registry,
            username=candidate.entry.username,
            password=candidate.entry.password.reveal(),
            email=email,
            labels={},
        )
    except InvalidInput as error:
        raise Failure(f"{place_of(candidate)}: {error}; nothing was imported", code=_BAD) from None
    return {
        "apiVersion": API_VERSION,
        "kind": "Secret",
        "metadata": {"name": candidate.name},
        "spec": {"type": "Docker", "docker": {**login, "email": email}},
    }


def _only(text: str, found: Sequence[Candidate]) -> Sequence[Candidate]:
    matching = [each for each in found if each.is_at(text)]
    if not matching:
        raise Failure(f"--only {text}: no login of it was found; {_there(found)}", code=_NONE)
    usable = [each for each in matching if not each.entry.problem]
    if not usable:
        raise Failure(f"--only {text}: {short(matching[0])}; nothing was imported", code=_BAD)
    return usable


def _there(found: Sequence[Candidate]) -> str:
    return f"there are {', '.join(dict.fromkeys(each.registry for each in found[:20]))}"


def _asked(usable: Sequence[Candidate], rows: Sequence[Document]) -> tuple[Candidate, ...]:
    """Ask on the terminal which are wanted, and under which names."""
    for number, (each, row) in enumerate(zip(usable, rows, strict=True), 1):
        _write(f"{number:3}  {each.name}: {place_of(each)}, user {each.entry.username}, {row['verdict']}\n")
    answer = _answer("Import which? Numbers such as 1,3; a = all; nothing = none: ")
    if answer.lower() in ("a", "all"):
        picked = list(usable)
    else:
        picked = [_numbered(word, usable) for word in answer.replace(",", " ").split()]
    names = [_answer(f"Name for {place_of(each)} [{each.name}]: ") for each in picked]
    return tuple(each.named(name or each.name) for each, name in zip(picked, names, strict=True))


def _numbered(word: str, usable: Sequence[Candidate]) -> Candidate:
    if not (word.isascii() and word.isdigit()) or not 1 <= int(word) <= len(usable):
        raise Failure(f"{word!a} is not a number from 1 to {len(usable)}; nothing was imported", code=_BAD)
    return usable[int(word) - 1]


def _answer(question: str) -> str:
    _write(question)
    return sys.stdin.readline().strip()


def _write(text: str) -> None:
    sys.stderr.write(clean(text))
    sys.stderr.flush()
