"""What people look at: lists that are searched and filtered, and what depends on what (mission T4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from heapq import nsmallest
from itertools import islice
from typing import TYPE_CHECKING, assert_never

from towline.domain.deployment import Status
from towline.domain.errors import NotFound
from towline.domain.listing import LabelSelector
from towline.domain.proof import Verdict
from towline.domain.secret import DockerSecret
from towline.ports import DeploymentQuery
from towline.services.paging import every

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from towline.domain.account import Access
    from towline.domain.deployment import Deployment
    from towline.domain.package import Package
    from towline.domain.secret import Secret
    from towline.ports import Store, Transaction

SHELF = 50
_END_OF_TIME = 10**16
_HANDS_FIRST = (Verdict.FAILING, Verdict.UNKNOWN, Verdict.UNPROVED, Verdict.VERIFIED)


class Order(StrEnum):
    """What a list of secrets is sorted by; ``updated`` puts the newest first, ``verdict`` what fails."""

    NAME = "name"
    REGISTRY = "registry"
    VERDICT = "verdict"
    UPDATED = "updated"


@dataclass(frozen=True, slots=True)
class SecretFilter:
    """Which secrets are wanted: with ``text`` in name, registry or username; of a type; of a verdict."""

    text: str = ""
    docker: bool | None = None
    verdict: Verdict | None = None

    def wants(self, secret: Secret) -> bool:
        """Whether the secret is wanted."""
        is_docker = isinstance(secret, DockerSecret)
        if self.docker is not None and self.docker != is_docker:
            return False
        said = [secret.metadata.name]
        if isinstance(secret, DockerSecret):
            if self.verdict is not None and secret.standing.verdict is not self.verdict:
                return False
            said += [secret.registry.key, secret.username]
        elif self.verdict is not None:
            return False
        return any(self.text.casefold() in each.casefold() for each in said)


@dataclass(frozen=True, slots=True)
class SecretLine:
    """A secret in a list, and how many live deployments name it."""

    secret: Secret
    used_by: int


@dataclass(frozen=True, slots=True)
class Shelf:
    """A page of secrets; ``following`` is the place to go on after, empty at the end."""

    lines: Sequence[SecretLine]
    following: str
    is_empty: bool
    """Whether the project has no secret at all, whatever was asked for."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What depends on a secret: what breaks when it is deleted or revoked."""

    deployments: Sequence[Deployment]
    packages: Sequence[Package]
    names: frozenset[str]
    """What the secret is called: its name and its guid."""

    @property
    def images(self) -> Sequence[str]:
        """The images that are pulled with it, by name."""
        runs = (run for package in self.packages for run in package.spec.executables)
        return sorted({run.image for run in runs if run.pull_secret in self.names})


@dataclass(frozen=True, slots=True)
class Overview:
    """What needs a hand now, then numbers."""

    failing: Sequence[DockerSecret]
    expiring: Sequence[DockerSecret]
    in_error: Sequence[Deployment]
    secrets: int
    packages: int
    deployments: int
    running: int


