"""Tokens with scopes, and what projects allow at their doors, as the store keeps them."""

from __future__ import annotations

import hashlib

import pytest
from store_samples import ALPHA, BETA, JANE, later

from towline.domain.account import Token
from towline.domain.doors import DoorPolicy, TrustedIssuer, Workload
from towline.domain.scopes import parse_scopes

ISSUER = TrustedIssuer(
    "https://cluster.example", "towline", '{"keys":[]}', (Workload("prod", "*", ("prod-*",)),)
)


def token(name: str, **more: object) -> Token:
    digest = hashlib.sha256(name.encode()).digest()
    return Token(f"token-{name}", JANE.guid, digest, later(0), later(100), kind="api", name=name, **more)


@pytest.mark.parametrize(
    "kept",
    [
        token("plain"),
        token("scoped", scopes=parse_scopes(["secrets:use:ci-*", "deployments:write"])),
        token("limited", scopes=parse_scopes(["secrets:read"]), project_guid=ALPHA.guid),
    ],
)
async def test_a_token_keeps_its_scopes_and_its_project(store, kept) -> None:
    await store.write(lambda tx: tx.accounts.add_token(kept))
    found, user = await store.read(lambda tx: tx.accounts.token(kept.digest))
    assert (found, user) == (kept, JANE)
    assert await store.read(lambda tx: tx.accounts.tokens_of(JANE.guid)) == (kept,)


async def test_a_project_allows_nothing_until_it_is_told(store) -> None:
    assert await store.read(lambda tx: tx.doors.get(ALPHA.guid)) == DoorPolicy()


async def test_what_a_project_allows_is_its_own_and_replaced_as_a_whole(store) -> None:
    first, second = DoorPolicy(60, (ISSUER,)), DoorPolicy(5)
    await store.write(lambda tx: tx.doors.put(ALPHA.guid, first))
    assert await store.read(lambda tx: tx.doors.get(ALPHA.guid)) == first
    await store.write(lambda tx: tx.doors.put(ALPHA.guid, second))
    assert await store.read(lambda tx: tx.doors.get(ALPHA.guid)) == second
    assert await store.read(lambda tx: tx.doors.get(BETA.guid)) == DoorPolicy()


async def test_it_goes_with_its_project(store) -> None:
    await store.write(lambda tx: tx.doors.put(ALPHA.guid, DoorPolicy(60)))
    await store.write(lambda tx: tx.tenants.remove_project(ALPHA.guid))
    assert await store.read(lambda tx: tx.doors.get(ALPHA.guid)) == DoorPolicy()
