"""Secrets: kept sealed, tried the moment they are entered, replaced as a whole (mission S2-S6, T1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from towline.domain.account import Permission
from towline.domain.audit import Door
from towline.domain.credential import Credential
from towline.domain.errors import Conflict, InvalidInput, NotFound, ProofRequired
from towline.domain.listing import Listing
from towline.domain.minting import MintOrder
from towline.domain.names import email_address
from towline.domain.proof import Proof, Verdict
from towline.domain.secret import DockerDraft, DockerSecret, MintDraft, OpaqueDraft, SecretMetadata
from towline.ports import SecretRecord
from towline.services.audit import entry
from towline.services.minting import Tried
from towline.services.sealing import Sealing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from towline.domain.account import Access
    from towline.domain.deployment import Deployment
    from towline.domain.image import ImageReference
    from towline.domain.listing import LabelSelector, Page
    from towline.domain.secret import Secret, SecretDraft
    from towline.ports import Bell, Clock, Keychain, NewGuid, Present, Store, Transaction, Vault
    from towline.services.minting import Minting
    from towline.services.proofs import Proofs
    from towline.services.renewals import Renewals
    from towline.services.sealing import Prepared

_TRIES = 5


class Secrets:
    """The secrets of a project. ``name`` arguments take a name or a guid.

    Answers are wire documents: whole ones (``present``) for those who may deploy, ``present_public``
    ones, which say no more than the name, for viewers.
    """

    def __init__(  # noqa: PLR0913  (what it is made of, by name)
        self,
        *,
        store: Store,
        vault: Vault,
        keychain: Keychain,
        proofs: Proofs,
        minting: Minting,
        renewals: Renewals,
        present: Present,
        present_public: Present,
        bell: Bell,
        clock: Clock,
        new_guid: NewGuid,
        chance: Callable[[], float],
    ) -> None:
        self._store = store
        self._sealing = Sealing(vault=vault, present=present, new_guid=new_guid, chance=chance)
        self._minting = minting
        self._renewals = renewals
        self._keychain = keychain
        self._proofs = proofs
        self._present_public = present_public
        self._bell = bell
        self._clock = clock
        self._new_guid = new_guid

    async def create(self, access: Access, draft: SecretDraft, *, require_verified: bool = False) -> bytes:
        """Keep a new secret and return its document; raise Conflict if the name is taken.

        A docker secret's login is tried first, minted for that where Towline mints it. With
        ``require_verified`` nothing is saved unless the verdict is ``verified``: ProofRequired says what
        it was. Deployments that wait for a secret of this name are woken.
        """
        if not isinstance(draft, OpaqueDraft):
            await self._refuse_taken(access, draft.name)
        tried = await self._try(access, draft, require_verified=require_verified)
        metadata = self._new_metadata(access, draft)
        prepared = await self._sealing.prepare(access, draft, metadata, tried, action="secret.created")
        await self._store.write(lambda tx: self._save(tx, access, prepared, save=tx.secrets.add))
        self._bell.ring()
        return prepared.record.document

    async def document(self, access: Access, name: str) -> bytes:
        """Return a secret's document, as the access may see it; raise NotFound."""
        project = access.project.guid
        if not access.may(Permission.DEPLOY):
            return self._public(access, await self._record(access, name))
        document = await self._store.glance(lambda tx: tx.secrets.document(project, name))
        if document is None:
            raise NotFound("secret", name)
        return document

    async def documents(
        self, access: Access, page: Page, *, selector: LabelSelector, names: Sequence[str] = ()
    ) -> Listing[bytes]:
        """Return a page of documents in order of creation, as the access may see them."""
        project = access.project.guid
        if access.may(Permission.DEPLOY):
            look = self._store.survey if selector.required else self._store.glance
            return await look(lambda tx: tx.secrets.documents(project, page, selector=selector, names=names))
        listing = await self._page(project, page, selector=selector, names=names)
        return Listing(tuple(self._public(access, record) for record in listing.items), listing.next)

    async def get(self, access: Access, name: str) -> Secret:
        """Return a secret's metadata; raise NotFound. Not for viewers."""
        return (await self._record(access, name)).secret

    async def list(
        self, access: Access, page: Page, *, selector: LabelSelector, names: Sequence[str] = ()
    ) -> Listing[Secret]:
        """Return a page of metadata in order of creation. Not for viewers."""
        listing = await self._page(access.project.guid, page, selector=selector, names=names)
        return Listing(tuple(record.secret for record in listing.items), listing.next)

    async def replace(
        self,
        access: Access,
        name: str,
        draft: SecretDraft,
        *,
        require_verified: bool = False,
        version: int | None = None,
    ) -> bytes:
        """Put a new version in place of the present one, as a whole; return its document.

        Guid, name, type and time of creation stay. Proof and ``require_verified`` as for ``create``.
        Deployments that name the secret are woken in the same transaction. With ``version`` raises
        Conflict when that is not the present one any more: somebody else changed it meanwhile.
        """
        present = (await self._record(access, name)).secret
        _refuse_other(present, draft)
        _refuse_changed(present, version)
        tried = await self._try(access, draft, require_verified=require_verified)
        for _ in range(_TRIES):
            metadata = present.metadata.replaced(labels=draft.labels, at=self._clock())
            prepared = await self._sealing.prepare(access, draft, metadata, tried, action="secret.replaced")
            if await self._replaced(access, present.metadata.version, prepared):
                self._bell.ring()
                return prepared.record.document
            present = (await self._record(access, present.metadata.guid)).secret
            _refuse_changed(present, version)
        raise Conflict(f"secret {name!r} is being changed by others at the same time; try again")

    async def amend(
        self,
        access: Access,
        name: str,
        *,
        username: str,
        email: str,
        version: int,
        require_verified: bool = False,
    ) -> bytes:
        """Replace username and e-mail address of a docker secret and keep its password, registry, labels.

        The password goes through the keychain's door and is tried with the username; where Towline mints
        it, its parent credential is kept and the username is not used. Raises as ``replace``.
        """
        present = (await self._record(access, name)).secret
        _refuse_changed(present, version)
        if isinstance(present, DockerSecret) and present.mint is not None:
            minted = await self._kept_parent(access, present, email)
            return await self.replace(
                access, name, minted, require_verified=require_verified, version=version
            )
        guid, door = present.metadata.guid, Door.REGISTRY_PROOF
        kept = await self._keychain.login(access.project.guid, guid, door=door, actor=access.actor)
        if kept is None:
            raise InvalidInput("spec.type", problem=f"secret {name!r} is Opaque", rule="replace its data")
        draft = DockerDraft(
            present.metadata.name,
            kept.address,
            Credential(username, kept.credential.password),
            email_address(email, field="spec.docker.email"),
            labels=present.metadata.labels,
        )
        return await self.replace(access, guid, draft, require_verified=require_verified, version=version)

    async def _kept_parent(self, access: Access, present: DockerSecret, email: str) -> MintDraft:
        """Return a draft of the secret as it is, with its parent credential and another e-mail address."""
        metadata = present.metadata
        order = await self._renewals.parent(access.project.guid, metadata.guid, actor=access.actor)
        address = email_address(email, field="spec.docker.email")
        return MintDraft(
            metadata.name, order.registry, order.mint, order.key, address, labels=metadata.labels
        )

    async def delete(self, access: Access, name: str) -> None:
        """Delete a secret with all versions; deployments find out at their next use of it."""
        at = self._clock()

        def change(tx: Transaction) -> None:
            removed = tx.secrets.remove(access.project.guid, name)
            if removed is None:
                raise NotFound("secret", name)
            metadata = removed.secret.metadata
            tx.audit.append(entry(access, "secret.deleted", metadata.guid, at=at, name=metadata.name))

        await self._store.write(change)
        self._bell.ring()

    async def verify(
        self, access: Access, name: str, *, image: ImageReference | None = None
    ) -> tuple[Proof, bytes]:
        """Try the stored credential again, at its own registry; return the proof and the new document.

        Deployments that wait for this secret are woken when it is not refused any more. A login that
        Towline mints is minted anew first, unless it is good and an image is asked for.
        """
        record = await self._record(access, name)
        if not isinstance(record.secret, DockerSecret):
            raise InvalidInput(
                "spec.type", problem=f"secret {name!r} is Opaque", rule="only Docker secrets can be verified"
            )
        guid = record.secret.metadata.guid
        if record.secret.mint is not None and (record.secret.mint.trouble or not image):
            await self._renewals.renew(access.project.guid, guid, actor=access.actor)
        proof = await self._proofs.stored(access.project.guid, guid, actor=access.actor, image=image)
        return proof, await self.document(access, guid)

    async def used_by(self, access: Access, name: str) -> Sequence[Deployment]:
        """Return the live deployments that name the secret; raise NotFound."""
        project = access.project.guid
        metadata = (await self._record(access, name)).secret.metadata
        both = (metadata.name, metadata.guid)
        return await self._store.read(lambda tx: tx.deployments.using_secret(project, both))

    async def _page(
        self, project: str, page: Page, *, selector: LabelSelector, names: Sequence[str]
    ) -> Listing[SecretRecord]:
        """Labels have no index: who asks for them is answered beside the loop."""
        look = self._store.survey if selector.required else self._store.read
        return await look(lambda tx: tx.secrets.page(project, page, selector=selector, names=names))

    async def _record(self, access: Access, name: str) -> SecretRecord:
        record = await self._store.read(lambda tx: tx.secrets.get(access.project.guid, name))
        if record is None:
            raise NotFound("secret", name)
        return record

    async def _refuse_taken(self, access: Access, name: str) -> None:
        """Spare the registry a login for a name that is taken: clients create first and replace then."""
        taken = await self._store.read(lambda tx: tx.secrets.document(access.project.guid, name))
        if taken is not None:
            raise Conflict(f"secret {name!r} already exists in project {access.project.name!r}")

    async def _try(self, access: Access, draft: SecretDraft, *, require_verified: bool) -> Tried | None:
        """Try a docker draft's login; None where there is nothing to try."""
        project = access.project.guid
        match draft:
            case OpaqueDraft():
                return None
            case DockerDraft():
                tried = Tried(await self._proofs.login(project, draft.registry, draft.credential))
            case MintDraft():
                order = MintOrder(draft.mint, draft.registry, draft.key)
                self._minting.check(order)
                tried = await self._minting.soon(project, order)
            case _:
                assert_never(draft)
        if require_verified and tried.answer.verdict is not Verdict.VERIFIED:
            await self._note_refused(access, draft, tried)
            raise ProofRequired(tried.answer.finding, verdict=tried.answer.verdict.value)
        return tried

    async def _note_refused(self, access: Access, draft: DockerDraft | MintDraft, tried: Tried) -> None:
        answer = tried.answer
        row = entry(
            access,
            "secret.tried",
            draft.name,
            at=self._clock(),
            outcome=answer.verdict.value,
            registry=draft.registry.key,
            username=draft.mint.facts.username if isinstance(draft, MintDraft) else draft.credential.username,
            finding=answer.finding.code.value if answer.finding else "",
        )
        await self._store.write(lambda tx: tx.audit.append(row))

    def _new_metadata(self, access: Access, draft: SecretDraft) -> SecretMetadata:
        at = self._clock()
        return SecretMetadata(
            self._new_guid("secret"),
            draft.name,
            project_guid=access.project.guid,
            creator_guid=access.principal.user.guid,
            created_at=at,
            updated_at=at,
            labels=draft.labels,
        )

    async def _replaced(self, access: Access, version: int, prepared: Prepared) -> bool:
        """Save unless another replacement came first: the seal is bound to the version after ``version``."""
        guid = prepared.record.secret.metadata.guid

        def change(tx: Transaction) -> bool:
            present = tx.secrets.get(access.project.guid, guid)
            if present is None:
                raise NotFound("secret", prepared.record.secret.metadata.name)
            if present.secret.metadata.version != version:
                return False
            self._save(tx, access, prepared, save=tx.secrets.save)
            if isinstance(present.secret, DockerSecret) and isinstance(prepared.record.secret, DockerSecret):
                self._proofs.turned(tx, present.secret, prepared.record.secret)
            return True

        return await self._store.write(change)

    def _save(
        self, tx: Transaction, access: Access, prepared: Prepared, *, save: Callable[[SecretRecord], None]
    ) -> None:
        metadata = prepared.record.secret.metadata
        save(prepared.record)
        self._save_parent(tx, prepared)
        if prepared.history and isinstance(prepared.record.secret, DockerSecret):
            tx.proofs.add(prepared.history)
            self._proofs.schedule(tx, prepared.record.secret, prepared.history)
        tx.audit.append(prepared.row)
        names = (metadata.name, metadata.guid)
        tx.deployments.wake(now=metadata.updated_at, project_guid=access.project.guid, secrets=names)

    def _save_parent(self, tx: Transaction, prepared: Prepared) -> None:
        """Keep what the login is minted from, or forget it where it is typed from now on."""
        secret, parent = prepared.record.secret, prepared.parent
        if parent is None and secret.metadata.version > 1:
            tx.mints.remove(secret.metadata.guid)
        if parent is not None and isinstance(secret, DockerSecret) and secret.mint is not None:
            tx.mints.put(parent, due=secret.mint.renews_at or self._clock())

    def _public(self, access: Access, record: SecretRecord) -> bytes:
        return self._present_public(record.secret, access.project, access.organization)


def _refuse_changed(present: Secret, version: int | None) -> None:
    """Refuse to overwrite what somebody else wrote after ``version`` was read."""
    now = present.metadata.version
    if version is not None and version != now:
        raise Conflict(
            f"secret {present.metadata.name!r} was changed meanwhile: this was made from version {version}, "
            f"now there is version {now}; load it again"
        )


def _refuse_other(present: Secret, draft: SecretDraft) -> None:
    """Refuse a replacement that is of another type or name."""
    if isinstance(present, DockerSecret) == isinstance(draft, OpaqueDraft):
        kind = "Docker" if isinstance(present, DockerSecret) else "Opaque"
        raise InvalidInput(
            "spec.type",
            problem="cannot be changed",
            rule=f"this secret is {kind}; delete it and create it anew",
        )
    if draft.name != present.metadata.name:
        raise InvalidInput(
            "metadata.name",
            problem=f"is {draft.name!r}, but the secret is called {present.metadata.name!r}",
            rule="a secret keeps its name",
        )
