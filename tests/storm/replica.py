"""A server of the storm: what ``towline serve`` does with deployments, without its door."""

import asyncio
import os
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from parts.fakes import KeptPost, ScriptedMint, ScriptedProver
from parts.yard import YardEngine
from towline import eventlog
from towline.domain.credential import Password
from towline.domain.engine import EngineHealth
from towline.keychain.service_accounts import ClusterTokens
from towline.keychain.stored import StoredKeychain
from towline.ports import Bell, OpenEngine, Store
from towline.reconciler import Preparation, Reconciler
from towline.reconciler.walk import Pace
from towline.services.bell import LocalBell
from towline.services.leading import Leading
from towline.store.address import DatabaseAddress
from towline.store.keyring import Keyring
from towline.store.opening import hung
from towline.store.patient import PatientStore
from towline.store.postgres import PostgresStore
from towline.store.vault import SealingVault
from towline.wiring import Parts, Services, services_on, utc_now

LEASE = 2.0
PACE = Pace(stable=0.2, lease=LEASE, progress=0.2)


class OneEngine:
    """The port Engines with the yard alone, which always answers."""

    own = "yard"

    def __init__(self, engine: YardEngine) -> None:
        self._engine = engine

    def all(self) -> dict[str, OpenEngine]:
        """Return it."""
        return {self.own: OpenEngine(self._engine, self._engine, EngineHealth(utc_now()))}

    def is_coming(self, name: str) -> bool:
        """Whether it is not there yet, which it always is."""
        return name != self.own


def services(store: Store, engine: YardEngine, bell: Bell) -> tuple[Services, StoredKeychain]:
    """Return every use case on a store, and the keychain."""
    vault = SealingVault(Keyring.fresh())
    keychain = StoredKeychain(store=store, vault=vault, clock=utc_now)
    prover = ScriptedProver()
    prover.registry("registry.example.com").has("team/app:1.0")
    parts = Parts(
        store,
        vault,
        keychain=keychain,
        prover=prover,
        mint=ScriptedMint(),
        engines=OneEngine(engine),
        bell=bell,
        tokens=None,
        service_accounts=ClusterTokens(),
        postman=KeptPost(),
    )
    return services_on(parts), keychain


async def work(address: DatabaseAddress, yard: Path) -> None:
    """Reconcile for ever, when it is this server's turn to lead."""
    store = PatientStore(await PostgresStore.open(address, connections=3))
    async with hung(LocalBell(), address) as bell:
        engine = YardEngine(yard, clock=utc_now)
        made, keychain = services(store, engine, bell)
        reconciler = Reconciler(
            store=store,
            engines=OneEngine(engine),
            preparation=Preparation(store=store, proofs=made.proofs, keychain=keychain, clock=utc_now),
            bell=bell,
            clock=utc_now,
            jitter=random.random,
            owner=str(os.getpid()),
            pace=PACE,
        )
        leading = Leading(store=store, clock=utc_now, owner=str(os.getpid()), lease=LEASE)
        await leading.lead("reconciler", reconciler.run)


if __name__ == "__main__":
    eventlog.configure("info", form="json")
    asyncio.run(work(DatabaseAddress(sys.argv[1], Password(os.environ["STORM_PASSWORD"])), Path(sys.argv[2])))