class Views:
    """Reads for pages; each is one transaction.

    What may walk a whole project is surveyed beside the loop; on it runs only what reads as much as it shows.
    """

    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def shelf(
        self, access: Access, wanted: SecretFilter, *, after: str = "", order: Order = Order.NAME
    ) -> Shelf:
        """Return a page of a project's secrets, those after ``after``; by name it reads no more."""
        by_name = order is Order.NAME

        def question(tx: Transaction) -> Shelf:
            guid = access.project.guid
            if by_name:
                known = _by_name(tx, guid, after=after)
                found = list(islice(filter(wanted.wants, known), SHELF + 1))
            else:
                rest = (each for each in _secrets(tx, access) if _place(each, order) > after)
                found = nsmallest(SHELF + 1, filter(wanted.wants, rest), key=lambda each: _place(each, order))
            lines = tuple(
                SecretLine(each, tx.deployments.users_of(guid, _names(each))) for each in found[:SHELF]
            )
            following = _place(lines[-1].secret, order) if len(found) > SHELF else ""
            return Shelf(lines, following, is_empty=not tx.secrets.by_name(guid, after="", most=1))

        look = self._store.read if by_name and wanted == SecretFilter() else self._store.survey
        return await look(question)

    async def usage(self, access: Access, name: str) -> Usage:
        """Return what depends on a secret; raise NotFound."""

        def question(tx: Transaction) -> Usage:
            record = tx.secrets.get(access.project.guid, name)
            if record is None:
                raise NotFound("secret", name)
            guid, names = access.project.guid, frozenset(_names(record.secret))
            mentioning = tx.packages.mentioning(guid, sorted(names))
            packages = [each for each in mentioning if _named(each) & names]
            return Usage(tx.deployments.using_secret(guid, sorted(names)), packages, names)

        return await self._store.survey(question)

    async def overview(self, access: Access, *, is_near: Callable[[DockerSecret], bool]) -> Overview:
        """Return what needs a hand in a project; ``is_near`` says whether a credential expires soon."""

        def question(tx: Transaction) -> Overview:
            guid = access.project.guid
            found = [record.secret for record in tx.secrets.of_concern(guid)]
            docker = [each for each in found if isinstance(each, DockerSecret)]
            counts = tx.deployments.counts(guid)
            return Overview(
                failing=[each for each in docker if each.standing.verdict is Verdict.FAILING],
                expiring=[each for each in docker if is_near(each)],
                in_error=tx.deployments.in_status(guid, Status.ERROR),
                secrets=tx.secrets.count(guid),
                packages=tx.packages.count(guid),
                deployments=sum(counts.values()),
                running=counts.get(Status.RUNNING, 0),
            )

        return await self._store.survey(question)

    async def packages(self, access: Access, *, text: str = "", most: int = 500) -> Sequence[Package]:
        """Return packages by name, the newest version first, with ``text`` in name or image."""

        def question(tx: Transaction) -> Sequence[Package]:
            said = (
                each
                for each in _packages(tx, access)
                if any(text.casefold() in word.casefold() for word in (each.name, *_images(each)))
            )
            newest_first = sorted(islice(said, most), key=lambda each: each.created_at, reverse=True)
            return sorted(newest_first, key=lambda each: each.name)

        return await self._store.survey(question)

    async def deployments(self, access: Access, *, text: str = "", most: int = 500) -> Sequence[Deployment]:
        """Return live deployments by name, with ``text`` in name or package."""

        def question(tx: Transaction) -> Sequence[Deployment]:
            said = (
                each
                for each in _deployments(tx, access)
                if any(text.casefold() in word.casefold() for word in (each.name, each.wish.package_name))
            )
            return sorted(islice(said, most), key=lambda each: each.name)

        return await self._store.survey(question)


def _by_name(tx: Transaction, project_guid: str, *, after: str) -> Iterator[Secret]:
    """Yield a project's secrets in order of name, reading on only while they are asked for."""
    while rows := tx.secrets.by_name(project_guid, after=after, most=SHELF + 1):
        yield from (row.secret for row in rows)
        after = rows[-1].secret.metadata.name


def _place(secret: Secret, order: Order) -> str:
    """Return where a secret stands in an order, as a text that sorts; names tell apart what is equal."""
    name = secret.metadata.name
    match order:
        case Order.NAME:
            return name
        case Order.REGISTRY:
            return f"{secret.registry.key if isinstance(secret, DockerSecret) else ''} {name}"
        case Order.VERDICT:
            hand = _HANDS_FIRST.index(secret.standing.verdict) if isinstance(secret, DockerSecret) else 9
            return f"{hand} {name}"
        case Order.UPDATED:
            age = _END_OF_TIME - int(secret.metadata.updated_at.timestamp() * 1_000_000)
            return f"{age:016} {name}"
        case _:
            assert_never(order)


def _secrets(tx: Transaction, access: Access) -> Iterator[Secret]:
    guid, all_of_them = access.project.guid, LabelSelector()
    for record in every(lambda page: tx.secrets.page(guid, page, selector=all_of_them)):
        yield record.secret


def _packages(tx: Transaction, access: Access) -> Iterator[Package]:
    guid, all_of_them = access.project.guid, LabelSelector()
    return every(lambda page: tx.packages.page(guid, page, selector=all_of_them))


def _deployments(tx: Transaction, access: Access) -> Iterator[Deployment]:
    guid, all_of_them = access.project.guid, DeploymentQuery()
    return every(lambda page: tx.deployments.page(guid, page, query=all_of_them))


def _names(secret: Secret) -> Sequence[str]:
    return secret.metadata.name, secret.metadata.guid


def _named(package: Package) -> set[str]:
    """Return every secret that a package names, for pulling or for its environment."""
    spec = package.spec
    pulls = {run.pull_secret for run in spec.executables if run.pull_secret}
    return pulls | {each.secret_ref.secret for each in spec.environment if each.secret_ref}


def _images(package: Package) -> Sequence[str]:
    return tuple(run.image for run in package.spec.executables)
