"""A server of the storm: what ``towline serve`` does with deployments, without its door."""

import asyncio
import os
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
from towline.reconciler import Preparation
from towline.reconciler.walk import Pace
from towline.reconciling import Reconciling
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


YARDS = ("yard", "yard-b", "yard-c")
"""The installation's own engine, and two that were added."""


class Yards:
    """The port Engines: yards whose sockets are in one folder, and that always answer."""

    own = YARDS[0]

    def __init__(self, folder: Path) -> None:
        engines = {name: YardEngine(folder / name, clock=utc_now) for name in YARDS}
        self._open = {name: OpenEngine(each, each, EngineHealth(utc_now())) for name, each in engines.items()}

    def all(self) -> dict[str, OpenEngine]:
        """Return them."""
        return self._open

    def is_coming(self, name: str) -> bool:
        """Whether one is not there yet, which all are."""
        return name not in self._open


def services(store: Store, yards: Yards, bell: Bell) -> tuple[Services, StoredKeychain]:
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
        engines=yards,
        bell=bell,
        tokens=None,
        service_accounts=ClusterTokens(),
        postman=KeptPost(),
    )
    return services_on(parts), keychain


async def work(address: DatabaseAddress, folder: Path) -> None:
    """Reconcile for ever what it is this server's turn to lead."""
    store = PatientStore(await PostgresStore.open(address, connections=3))
    async with hung(LocalBell(), address) as bell:
        yards, owner = Yards(folder), str(os.getpid())
        made, keychain = services(store, yards, bell)
        preparation = Preparation(store=store, proofs=made.proofs, keychain=keychain, clock=utc_now)
        reconciling = Reconciling(
            store, yards, preparation, bell=bell, tally=made.tally, machine="", owner=owner, pace=PACE
        )
        leading = Leading(store=store, clock=utc_now, owner=owner, lease=LEASE)
        spreading = reconciling.spread(leading, store, bell)
        async with asyncio.TaskGroup() as group:
            group.create_task(leading.lead("reconciler", reconciling.rest))
            group.create_task(spreading.run())


if __name__ == "__main__":
    eventlog.configure("info", form="json")
    asyncio.run(work(DatabaseAddress(sys.argv[1], Password(os.environ["STORM_PASSWORD"])), Path(sys.argv[2])))
