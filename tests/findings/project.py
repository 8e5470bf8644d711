"""Cases of a whole project: its secrets are kept and tried, then Towline is asked as by a preflight."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import cast

from findings.cases import Case, Kept
from findings.run import OWN, STRANGER, Outcome, judged
from findings.stage import Stage, staged
from parts.fakes import KeptPost
from towline.domain.account import Access, Permission, TokenLevel
from towline.domain.causes import FindingCode
from towline.domain.credential import Password
from towline.domain.engine import EngineHealth
from towline.domain.findings import Finding
from towline.domain.proof import Platform
from towline.domain.registry import RegistrySettings
from towline.domain.secret import DockerDraft, OpaqueDraft
from towline.keychain.service_accounts import ClusterTokens
from towline.keychain.stored import StoredKeychain
from towline.ports import EngineDoors, OpenEngine
from towline.registry import Registry
from towline.services.bell import LocalBell
from towline.services.closed_engine import ClosedEngine
from towline.services.proofs import PreflightItem
from towline.store.keyring import Keyring
from towline.store.sqlite import SqliteStore
from towline.store.vault import SealingVault
from towline.wiring import Parts, Services, services_on, utc_now

_EMAIL, _PASSWORD = "jane@example.com", "no password of a registry"


async def play_project(case: Case) -> Outcome:
    """Run a case of a project; only what the question itself asks is counted."""
    async with staged(case, OWN, STRANGER) as stage, _services(case, stage) as services:
        access = await _access(services)
        await _set_up(case, services, access)
        stage.forget()
        item = PreflightItem(case.ask.image, case.ask.secret or None)
        began = time.monotonic()
        (result,) = await services.proofs.preflight(access, [item], anew=False)
        took = round((time.monotonic() - began) * 1000)
        return judged(
            Outcome(
                case, result.answer, took, stage.hosts, stage.authorized, stage.logins, asked=len(stage.heard)
            )
        )


@contextlib.asynccontextmanager
async def _services(case: Case, stage: Stage) -> AsyncIterator[Services]:
    async with contextlib.AsyncExitStack() as stack:
        store, vault = SqliteStore.memory(), SealingVault(Keyring.fresh())
        stack.push_async_callback(store.close)
        registry = Registry(lookup=stage.lookup)
        stack.push_async_callback(registry.close)
        platform = Platform(*case.ask.platform.split("/"))
        engine = ClosedEngine("none", Finding(FindingCode.ENGINE_UNREACHABLE))
        engine.platform = platform
        own = OpenEngine(engine, engine, EngineHealth(utc_now()))
        engines = cast("EngineDoors", SimpleNamespace(own="none", all=lambda: {"none": own}))
        keychain = StoredKeychain(store=store, vault=vault, clock=utc_now)
        parts = Parts(
            store,
            vault,
            keychain=keychain,
            prover=registry.prover,
            mint=registry.mint,
            engines=engines,
            bell=LocalBell(),
            tokens=registry.tokens,
            service_accounts=ClusterTokens(),
            postman=KeptPost(),
        )
        yield services_on(parts)


async def _access(services: Services) -> Access:
    profile = await services.accounts.create_user(
        email=_EMAIL, password=Password(_PASSWORD), organization="acme", project="demo"
    )
    token = await services.accounts.login(_EMAIL, Password(_PASSWORD), level=TokenLevel.LOW, peer="127.0.0.1")
    principal = await services.accounts.authenticate(token)
    project, _, _ = profile.projects[0]
    return await services.accounts.access(principal, project.guid, permission=Permission.VIEW)


async def _set_up(case: Case, services: Services, access: Access) -> None:
    for host in case.hosts:
        await services.registries.put(access, RegistrySettings(host, ca_pem=OWN.pem))
    for kept in case.project.secrets if case.project else ():
        await services.secrets.create(access, _draft(kept))


def _draft(kept: Kept) -> DockerDraft | OpaqueDraft:
    if not kept.registry:
        return OpaqueDraft.checked(kept.name, data={"KEY": kept.password or "value"}, labels={})
    return DockerDraft.checked(
        kept.name,
        registry=kept.registry,
        username=kept.username,
        password=kept.password,
        email=_EMAIL,
        labels={},
    )
