"""The form of a package, and the document that it makes: as clients send it, checked by the same code."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import msgspec

from towline.console.secret_form import sentence
from towline.domain.errors import InvalidInput
from towline.domain.image import ImageReference
from towline.wire import packages as wire
from towline.wire.metadata import API_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.console.forms import Form
    from towline.domain.package import PackageDraft

_COLUMNS = ("name", "image", "secret", "policy", "command", "cpu", "memory")
_POLICIES = ("IfNotPresent", "Always", "Never")
_EMPTY_VARIABLES = 2
_PLACE = re.compile(r"spec\.(?P<kind>executables|environmentVars)\[(?P<number>\d+)\](?:\.(?P<part>.+))?")
_EXECUTABLE_PARTS = {
    "name": "name",
    "docker.image": "image",
    "docker.pullSecret": "secret",
    "command": "command",
    "limits.cpu": "cpu",
    "limits.memory": "memory",
}
_VARIABLE_PARTS = {
    "name": "name",
    "default": "value",
    "valueFrom": "secret",
}
_WORDS = {"executable secret": "credential", "executable cpu": "processors"}


@dataclass(frozen=True, slots=True)
class ExecutableRow:
    """An executable as somebody filled it in; ``command`` has an argument on each line."""

    name: str = ""
    image: str = ""
    secret: str = ""
    policy: str = _POLICIES[0]
    command: str = ""
    cpu: str = ""
    memory: str = ""
    private: bool = False

    def document(self) -> Mapping[str, object]:
        """Return the executable as clients send it."""
        docker: dict[str, object] = {"image": self.image, "imagePullPolicy": self.policy}
        if self.private and self.secret:
            docker["pullSecret"] = {"depends": {"kind": "secret", "nameOrGUID": self.secret}}
        document: dict[str, object] = {"name": self.name, "type": "docker", "docker": docker}
        if arguments := [line for line in self.command.splitlines() if line]:
            document["command"] = arguments
        limits = {key: _number(text) for key, text in (("cpu", self.cpu), ("memory", self.memory)) if text}
        return document | ({"limits": limits} if limits else {})


@dataclass(frozen=True, slots=True)
class VariableRow:
    """An environment variable: a value, or an opaque secret and a key of it."""

    name: str = ""
    value: str = ""
    secret: str = ""
    key: str = ""

    def document(self) -> Mapping[str, object]:
        """Return the variable as clients send it."""
        if self.secret or self.key:
            ref = {"name": self.secret, "key": self.key}
            return {"name": self.name, "valueFrom": {"secretKeyRef": ref}}
        return {"name": self.name, "default": self.value}


@dataclass(frozen=True, slots=True)
class PackageForm:
    """The fields as somebody filled them in."""

    name: str = ""
    version: str = "v1.0.0"
    description: str = ""
    replicas: str = "1"
    executables: tuple[ExecutableRow, ...] = (ExecutableRow(name="app"),)
    variables: tuple[VariableRow, ...] = field(default=(VariableRow(),) * _EMPTY_VARIABLES)

    @classmethod
    def of(cls, form: Form) -> Self:
        """Return what was sent."""
        columns = [form.every(f"executable_{name}") for name in _COLUMNS]
        private = set(form.every("executable_private"))
        marks = (each in private for each in form.every("executable_row"))
        rows = (
            replace(ExecutableRow(*(text.strip() for text in row)), private=mark)
            for *row, mark in zip(*columns, marks, strict=False)
        )
        variables = zip(
            *(form.every(f"variable_{name}") for name in ("name", "value", "secret", "key")), strict=False
        )
        return cls(
            name=form.text("name"),
            version=form.text("version"),
            description=form.text("description"),
            replicas=form.text("replicas"),
            executables=tuple(rows) or (ExecutableRow(),),
            variables=tuple(VariableRow(a.strip(), b, c.strip(), d.strip()) for a, b, c, d in variables),
        )

    def longer(self) -> Self:
        """Return the form with one more executable and one more variable to fill in."""
        return replace(
            self,
            executables=(*self.executables, ExecutableRow()),
            variables=(*self.variables, VariableRow()),
        )

    def naming(self, secret: str) -> Self:
        """Return the form with ``secret`` chosen for the executables that have none."""
        rows = (
            row if row.private and row.secret else replace(row, secret=secret, private=True)
            for row in self.executables
        )
        return replace(self, executables=tuple(rows))

    @property
    def filled(self) -> tuple[ExecutableRow, ...]:
        """The executables that somebody began to fill in."""
        return tuple(row for row in self.executables if row.name or row.image)

    @property
    def errors(self) -> Mapping[str, str]:
        """What is wrong that the document bears: no image reference, a private image without credential."""
        found = {}
        for number, row in enumerate(self.executables, 1):
            if not (row.name or row.image):
                continue
            if problem := _image_problem(row.image):
                found[f"executable-image-{number}"] = problem
            if row.private and not row.secret:
                found[f"executable-secret-{number}"] = "choose the credential that opens the image"
        return found

    def field_of(self, place: str) -> str:
        """Return the id of the field that a place in the document was made of, empty where none was."""
        found = _PLACE.match(place)
        if not found:
            return ""
        kind, number, part = found["kind"], int(found["number"]), found["part"] or "default"
        if kind == "executables":
            rows = [at for at, row in enumerate(self.executables, 1) if row.name or row.image]
            names, stem = _EXECUTABLE_PARTS, "executable"
        else:
            rows = [at for at, row in enumerate(self.variables, 1) if row.name]
            names, stem = _VARIABLE_PARTS, "variable"
        name = next((name for begin, name in names.items() if part.startswith(begin)), "")
        return f"{stem}-{name}-{rows[number]}" if name and number < len(rows) else ""

    def draft(self) -> PackageDraft:
        """Return the package that is asked for; raise InvalidInput naming the place in the document."""
        return wire.draft(msgspec.json.encode(self.document()))

    def document(self) -> Mapping[str, object]:
        """Return the manifest that ``rio apply`` and ``towline apply`` take."""
        spec: dict[str, object] = {
            "runtime": "cloud",
            "executables": [row.document() for row in self.filled],
            "cloud": {"replicas": _number(self.replicas or "1")},
        }
        if variables := [row.document() for row in self.variables if row.name]:
            spec["environmentVars"] = variables
        metadata = {"name": self.name, "version": self.version, "description": self.description}
        return {
            "apiVersion": API_VERSION,
            "kind": "Package",
            "metadata": {key: text for key, text in metadata.items() if text},
            "spec": spec,
        }


def _image_problem(image: str) -> str:
    try:
        ImageReference.parse(image)
    except InvalidInput as error:
        return sentence(error)
    return ""


def label_of(field_id: str) -> str:
    """Return what people call a field of a row, such as ``executable-image-2``."""
    kind, _, rest = field_id.partition("-")
    name, _, number = rest.rpartition("-")
    return f"{kind.capitalize()} {number}, {_WORDS.get(f'{kind} {name}', name)}" if number else field_id


def _number(text: str) -> float | int | str:
    """Return the number that ``text`` is, else the text, which the wire then refuses by its place."""
    try:
        return int(text) if text.isascii() and text.isdigit() else float(text)
    except ValueError:
        return text
