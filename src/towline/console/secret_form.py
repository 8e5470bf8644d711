"""The form of a docker pull secret: what it holds, and every thing that is wrong with it at once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from towline.domain.credential import Credential, Password
from towline.domain.errors import InvalidInput
from towline.domain.names import SECRET_NAME_RULE, email_address, secret_name
from towline.domain.registry import RegistryAddress
from towline.domain.secret import DockerDraft, DockerSecret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from towline.console.forms import Form

HUB, PRIVATE = "hub", "private"
LABELS = {
    "name": "Name",
    "kind": "Registry",
    "registry": "Registry Url",
    "username": "Username",
    "password": "Password",
    "email": "Email",
    "image": "Image to try",
    "pasted": "Pasted text",
    "data": "Keys and values",
}
NAME_HINT = "Lower-case letters, digits and “-”, at most 253, beginning and ending with a letter or digit."


@dataclass(frozen=True, slots=True)
class SecretForm:
    """The fields as somebody filled them in; ``password`` shows itself to nobody but its own page."""

    name: str = ""
    kind: str = HUB
    registry: str = ""
    username: str = ""
    password: Password = field(default_factory=lambda: Password(""))
    email: str = ""
    image: str = ""
    verified_only: bool = False
    version: int = 0
    restart: tuple[str, ...] = ()

    @classmethod
    def of(cls, form: Form) -> Self:
        """Return what was sent."""
        version = form.text("version")
        return cls(
            name=form.text("name"),
            kind=HUB if form.text("kind") == HUB else PRIVATE,
            registry=form.text("registry"),
            username=form.whole("username"),
            password=form.password("password"),
            email=form.text("email"),
            image=form.text("image"),
            verified_only=form.has("verified_only"),
            version=int(version) if version.isascii() and version.isdigit() else 0,
            restart=tuple(form.every("restart")),
        )

    @classmethod
    def about(cls, secret: DockerSecret) -> Self:
        """Return the form of a stored secret, which has no password to show."""
        return cls(
            name=secret.metadata.name,
            kind=HUB if secret.registry.is_hub else PRIVATE,
            registry="" if secret.registry.is_hub else secret.registry.key,
            username=secret.username,
            email=secret.email,
            version=secret.metadata.version,
        )

    def named(self, name: str) -> Self:
        """Return the form with a name that nobody may change."""
        return replace(self, name=name)

    @property
    def typed_password(self) -> str:
        """What was typed just now and is not stored: shown to the page that it was typed on, masked."""
        return self.password.reveal()

    def address(self) -> RegistryAddress:
        """Return the registry; raise InvalidInput."""
        if self.kind == HUB:
            return RegistryAddress.hub()
        if not self.registry:
            raise InvalidInput(
                "registry",
                problem="is empty",
                rule="a private registry must have its URL, such as registry.example.com:5000",
            )
        return RegistryAddress.parse(self.registry, field="registry")

    def credential(self) -> Credential:
        """Return username and password; raise InvalidInput."""
        return Credential(self.username, self.password)

    def draft(self) -> DockerDraft:
        """Return the secret that is asked for; raise InvalidInput."""
        return DockerDraft(
            secret_name(self.name, field="name"),
            self.address(),
            self.credential(),
            email_address(self.email, field="email"),
        )

    def errors(self, *, keeps_password: bool = False, names: bool = True) -> dict[str, str]:
        """Return what is wrong by field, in the order of the page, empty when all is well.

        ``keeps_password`` allows an empty password; without ``names`` only what a try needs is looked at.
        """
        given = self.password or (Password("kept") if keeps_password else self.password)
        checks: list[Callable[[], object]] = [
            lambda: names and secret_name(self.name, field="name"),
            self.address,
            lambda: Credential(self.username, Password("any")),
            lambda: Credential("any", given),
            lambda: names and email_address(self.email, field="email"),
        ]
        found = (problem_of(check) for check in checks)
        return {name: text for name, text in found if text}


def problem_of(check: Callable[[], object]) -> tuple[str, str]:
    """Return field and problem of a check that raises InvalidInput; an empty problem when it does not."""
    try:
        check()
    except InvalidInput as error:
        return error.field, sentence(error)
    return "", ""


def sentence(error: InvalidInput) -> str:
    """Return problem and rule as people read them beside a field."""
    if error.rule == SECRET_NAME_RULE:
        return f"{error.problem}. {NAME_HINT}"
    return f"{error.problem}; {error.rule}" if error.rule else error.problem


def by_field(error: InvalidInput) -> Mapping[str, str]:
    """Return an error of the domain under the name of the form's field."""
    field_name = error.field.rpartition(".")[2]
    return {field_name if field_name in LABELS else "": sentence(error)}
