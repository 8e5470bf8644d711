"""Reading a pasted text: which form it has, and what it holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from towline.domain.credential import Password
from towline.domain.errors import InvalidInput
from towline.domain.json_text import NotJson, read_json
from towline.domain.kubernetes_secret import SecretText, is_kubernetes, secrets_in
from towline.domain.pasted import (
    FIRST_COLON,
    LARGEST,
    MOST_ENTRIES,
    LoadYaml,
    Pasted,
    PastedEntry,
    PastedForm,
    entries_of_config,
    entry_of_auth,
    store_of,
)
from towline.domain.pasted_commands import read_command
from towline.domain.token_texts import unbase64

FORMS = (
    "a docker login command, a config.json, a kubectl create secret docker-registry command, "
    "a Kubernetes Secret, or an auth value"
)


def read_pasted(text: str, *, load_yaml: LoadYaml, largest: int = LARGEST) -> Pasted:
    """Return what a pasted text holds; raise InvalidInput naming the place where it cannot be read."""
    if len(text.encode(errors="replace")) > largest:
        size = f"{largest >> 10} KiB" if largest < 1 << 20 else f"{largest >> 20} MiB"
        raise InvalidInput("pasted", problem=f"is larger than {size}", rule="paste one file or command")
    bare = text.lstrip("\ufeff").strip()
    if not bare:
        raise InvalidInput("pasted", problem="is empty", rule=f"paste {FORMS}")
    if bare.startswith("{"):
        return _document(_json(bare))
    if command := read_command(bare):
        return command
    if "kind:" in bare or "auths:" in bare:
        return _documents(load_yaml(bare))
    return _bare_value(bare.strip("\"'"))


def _json(text: str) -> object:
    try:
        return read_json(text, joined=frozenset({"auths", "credhelpers"})).value
    except NotJson as error:
        rule = "paste the whole file, from the first { to the last }"
        raise InvalidInput("pasted", problem=str(error), rule=rule) from None


def _documents(documents: Iterable[object]) -> Pasted:
    return _joined([_document(each) for each in documents if each is not None])


def _joined(found: Sequence[Pasted]) -> Pasted:
    """Return what several documents hold as one."""
    entries = tuple(entry for each in found for entry in each.entries)
    if len(entries) > MOST_ENTRIES:
        raise InvalidInput("pasted", problem="holds too many secrets", rule=f"paste at most {MOST_ENTRIES}")
    notes = tuple(dict.fromkeys(note for each in found for note in each.notes))
    form = next((each.form for each in found if each.entries), PastedForm.UNKNOWN)
    store = next((each.store for each in found if each.store), "")
    notes = notes or (() if entries else (f"Nothing of use was found: paste {FORMS}.",))
    return Pasted(form, entries, notes, store)


def _document(document: object) -> Pasted:
    if not isinstance(document, Mapping):
        return _unknown()
    if is_kubernetes(document):
        return _joined([_secret(each) for each in secrets_in(document)])
    names = {each.lower() for each in document if isinstance(each, str)}
    if {"auths", "credsstore", "credhelpers"} & names:
        entries = entries_of_config(document)
        notes = () if entries else _why_empty(store_of(document))
        return Pasted(PastedForm.CONFIG_JSON, entries, notes, store_of(document))
    if document and all(isinstance(each, Mapping) and "auth" in each for each in document.values()):
        return Pasted(PastedForm.CONFIG_JSON, entries_of_config({"auths": document}))
    return _unknown()


def _why_empty(store: str) -> tuple[str, ...]:
    if store:
        why = f"The file names no registry: all logins are kept by the credential helper {store[:40]!r}."
        return (f"{why} To see which: docker-credential-{store[:40]} list",)
    return ("The file names no registry: nobody has logged in with it.",)


def _secret(secret: SecretText) -> Pasted:
    """Read a Kubernetes Secret."""
    if secret.is_other:
        note = "The Secret is not one for pulling: its type is not kubernetes.io/dockerconfigjson."
        return Pasted(PastedForm.KUBERNETES, (), (note,))
    if secret.problem:
        entry = PastedEntry(name=secret.name, problem=secret.problem)
        return Pasted(PastedForm.KUBERNETES, (entry,))
    config = _json(secret.text)
    if not isinstance(config, Mapping):
        return _unknown()
    inner = {"auths": config} if secret.is_flat else config
    return Pasted(PastedForm.KUBERNETES, entries_of_config(inner, name=secret.name))


def _bare_value(text: str) -> Pasted:
    """Read an ``auth`` value, a whole config in base64, or ``username:password`` as it is."""
    if any(letter.isspace() for letter in text):
        return _unknown()
    decoded = unbase64(text)
    if decoded[:1] == b"{":
        return _document(_json(decoded.decode(errors="replace")))
    if b":" in decoded:
        entry = entry_of_auth(text)
        return Pasted(PastedForm.AUTH, (entry,), ("The value names no registry: choose it below.",))
    username, colon, password = text.partition(":")
    if colon and username and password and not password.startswith("//"):
        how = FIRST_COLON.replace("the decoded auth", "the text")
        entry = PastedEntry(username=username, password=Password(password), how=how)
        return Pasted(PastedForm.AUTH, (entry,), ("The text names no registry: choose it below.",))
    return _unknown()


def _unknown() -> Pasted:
    return Pasted(PastedForm.UNKNOWN, (), (f"This was not recognised: paste {FORMS}.",))
