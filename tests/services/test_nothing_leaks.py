"""No password, value, token or sealed byte is where people look: documents, audit trail, log lines."""

import pytest
import structlog
from structlog.testing import capture_logs

from parts.world import IMAGE, REGISTRY, World, docker_draft, mint_draft, opaque_draft
from towline.domain.account import TokenLevel
from towline.domain.audit import Door
from towline.domain.credential import Password, authorization_token
from towline.domain.errors import ProofRequired, PullRefused
from towline.domain.image import ImageReference
from towline.domain.listing import LabelSelector, Page
from towline.domain.package import SecretKeyRef
from towline.services.proofs import PreflightItem

PASSWORDS = ("first pässword:1", "second $ecret 2", "refused passw0rd 3")
VALUE = "opaque-value-4"
LOGIN = "login password 5"
PARENT, MINTED = "AKIA parent credential 6", "minted-1"


async def _live(world: World) -> tuple[str, list[str]]:
    """Do everything that touches a password; return a token and all documents and errors met."""
    project = world.access.project.guid
    seen: list[bytes | str] = []
    world.prover.registry(REGISTRY, robot=PASSWORDS[0]).has("team/app:1.0")
    seen.append(await world.secrets.create(world.access, docker_draft(password=PASSWORDS[0])))
    seen.append(await world.secrets.create(world.access, opaque_draft("keys", KEY=VALUE)))
    with pytest.raises(ProofRequired) as refused:
        await world.secrets.create(
            world.access, docker_draft("refused", password=PASSWORDS[2]), require_verified=True
        )
    seen.append(repr(refused.value))
    await world.keychain.resolve(
        project, "pull", ImageReference.parse(IMAGE), door=Door.ENGINE_PULL, actor="deployment:x"
    )
    await world.keychain.value(project, SecretKeyRef("keys", "KEY"), actor="deployment:x")
    seen.append(await world.secrets.replace(world.access, "pull", docker_draft(password=PASSWORDS[1])))
    proof, document = await world.secrets.verify(world.access, "pull")
    seen.extend((repr(proof), document))
    with pytest.raises(PullRefused) as mismatch:
        await world.keychain.resolve(
            project, "pull", ImageReference.parse("other.example/x"), door=Door.ENGINE_PULL, actor="x"
        )
    seen.append(repr(mismatch.value))
    results = await world.proofs.preflight(world.access, [PreflightItem(IMAGE, "pull")])
    seen.append(repr(results))
    listing = await world.secrets.documents(world.access, Page(), selector=LabelSelector())
    seen.extend(listing.items)
    world.mint.registry = world.prover.registry("minted.example.com", AWS="nothing yet")
    draft = mint_draft("minted", key=PARENT, registry="minted.example.com")
    seen.extend((repr(draft), await world.secrets.create(world.access, draft)))
    proof, document = await world.secrets.verify(world.access, "minted")
    seen.extend((repr(proof), document, repr(world.mint.orders)))
    await world.accounts.create_user(email="max@example.com", password=Password(LOGIN))
    token = await world.accounts.login(
        "max@example.com", Password(LOGIN), level=TokenLevel.LOW, peer="127.0.0.1"
    )
    return token, [str(item) for item in seen]


async def test_no_secret_shows_up_in_documents_audit_rows_errors_or_logs(world: World) -> None:
    structlog.configure()
    with capture_logs() as logs:
        token, seen = await _live(world)
    everything = [*seen, repr(await world.rows()), repr(logs)]
    credentials = [docker_draft(password=password).credential for password in PASSWORDS]
    hidden = [
        *PASSWORDS,
        VALUE,
        LOGIN,
        PARENT,
        MINTED,
        token,
        *(authorization_token(each).reveal() for each in credentials),
    ]
    assert logs
    for text in hidden:
        for place in everything:
            assert text not in place
            assert repr(text)[1:-1] not in place


async def test_what_the_store_keeps_is_not_the_password(world: World) -> None:
    draft = docker_draft(password=PASSWORDS[0])
    await world.secrets.create(world.access, draft)
    record = await world.store.read(lambda tx: tx.secrets.get(world.access.project.guid, "pull"))
    assert record is not None
    assert PASSWORDS[0].encode() not in record.sealed
    assert authorization_token(draft.credential).reveal().encode() not in record.sealed


async def test_the_trail_of_all_this_holds_together(world: World) -> None:
    await _live(world)
    assert await world.audit.verify() is None
    listing = await world.audit.page(world.access, Page())
    assert {row.project_guid for row in listing.items} == {world.access.project.guid}
