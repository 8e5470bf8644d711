"""Environment variables, as packages and deployments declare them."""

from __future__ import annotations

import msgspec

from towline.domain.errors import InvalidInput
from towline.domain.package import EnvVar, SecretKeyRef
from towline.wire.problems import required

MOST_VARIABLES = 1000

Plain = str | int | float | bool
"""What YAML makes of a plain value."""


class SecretKeyRefIn(msgspec.Struct, omit_defaults=True):
    """One key of an opaque secret; a ``value`` beside it is dropped and never answered."""

    name: str | None = None
    key: str | None = None


class ValueFrom(msgspec.Struct, omit_defaults=True):
    """Where a value comes from."""

    secret_key_ref: SecretKeyRefIn | None = msgspec.field(default=None, name="secretKeyRef")


class Variable(msgspec.Struct, omit_defaults=True):
    """What both kinds of declaration share."""

    name: str | None = None
    value_from: ValueFrom | None = msgspec.field(default=None, name="valueFrom")
    exposed: bool | None = None
    exposed_name: str | None = msgspec.field(default=None, name="exposedName")


class PackageVariable(Variable, omit_defaults=True):
    """A variable of a package, with its default."""

    description: str | None = None
    default: str | None = None


class DeploymentVariable(Variable, omit_defaults=True):
    """A variable of a deployment. Numbers and truth values become text, as the clients make them."""

    value: Plain | None = None


def of_package(variables: list[PackageVariable] | None, *, field: str) -> tuple[EnvVar, ...]:
    """Return the variables that a package declares."""
    _check_number(variables, field=field)
    return tuple(
        _checked(each, each.default, place=f"{field}[{at}]") for at, each in enumerate(variables or ())
    )


def of_deployment(variables: list[DeploymentVariable] | None, *, field: str) -> tuple[EnvVar, ...]:
    """Return the variables that a deployment sets; their values become text in place."""
    _check_number(variables, field=field)
    for each in variables or ():
        each.value = _as_text(each.value)
    return tuple(
        _checked(each, _as_text(each.value), place=f"{field}[{at}]")
        for at, each in enumerate(variables or ())
    )


def plain_text(text: str, *, field: str) -> str:
    """Return ``text`` if a process can be given it: without NUL."""
    if "\0" in text:
        raise InvalidInput(field, problem="holds a NUL character", rule="give plain text")
    return text


def _check_number(variables: list[PackageVariable] | list[DeploymentVariable] | None, *, field: str) -> None:
    if len(variables or ()) > MOST_VARIABLES:
        raise InvalidInput(field, problem="holds too many variables", rule=f"use at most {MOST_VARIABLES}")


def _checked(variable: Variable, value: str | None, *, place: str) -> EnvVar:
    name = _name(variable.name, field=f"{place}.name")
    if variable.exposed and not variable.exposed_name:
        raise InvalidInput(
            f"{place}.exposedName",
            problem="is missing",
            rule="an exposed variable needs the name it is exposed as",
        )
    reference = _reference(variable.value_from, place=f"{place}.valueFrom.secretKeyRef")
    if reference and value:
        raise InvalidInput(
            f"{place}.valueFrom", problem="stands beside a plain value", rule="give one of the two"
        )
    if value is not None:
        plain_text(value, field=place)
    return EnvVar(name, value=None if reference else value, secret_ref=reference)


def _name(name: str | None, *, field: str) -> str:
    text = required(name, field=field)
    if not text or len(text) > 1024 or "=" in text or not text.isprintable():
        raise InvalidInput(
            field, problem="is not a variable's name", rule="use printable characters other than '='"
        )
    return text


def _reference(source: ValueFrom | None, *, place: str) -> SecretKeyRef | None:
    ref = source.secret_key_ref if source else None
    if ref is None or (ref.name is None and ref.key is None):
        return None
    if not ref.name or not ref.key:
        raise InvalidInput(
            place, problem="names no secret" if not ref.name else "names no key", rule="give name and key"
        )
    return SecretKeyRef(ref.name, ref.key)


def _as_text(value: Plain | None) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)
