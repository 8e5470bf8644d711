"""A data folder as a server leaves it, with sealed values of a real vault."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "contract"))

from store_samples import ALPHA, JANE, deployment, package, pull_secret, settle_in

from parts.fakes import NOON
from towline.app import DATABASE
from towline.config import Config
from towline.domain.account import Token
from towline.domain.audit import AuditEntry
from towline.domain.credential import Password
from towline.domain.events import Event, EventKind, NoticeFormat, Webhook
from towline.keeping import KEYRING
from towline.ports import Binding
from towline.store.keyring import Keyring
from towline.store.sqlite import SqliteStore
from towline.store.vault import SealingVault

CANARY = "correct-horse-battery"
HOOK = Webhook(
    "hook-1", "ops", ALPHA.guid, "https://example.com/", NoticeFormat.JSON, kinds=(), created_at=NOON
)
HASH = "a hash of theirs"


async def settled(folder: Path, *, secrets: int = 3) -> Config:
    """Fill a data folder; return its settings."""
    keyring, _ = Keyring.at(folder / KEYRING)
    vault = SealingVault(keyring)
    records = []
    for number in range(secrets):
        record = pull_secret(f"pull-{number}")
        binding = Binding(ALPHA.guid, record.secret.metadata.guid, version=1)
        records.append(replace(record, sealed=await vault.seal(Password(CANARY), binding)))
    key = await vault.seal(Password(CANARY), Binding(ALPHA.guid, HOOK.guid, version=1))
    store = await SqliteStore.open(folder / DATABASE)

    def fill(tx) -> None:
        settle_in(tx)
        tx.webhooks.add(HOOK, key)
        for record in records:
            tx.secrets.add(record)
            tx.audit.append(AuditEntry(NOON, "jane", "secret.created", record.secret.metadata.guid))
        tx.packages.add(package("talker"))
        tx.deployments.add(deployment("talk"), due=NOON)
        tx.events.add(Event("event-1", ALPHA.guid, EventKind.TEST, NOON, HOOK.guid, HOOK.name))
        tx.settings.put("keyring", "file")
        for kind in ("login", "api"):
            tx.accounts.add_token(
                Token(f"token-{kind}", JANE.guid, kind.encode(), created_at=NOON, expires_at=NOON, kind=kind)
            )

    await store.write(fill)
    await store.close()
    return Config(data=str(folder))


def whole(path: Path) -> list[tuple[int, bytes]]:
    """Return a hundred places in a file and another byte for each, the same every time."""
    chance, content = random.Random(7), path.read_bytes()
    places = [chance.randrange(len(content)) for _ in range(100)]
    return [(at, bytes([content[at] ^ (1 << chance.randrange(8))])) for at in places]
