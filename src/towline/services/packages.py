"""Packages: declared once, immutable, deleted by version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.domain.errors import NotFound
from towline.domain.package import Package
from towline.services.audit import entry

if TYPE_CHECKING:
    from datetime import datetime

    from towline.domain.account import Access
    from towline.domain.audit import AuditEntry
    from towline.domain.listing import LabelSelector, Listing, Page
    from towline.domain.package import PackageDraft
    from towline.ports import Clock, NewGuid, Store, Transaction


class Packages:
    """What can be deployed in a project. ``name`` arguments take a name or a guid."""

    def __init__(self, *, store: Store, clock: Clock, new_guid: NewGuid) -> None:
        self._store = store
        self._clock = clock
        self._new_guid = new_guid

    async def create(self, access: Access, draft: PackageDraft) -> Package:
        """Keep a package; raise Conflict if the project has one of that name and version.

        Secrets that it names need not exist yet: preflight and deployments say so.
        """
        package = self._package(access, draft)

        def change(tx: Transaction) -> None:
            tx.packages.add(package)
            tx.audit.append(_row(access, "package.created", package, at=package.created_at))

        await self._store.write(change)
        return package

    async def get(self, access: Access, name: str, version: str = "") -> Package:
        """Return a package, without a version the newest created; raise NotFound."""
        guid = access.project.guid
        found = await self._store.read(lambda tx: tx.packages.get(guid, name, version=version))
        if found is None:
            raise absent(name, version)
        return found

    async def list(
        self, access: Access, page: Page, *, selector: LabelSelector, name: str = ""
    ) -> Listing[Package]:
        """Return a page of packages, all versions, in order of creation."""
        guid = access.project.guid
        look = self._store.survey if selector.required else self._store.read
        return await look(lambda tx: tx.packages.page(guid, page, selector=selector, name=name))

    async def delete(self, access: Access, name: str, version: str = "") -> None:
        """Delete one version; its deployments go on, as each keeps what it was asked to run."""
        at = self._clock()

        def change(tx: Transaction) -> None:
            removed = tx.packages.remove(access.project.guid, name, version=version)
            if removed is None:
                raise absent(name, version)
            tx.audit.append(_row(access, "package.deleted", removed, at=at))

        await self._store.write(change)

    def _package(self, access: Access, draft: PackageDraft) -> Package:
        return Package(
            self._new_guid("pkg"),
            draft.name,
            version=draft.version,
            project_guid=access.project.guid,
            creator_guid=access.principal.user.guid,
            created_at=self._clock(),
            spec=draft.spec,
            document=draft.document,
            description=draft.description,
            labels=draft.labels,
        )


def absent(name: str, version: str) -> NotFound:
    """Return the error for a package that is not there."""
    return NotFound("package", f"{name} {version}".strip())


def _row(access: Access, action: str, package: Package, *, at: datetime) -> AuditEntry:
    return entry(access, action, package.guid, at=at, name=package.name, version=package.version)
