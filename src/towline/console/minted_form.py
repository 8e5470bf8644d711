"""The form of a docker pull secret whose login Towline mints, and every thing that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from towline.console.secret_form import LABELS as TYPED
from towline.console.secret_form import problem_of, sentence
from towline.domain.credential import Password
from towline.domain.errors import InvalidInput
from towline.domain.minting import MINTS, Mint, MintKind, checked_key, mint_kind_of
from towline.domain.names import email_address, secret_name
from towline.domain.providers import provider_of_host
from towline.domain.registry import RegistryAddress
from towline.domain.secret import DockerSecret, MintDraft

if TYPE_CHECKING:
    from collections.abc import Callable

    from towline.console.forms import Form

LABELS = {
    **{name: TYPED[name] for name in ("name", "registry", "email")},
    "key": "Parent credential",
    **{name: name.replace("-", " ").capitalize() for facts in MINTS.values() for name in facts.settings},
}
_NO_REGISTRY = "is empty; name the registry that logins are for"


@dataclass(frozen=True, slots=True)
class MintedForm:
    """The fields as somebody filled them in; ``key`` shows itself to nobody but its own page."""

    kind: MintKind
    name: str = ""
    registry: str = ""
    email: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    key: Password = field(default_factory=lambda: Password(""))
    verified_only: bool = False
    version: int = 0

    @classmethod
    def of(cls, form: Form, kind: MintKind) -> Self:
        """Return what was sent."""
        version = form.text("version")
        return cls(
            kind,
            name=form.text("name"),
            registry=form.text("registry"),
            email=form.text("email"),
            settings={name: text for name in MINTS[kind].settings if (text := form.text(name))},
            key=form.password("key"),
            verified_only=form.has("verified_only"),
            version=int(version) if version.isascii() and version.isdigit() else 0,
        )

    @classmethod
    def about(cls, secret: DockerSecret, mint: Mint) -> Self:
        """Return the form of a stored secret, which has no key to show."""
        return cls(
            mint.kind,
            name=secret.metadata.name,
            registry=secret.registry.key,
            email=secret.email,
            settings=mint.settings,
            version=secret.metadata.version,
        )

    def named(self, name: str) -> Self:
        """Return the form with a name that nobody may change."""
        return replace(self, name=name)

    @property
    def typed_key(self) -> str:
        """What was typed just now and is not stored: shown to the page that it was typed on."""
        return self.key.reveal()

    def address(self) -> RegistryAddress:
        """Return the registry; raise InvalidInput."""
        return RegistryAddress.parse(self.registry, field="registry")

    def mint(self) -> Mint:
        """Return how the login is to be minted; raise InvalidInput."""
        return Mint.checked(self.kind.value, self.settings, registry=self.address())

    def draft(self) -> MintDraft:
        """Return the secret that is asked for; raise InvalidInput."""
        return MintDraft(
            secret_name(self.name, field="name"),
            self.address(),
            self.mint(),
            checked_key(self.key.reveal()),
            email_address(self.email, field="email"),
        )

    def errors(self, *, keeps_key: bool = False) -> dict[str, str]:
        """Return what is wrong by field, in the order of the page, empty when all is well."""
        if not self.registry:
            return {**self._found(self._own(keeps_key=keeps_key)), "registry": _NO_REGISTRY}
        return self._found([*self._own(keeps_key=keeps_key), self.address, self.mint])

    def _own(self, *, keeps_key: bool) -> list[Callable[[], object]]:
        return [
            lambda: secret_name(self.name, field="name"),
            lambda: keeps_key or checked_key(self.key.reveal()),
            lambda: email_address(self.email, field="email"),
        ]

    @staticmethod
    def _found(checks: list[Callable[[], object]]) -> dict[str, str]:
        found = ((name.rpartition(".")[2], text) for name, text in map(problem_of, checks))
        return {name if name in LABELS else "": text for name, text in found if text}


def kind_for(registry: str, asked: str = "") -> MintKind | None:
    """Return by which rules a registry's logins can be minted: as asked, else as its host tells; or None."""
    if asked in set(MintKind):
        return MintKind(asked)
    try:
        host = RegistryAddress.parse(registry, field="registry").host
    except InvalidInput:
        return None
    return mint_kind_of(provider_of_host(host))


def by_field(error: InvalidInput) -> Mapping[str, str]:
    """Return an error of the domain under the name of the form's field."""
    name = error.field.rpartition(".")[2]
    return {name if name in LABELS else "": sentence(error)}
