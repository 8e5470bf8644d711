"""Which sealed values a backup holds, and whether the keyring at hand opens them.

A sealed value opens only where it belongs, so the rows that say where are looked at as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from towline.domain.backup import Progress, Row, Table
from towline.domain.errors import SealBroken
from towline.ports import Binding, Vault

SEALED = "sealed"


@dataclass(frozen=True, slots=True)
class SealedValue:
    """A sealed value, where it belongs, and what people call that."""

    sealed: bytes
    binding: Binding
    called: str


@dataclass(slots=True)
class SealedValues:
    """Collects the sealed values of rows that go by; rows come after those that they refer to."""

    values: list[SealedValue] = field(default_factory=list)
    _projects: dict[str, str] = field(default_factory=dict)
    _secrets: dict[str, tuple[str, str]] = field(default_factory=dict)

    def note(self, table: Table, row: Row) -> None:
        """Look at a row."""
        take = self._takers().get(table.name)
        if take is not None:
            take({column.name: cell for column, cell in zip(table.columns, row, strict=True)})

    async def unopened(self, vault: Vault, progress: Progress = lambda _done, _of: None) -> Sequence[str]:
        """Return which values do not open and why, each as a line for people; none where all do."""
        lines = []
        for number, each in enumerate(self.values, 1):
            try:
                await vault.open(each.sealed, each.binding)
            except SealBroken as error:
                lines.append(f"{each.called}: {error}")
            if number % 500 == 0:
                progress(number, len(self.values))
        return lines

    def _takers(self) -> Mapping[str, Callable[[Mapping[str, object]], None]]:
        return {
            "projects": self._project,
            "secrets": self._secret,
            "secret_versions": self._version,
            "mints": self._mint,
            "webhooks": self._webhook,
            "audit_signers": self._signer,
            "engines": self._engine,
        }

    def _project(self, row: Mapping[str, object]) -> None:
        self._projects[str(row["guid"])] = str(row["name"])

    def _secret(self, row: Mapping[str, object]) -> None:
        self._secrets[str(row["guid"])] = (str(row["project_guid"]), str(row["name"]))

    def _version(self, row: Mapping[str, object]) -> None:
        guid, version = str(row["secret_guid"]), row["version"]
        project, name = self._secrets.get(guid, ("", guid))
        if isinstance(sealed := row[SEALED], bytes) and isinstance(version, int):
            self._add(sealed, Binding(project, guid, version=version), f"secret {name}")

    def _mint(self, row: Mapping[str, object]) -> None:
        _, name = self._secrets.get(str(row["secret_guid"]), ("", str(row["secret_guid"])))
        if isinstance(sealed := row[SEALED], bytes):
            binding = Binding(str(row["project_guid"]), str(row["guid"]), version=1)
            self._add(sealed, binding, f"parent credential of secret {name}")

    def _webhook(self, row: Mapping[str, object]) -> None:
        project, guid = str(row["project_guid"]), str(row["guid"])
        if isinstance(sealed := row[SEALED], bytes):
            self._add(sealed, Binding(project, guid, version=1), f"webhook {row['name']}")

    def _engine(self, row: Mapping[str, object]) -> None:
        if isinstance(sealed := row[SEALED], bytes):
            binding = Binding("", str(row["guid"]), version=1)
            self.values.append(SealedValue(sealed, binding, f"engine {row['name']}"))

    def _signer(self, row: Mapping[str, object]) -> None:
        public_key = str(row["public_key"])
        if isinstance(sealed := row[SEALED], bytes):
            self._add(sealed, Binding("", public_key, version=1), "signing key of the audit trail")

    def _add(self, sealed: bytes, binding: Binding, called: str) -> None:
        project = self._projects.get(binding.project_guid, binding.project_guid)
        self.values.append(SealedValue(sealed, binding, f"{called} of project {project}"))


def tables_looked_at() -> frozenset[str]:
    """Return the tables of which ``note`` wants to see the rows."""
    return frozenset(("projects", "secrets")) | sealed_tables()


def sealed_tables() -> frozenset[str]:
    """Return the tables whose sealed values are known here; a test compares them with the schema."""
    return frozenset({"secret_versions", "mints", "webhooks", "engines", "audit_signers"})
