"""Trying what a cluster's pull secrets are worth, by real proofs; nothing is kept and nothing changed.

A login that was refused once is not tried for further images: registries ban for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.cluster_scan import (
    EntryReport,
    KeyedEntry,
    PodReport,
    PullSecret,
    ScanReport,
    SecretReport,
)
from towline.domain.credential import Credential
from towline.domain.errors import InvalidInput
from towline.domain.image import ImageReference
from towline.domain.proof import Answer, Verdict
from towline.domain.readers.keys import by_pattern
from towline.domain.registry import RegistryAddress, RegistrySettings
from towline.domain.workload import PullAccess

if TYPE_CHECKING:
    from towline.domain.cluster_scan import ImageUse, PodUse, Surveyed
    from towline.domain.findings import Finding
    from towline.domain.proof import Platform
    from towline.ports import RegistryProver

MOST_IMAGES = 3
"""So many images of each entry are tried where none of them fails."""
AT_ONCE = 8


class ClusterScans:
    """Judges what was read of a cluster."""

    def __init__(self, prover: RegistryProver, *, platform: Platform) -> None:
        self._prover = prover
        self._platform = platform
        self._answers: dict[tuple[str, Credential | None], asyncio.Future[Answer]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    async def judge(self, surveyed: Surveyed) -> ScanReport:
        """Return what every secret is worth and why pods wait."""
        secrets = await asyncio.gather(*(self._secret(each, surveyed) for each in surveyed.secrets))
        waiting = [(pod, use) for pod in _one_of_each(surveyed.pods) for use in pod.images if use.waits]
        pods = await asyncio.gather(*(self._pod(pod, use, surveyed) for pod, use in waiting))
        return ScanReport(tuple(secrets), tuple(pods), looked_at=len(surveyed.pods))

    async def _secret(self, secret: PullSecret, surveyed: Surveyed) -> SecretReport:
        users = [
            pod for pod in surveyed.pods if pod.namespace == secret.namespace and secret.name in pod.secrets
        ]
        entries = [await self._entry(each, secret, users) for each in secret.entries]
        used_by = dict.fromkeys(pod.owner for pod in users)
        if (secret.namespace, secret.name) in surveyed.accounts:
            used_by["service account"] = None
        return SecretReport(secret, tuple(entries), tuple(used_by), _copies(secret, surveyed.secrets))

    async def _entry(self, keyed: KeyedEntry, secret: PullSecret, users: Sequence[PodUse]) -> EntryReport:
        entry = keyed.entry
        if entry.problem:
            return EntryReport(keyed.key, entry.username, Verdict.UNKNOWN, problem=entry.problem)
        credential = Credential(entry.username, entry.password)
        keys = [each.key for each in secret.entries]
        images = _images_for(keyed.key, keys, users)
        if not images:
            return _report(keyed, await self._login(keyed, credential))
        told: EntryReport | None = None
        for image in images[:MOST_IMAGES]:
            told = _report(keyed, await self._proof(image, credential), image=image)
            if told.verdict is Verdict.FAILING:
                break
        return told or EntryReport(keyed.key, entry.username, Verdict.UNKNOWN)

    async def _pod(self, pod: PodUse, use: ImageUse, surveyed: Surveyed) -> PodReport:
        """Try a waiting image with what the kubelet would try, then without a login."""
        try:
            image = ImageReference.parse(use.image)
        except InvalidInput:
            return PodReport(pod, use, use.finding)
        mine = {each.name: each for each in surveyed.secrets if each.namespace == pod.namespace}
        missing = tuple(name for name in pod.secrets if name not in mine)
        refused: Answer | None = None
        for name in pod.secrets:
            for credential in _credentials(mine.get(name), image):
                answer = await self._proof(image, credential)
                if answer.finding is None:
                    return PodReport(pod, use, use.finding, opens=name, missing=missing)
                refused = answer
        refused = refused or await self._proof(image, None)
        if refused.finding is None:
            return PodReport(pod, use, use.finding, opens="no login", missing=missing)
        return PodReport(pod, use, _in_cluster_words(refused.finding, pod, missing), missing=missing)

    async def _login(self, keyed: KeyedEntry, credential: Credential) -> Answer:
        address = RegistryAddress.parse(keyed.entry.registry or "docker.io")
        return await self._once(
            (address.key, credential), self._prover.login(address, _access(address.netloc, credential))
        )

    async def _proof(self, image: ImageReference, credential: Credential | None) -> Answer:
        opened = _access(image.registry, credential)
        asked = self._prover.image(image, opened, platform=self._platform)
        return await self._once((str(image), credential), asked)

    async def _once(
        self, key: tuple[str, Credential | None], asked: Coroutine[object, object, Answer]
    ) -> Answer:
        """Ask each question once, however many pods and secrets it is about."""
        if key in self._answers:
            asked.close()
            return await self._answers[key]
        answer = self._answers[key] = asyncio.get_running_loop().create_future()
        async with self._room:
            answer.set_result(await asked)
        told: Answer = answer.result()
        return told


def _in_cluster_words(finding: Finding, pod: PodUse, missing: Sequence[str]) -> Finding:
    """Say what to do in the cluster where the table of causes speaks of packages."""
    if missing:
        named = ", ".join(missing)
        detail = f"the pod names {named}, which is not in namespace {pod.namespace}"
        fix = f"Create {named} there: kubectl create secret docker-registry NAME -n {pod.namespace} ..."
        return replace(finding, code=FindingCode.SECRET_MISSING, detail=detail, fix_hint=fix)
    if finding.code is FindingCode.SECRET_NEEDED:
        fix = "Name a pull secret in the pod's imagePullSecrets, or on its service account."
        return replace(finding, fix_hint=fix)
    return finding


def _report(keyed: KeyedEntry, answer: Answer, *, image: ImageReference | None = None) -> EntryReport:
    finding = answer.finding.about(image=str(image or "")) if answer.finding else None
    return EntryReport(keyed.key, keyed.entry.username, answer.verdict, str(image or ""), finding)


def _access(netloc: str, credential: Credential | None) -> PullAccess:
    return PullAccess(RegistrySettings.default(netloc), credential)


def _images_for(key: str, keys: Sequence[str], users: Sequence[PodUse]) -> list[ImageReference]:
    """Return the images that the kubelet opens with this key, those that wait first."""
    found: dict[ImageReference, bool] = {}
    for pod in users:
        for use in pod.images:
            try:
                image = ImageReference.parse(use.image)
            except InvalidInput:
                continue
            if any(match.key == key for match in by_pattern(keys, image)):
                found[image] = found.get(image, False) or bool(use.waits)
    return sorted(found, key=lambda image: not found[image])


def _credentials(secret: PullSecret | None, image: ImageReference) -> Sequence[Credential]:
    if secret is None:
        return ()
    usable: Mapping[str, KeyedEntry] = {each.key: each for each in secret.entries if not each.entry.problem}
    matching = (usable[match.key].entry for match in by_pattern(usable, image))
    return [Credential(entry.username, entry.password) for entry in matching]


def _copies(secret: PullSecret, others: Sequence[PullSecret]) -> tuple[str, ...]:
    mine = _content(secret)
    if not mine:
        return ()
    return tuple(each.where for each in others if each is not secret and _content(each) == mine)


def _content(secret: PullSecret) -> frozenset[tuple[object, ...]]:
    return frozenset(
        (each.key, each.entry.username, each.entry.password)
        for each in secret.entries
        if not each.entry.problem
    )


def _one_of_each(pods: Sequence[PodUse]) -> Sequence[PodUse]:
    """Return one waiting pod for each owner: its replicas wait for the same reason."""
    waiting = [pod for pod in pods if any(use.waits for use in pod.images)]
    return list({(pod.namespace, pod.owner): pod for pod in reversed(waiting)}.values())[::-1]
