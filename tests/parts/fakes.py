"""Second implementations of ports, for tests without I/O: each keeps the port's promises in memory."""

from __future__ import annotations

import asyncio
import hashlib
import string
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from towline.domain.causes import FindingCode
from towline.domain.credential import Credential, Password
from towline.domain.engine import EngineAbout, EngineKeys, EngineKind, EngineRecord, KeptImage, Storage
from towline.domain.errors import EngineFailed, InvalidInput, NotSignedIn, PullRefused
from towline.domain.findings import Finding
from towline.domain.image import ImageReference
from towline.domain.joining import Claims, EndedSession
from towline.domain.minting import Grant, MintOrder
from towline.domain.proof import Answer, Glance, Platform, PulledImage, Verdict
from towline.domain.registry import RegistryAddress, RegistrySettings
from towline.domain.workload import Fact, PullAccess, ReplicaState, Workload, WorkloadExecutable
from towline.engines.runs import refuse_previous
from towline.ports import PullToken
from towline.services.fleet import Housed

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LINUX = Platform("linux", "amd64")


class ManualClock:
    """A clock that moves only when it is told to."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **amount: float) -> None:
        """Move on: ``advance(seconds=5)``."""
        self.now += timedelta(**amount)


class CountedGuids:
    """Identifiers in the right shape that count up: the same in every run."""

    def __init__(self) -> None:
        self._made = 0

    def __call__(self, prefix: str) -> str:
        self._made += 1
        number, letters = self._made, ""
        for _ in range(24):
            number, digit = divmod(number, 26)
            letters = string.ascii_lowercase[digit] + letters
        return f"{prefix}-{letters}"


class CountedTokens:
    """Bodies of bearer tokens, 43 characters each, the same in every run."""

    def __init__(self) -> None:
        self._made = 0

    def __call__(self) -> str:
        self._made += 1
        return hashlib.sha256(str(self._made).encode()).hexdigest()[:43]


class CountedNumbers:
    """Numbers below a limit, the same in every run; eight in a row are told from other eights."""

    def __init__(self) -> None:
        self._made = 0

    def __call__(self, limit: int) -> int:
        row, place = divmod(self._made, 8)
        self._made += 1
        return int(row // limit**place) % limit


class QuickHasher:
    """The port PasswordHasher without the slowness; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def hash(self, password: Password) -> str:
        return "quick$" + hashlib.sha256(password.reveal().encode()).hexdigest()

    async def matches(self, password: Password, password_hash: str) -> bool:
        self.asked += 1
        return await self.hash(password) == password_hash


@dataclass
class FakeProvider:
    """The port SignInProvider: whoever comes back with a code is who ``people`` says.

    ``passwords_of`` are the addresses that may use a password here; None: everybody.
    """

    issuer: str = "https://id.example.com"
    people: dict[str, Claims] = field(default_factory=dict)
    passwords_of: set[str] | None = None
    over: list[EndedSession] = field(default_factory=list)

    def takes_password_of(self, email: str) -> bool:
        return self.passwords_of is None or email in self.passwords_of

    def knows(self, subject: str, *, groups: tuple[str, ...] = (), **facts: object) -> str:
        """Let somebody be signed in there; return the code with which the browser comes back."""
        known: dict[str, Any] = {"email": f"{subject}@example.com", "email_verified": True, **facts}
        self.people[subject] = Claims(self.issuer, subject, groups=groups, **known)
        return subject

    async def way(self, *, back: str, state: str, nonce: str, verifier: str) -> str:
        return (
            f"{self.issuer}/auth?{urlencode({'state': state, 'nonce': nonce, 'back': back, 'v': verifier})}"
        )

    async def claims(self, code: str, *, back: str, nonce: str, verifier: str) -> Claims:
        if code not in self.people or not all((back, nonce, verifier)):
            raise NotSignedIn("the provider did not accept its own code")
        return self.people[code]

    async def way_out(self, *, back: str, email: str) -> str:
        return f"{self.issuer}/end?{urlencode({'back': back, 'hint': email})}"

    async def ended(self, logout_token: str) -> EndedSession:
        if not self.over or not logout_token:
            raise NotSignedIn("this is no logout token")
        return self.over[0]


@dataclass
class KeptPost:
    """The port Postman: keeps what it is given, or says why it carries nothing."""

    refusal: str = ""
    letters: list[tuple[str, str, str]] = field(default_factory=list)

    async def post(self, to: str, *, subject: str, text: str) -> str:
        if not self.refusal:
            self.letters.append((to, subject, text))
        return self.refusal


@dataclass
class FakeRegistry:
    """What one registry knows: who may log in, and which images it has, by ``repository:tag``.

    Without ``users`` it asks nobody for anything. ``public`` repositories need no login, ``denied`` are
    not for those who have one.
    """

    users: dict[str, Password] = field(default_factory=dict)
    images: dict[str, PulledImage] = field(default_factory=dict)
    public: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)

    def has(self, name: str, *, content: str = "") -> PulledImage:
        """Put an image there, or another one in its place."""
        digest = hashlib.sha256((content or name).encode()).hexdigest()
        image = PulledImage(
            f"sha256:{digest}", "application/vnd.oci.image.manifest.v1+json", size=4096, platform=LINUX
        )
        self.images[name] = image
        return image


@dataclass(frozen=True)
class Asked:
    """A question that a registry was asked: ``image`` is empty for a login."""

    registry: str
    image: str
    username: str | None
    plain_http: bool


class ScriptedPullTokens:
    """The port PullTokens over a registry in memory; ``gives`` is the next token's text, empty for Basic."""

    def __init__(self) -> None:
        self.gives = "a-registrys-token"
        self.refuses: Finding | None = None
        self.asked: list[tuple[ImageReference, PullAccess]] = []

    async def pull_token(
        self, image: ImageReference, access: PullAccess, *, now: datetime
    ) -> PullToken | None:
        """Answer as a registry would; see the port."""
        self.asked.append((image, access))
        if self.refuses:
            raise PullRefused(self.refuses)
        if not self.gives:
            return None
        scope = f"repository:{image.repository}:pull"
        return PullToken(Password(self.gives), scope, now + timedelta(seconds=300))


class ScriptedMint:
    """The port TokenMint: gives a new password each time, which ``registry`` takes from then on.

    ``refuses`` is why there is none; ``meanwhile`` is awaited while one is under way.
    """

    def __init__(self) -> None:
        self.registry: FakeRegistry | None = None
        self.refuses: Finding | None = None
        self.life = timedelta(hours=12)
        self.orders: list[MintOrder] = []
        self.told: list[Mapping[str, RegistrySettings]] = []
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    def check(self, order: MintOrder) -> None:
        if not order.key.reveal().startswith("AKIA"):
            raise InvalidInput("spec.docker.mint.key", problem="holds no access key ID", rule="give one")

    async def mint(
        self, order: MintOrder, *, now: datetime, settings: Mapping[str, RegistrySettings]
    ) -> Grant:
        self.orders.append(order)
        self.told.append(settings)
        if self.meanwhile is not None:
            await self.meanwhile()
        if self.refuses is not None:
            raise PullRefused(self.refuses)
        password = Password(f"minted-{len(self.orders)}")
        if self.registry is not None:
            self.registry.users["AWS"] = password
        return Grant(Credential("AWS", password), now, now + self.life)


class ScriptedProver:
    """The port RegistryProver over registries in memory.

    ``says`` puts an answer before all others, once; ``meanwhile`` is awaited while a question is
    under way, so that something can happen in between.
    """

    def __init__(self) -> None:
        self.registries: dict[str, FakeRegistry] = {}
        self.asked: list[Asked] = []
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        self.at_once = 0
        self.most_at_once = 0
        self._scripted: deque[Answer] = deque()

    def registry(self, netloc: str, **users: str) -> FakeRegistry:
        """Set up a registry with these users and passwords."""
        made = FakeRegistry({name: Password(text) for name, text in users.items()})
        self.registries[netloc] = made
        return made

    def says(self, *answers: Answer) -> None:
        """Answer the next questions so."""
        self._scripted.extend(answers)

    async def login(self, address: RegistryAddress, access: PullAccess) -> Answer:
        await self._hear(address.netloc, "", access)
        return self._next() or self._login(address.netloc, access)

    async def image(self, image: ImageReference, access: PullAccess, *, platform: Platform) -> Answer:
        await self._hear(image.registry, str(image), access)
        return self._next() or self._image(image, access, platform)

    async def glance(self, image: ImageReference, access: PullAccess, *, spare: int) -> Glance:
        await self._hear(image.registry, str(image), access)
        answer = self._image(image, access, Platform("linux", "amd64"))
        return Glance(answer.image is not None if spare else None, finding=answer.finding)

    async def _hear(self, registry: str, image: str, access: PullAccess) -> None:
        username = access.credential.username if access.credential else None
        self.asked.append(Asked(registry, image, username, plain_http=access.plain_http))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.meanwhile is not None:
                await self.meanwhile()
            else:
                await asyncio.sleep(0)
        finally:
            self.at_once -= 1

    def _next(self) -> Answer | None:
        return self._scripted.popleft() if self._scripted else None

    def _login(self, netloc: str, access: PullAccess) -> Answer:
        registry = self.registries.get(netloc)
        if registry is None:
            return refused(FindingCode.REGISTRY_DNS, Verdict.UNKNOWN)
        if not registry.users:
            return Answer(Verdict.UNPROVED)
        if access.credential is None:
            return refused(FindingCode.SECRET_NEEDED, Verdict.UNKNOWN)
        if registry.users.get(access.credential.username) != access.credential.password:
            return refused(FindingCode.WRONG_CREDENTIALS, Verdict.FAILING)
        return Answer(Verdict.VERIFIED)

    def _image(self, image: ImageReference, access: PullAccess, platform: Platform) -> Answer:
        registry = self.registries.get(image.registry, FakeRegistry())
        is_public = image.repository in registry.public or not registry.users
        answer = self._login(image.registry, access)
        if answer.finding is not None and not (is_public and access.credential is None):
            return answer
        if image.repository in registry.denied:
            return refused(FindingCode.NO_PULL_PERMISSION, answer.verdict)
        found = registry.images.get(f"{image.repository}:{image.tag}")
        if found is None:
            return refused(FindingCode.TAG_NOT_FOUND, answer.verdict)
        if found.platform != platform:
            return refused(FindingCode.PLATFORM_NOT_AVAILABLE, answer.verdict)
        return Answer(answer.verdict, image=found, anonymous=is_public)


def refused(code: FindingCode, verdict: Verdict, detail: str = "") -> Answer:
    """Return the answer no, for this cause."""
    return Answer(verdict, Finding(code, detail), spare=4)


@dataclass
class _Container:
    run: WorkloadExecutable
    fact: Fact
    log: list[bytes] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_up(self) -> bool:
        return self.fact.state in (ReplicaState.STARTING, ReplicaState.RUNNING)


_Key = tuple[str, int, str, int]
"""Deployment, generation, executable, replica."""


class FakeEngine:
    """The port Engine in memory: containers are entries that run until a test ends them.

    ``fails`` makes the next calls of ``apply`` raise; ``hold`` keeps ``apply`` from ending until it is
    set again with ``release``; ``stuck`` is what ``roll_back`` raises while it is set. ``applied`` are all
    workloads asked for, ``started`` counts starts. ``earlier`` holds logs of runs before, by deployment and
    executable, which an engine named ``kubernetes`` tells apart.
    """

    def __init__(
        self, *, clock: Callable[[], datetime], name: str = "fake", platform: Platform = LINUX
    ) -> None:
        self._clock = clock
        self.name = name
        self.earlier: dict[tuple[str, str], bytes] = {}
        self.platform = platform
        self._containers: dict[_Key, _Container] = {}
        self._observers: set[asyncio.Queue[Fact]] = set()
        self._failures: deque[Exception] = deque()
        self._open = asyncio.Event()
        self._open.set()
        self.keeps_credentials = False
        self.stuck: Exception | None = None
        self.held: Exception | None = None
        self.applied: list[Workload] = []
        self.removed: list[tuple[str, int | None]] = []
        self.started: Counter[_Key] = Counter()
        self.trouble: Finding | None = None
        self.identities: tuple[str, ...] = ()
        self.images: tuple[KeptImage, ...] = ()
        self.disks: dict[str, int] = {}

    async def about(self) -> EngineAbout:
        self._answer()
        return EngineAbout("1.0", self.platform, self.identities)

    async def storage(self) -> Storage:
        self._answer()
        return Storage(self.images, disk_used=sum(each.size for each in self.images), can_collect=True)

    async def collect(self) -> int:
        self._answer()
        doomed = [each for each in self.images if each.is_ours and not each.is_used]
        self.images = tuple(each for each in self.images if each not in doomed)
        return len(doomed)

    async def disk_used(self, disk: str) -> int | None:
        self._answer()
        return self.disks.get(disk)

    async def delete_disk(self, disk: str) -> None:
        self._answer()
        self.disks.pop(disk, None)

    def _answer(self) -> None:
        if self.trouble is not None:
            raise EngineFailed(self.trouble)

    async def apply(self, workload: Workload) -> None:
        self._answer()
        self.applied.append(workload)
        for _, run, replica in _places(workload):
            self._report(_fact(workload, run, replica, state=ReplicaState.PULLING, at=self._clock()), run)
        await self._open.wait()
        if self._failures:
            self._drop_pulls(workload)
            raise self._failures.popleft()
        if workload.exclusive:
            self._make_way(workload)
        self.disks.update({disk: self.disks.get(disk, 0) for disk in workload.disks})
        for key, run, replica in _places(workload):
            container = self._containers.get(key)
            if container is None or not container.is_up:
                self._start(workload, run, replica)

    def observe(self) -> AsyncIterator[Fact]:
        """Yield facts from this call on, not only from the first one asked for."""
        queue: asyncio.Queue[Fact] = asyncio.Queue()
        self._observers.add(queue)
        return self._drain(queue)

    async def remove(self, deployment_guid: str, *, below: int | None = None) -> None:
        self._answer()
        if self.held is not None:
            raise self.held
        self.removed.append((deployment_guid, below))
        self._drop(lambda key: key[0] == deployment_guid and (below is None or key[1] < below))

    async def roll_back(self, deployment_guid: str, *, generation: int) -> int:
        held = {key[1] for key in self._containers if key[0] == deployment_guid and key[1] <= generation}
        serves = min(held, default=generation)
        if serves == generation:
            return 0
        if self.stuck is not None:
            raise self.stuck
        for key, container in list(self._containers.items()):
            if key[:2] == (deployment_guid, generation):
                del self._containers[key]
            elif key[:2] == (deployment_guid, serves) and container.fact.state is ReplicaState.FAILED:
                self._run(container)
        return serves

    def logs(
        self,
        deployment_guid: str,
        executable: str,
        *,
        replica: int = 0,
        follow: bool = False,
        tail: int | None = None,
        timestamps: bool = False,
        previous: bool = False,
    ) -> AsyncIterator[bytes]:
        refuse_previous(previous=previous and self.name != EngineKind.KUBERNETES)
        if previous:
            return self._before(deployment_guid, executable)
        return self._log(
            deployment_guid, executable, replica=replica, follow=follow, tail=tail, timestamps=timestamps
        )

    async def _before(self, deployment_guid: str, executable: str) -> AsyncIterator[bytes]:
        if (deployment_guid, executable) in self.earlier:
            yield self.earlier[deployment_guid, executable]

    async def _log(
        self,
        deployment_guid: str,
        executable: str,
        *,
        replica: int,
        follow: bool,
        tail: int | None,
        timestamps: bool,
    ) -> AsyncIterator[bytes]:
        container = self._newest(deployment_guid, executable, replica)
        if container is None:
            return
        told = 0 if tail is None else max(0, len(container.log) - tail)
        while True:
            while told < len(container.log):
                yield b"- " + container.log[told] if timestamps else container.log[told]
                told += 1
            if not follow or not container.is_up:
                return
            container.changed.clear()
            await container.changed.wait()

    async def inventory(self) -> Sequence[Fact]:
        self._answer()
        return tuple(
            container.fact
            for container in self._containers.values()
            if container.fact.state is not ReplicaState.PULLING
        )

    # --- what a test does to the world -----------------------------------------------------------

    def fails(self, *failures: Exception) -> None:
        """Let the next calls of ``apply`` raise these."""
        self._failures.extend(failures)

    def hold(self) -> None:
        """Let ``apply`` wait after the pull until ``release``."""
        self._open.clear()

    def release(self) -> None:
        """Let waiting and future calls of ``apply`` go on."""
        self._open.set()

    def says(self, deployment_guid: str, executable: str, line: bytes, *, replica: int = 0) -> None:
        """Let a running container write a line to its log."""
        container = self._running(deployment_guid, executable, replica)
        container.log.append(line)
        container.changed.set()

    def ends(
        self,
        deployment_guid: str,
        executable: str,
        *,
        exit_code: int,
        replica: int = 0,
        state: ReplicaState = ReplicaState.BACKING_OFF,
        finding: Finding | None = None,
    ) -> None:
        """Let a running container's process end."""
        container = self._running(deployment_guid, executable, replica)
        ended = replace(
            container.fact,
            state=state,
            at=self._clock(),
            started_at=None,
            exit_code=exit_code,
            finding=finding or Finding(FindingCode.EXITED, f"exit code {exit_code}"),
        )
        self._report(ended, container.run)

    def restarts(self, deployment_guid: str, executable: str, *, replica: int = 0) -> None:
        """Let a container that ended run again."""
        container = self._running(deployment_guid, executable, replica)
        again = replace(
            container.fact,
            state=ReplicaState.RUNNING,
            at=self._clock(),
            started_at=self._clock(),
            exit_code=None,
            finding=None,
            restart_count=container.fact.restart_count + 1,
        )
        self._report(again, container.run)

    def running(self, deployment_guid: str) -> Mapping[_Key, WorkloadExecutable]:
        """Return what runs now for a deployment."""
        return {
            key: container.run
            for key, container in self._containers.items()
            if key[0] == deployment_guid and container.fact.state is ReplicaState.RUNNING
        }

    def push(self, fact: Fact) -> None:
        """Tell the observers something, whatever the engine holds."""
        for queue in self._observers:
            queue.put_nowait(fact)

    # --- parts -----------------------------------------------------------------------------------

    def _make_way(self, workload: Workload) -> None:
        """End the older generations, and keep the oldest."""
        guid, older = workload.deployment_guid, range(workload.generation)
        kept = min((key[1] for key in self._containers if key[0] == guid and key[1] in older), default=0)
        self._drop(lambda key: key[0] == guid and key[1] in older and key[1] != kept)
        for key, container in self._containers.items():
            if key[:2] == (guid, kept):
                container.fact = replace(container.fact, state=ReplicaState.FAILED, started_at=None)

    def _run(self, container: _Container) -> None:
        fact = container.fact
        self.started[fact.deployment_guid, fact.generation, fact.executable, fact.replica] += 1
        self._report(
            replace(
                fact,
                state=ReplicaState.RUNNING,
                at=self._clock(),
                started_at=self._clock(),
                exit_code=None,
                finding=None,
            ),
            container.run,
        )

    def _start(self, workload: Workload, run: WorkloadExecutable, replica: int) -> None:
        now = self._clock()
        fact = _fact(workload, run, replica, state=ReplicaState.RUNNING, at=now)
        self.started[workload.deployment_guid, workload.generation, run.name, replica] += 1
        self._report(replace(fact, started_at=now), run)

    def _report(self, fact: Fact, run: WorkloadExecutable) -> None:
        key = (fact.deployment_guid, fact.generation, fact.executable, fact.replica)
        container = self._containers.get(key)
        if container is None:
            self._containers[key] = _Container(run, fact)
        elif fact.state is ReplicaState.PULLING and container.is_up:
            return
        else:
            container.fact = fact
            container.changed.set()
        self.push(fact)

    def _drop(self, is_meant: Callable[[_Key], bool]) -> None:
        for key in [key for key in self._containers if is_meant(key)]:
            gone = self._containers.pop(key)
            gone.fact = replace(gone.fact, state=ReplicaState.EXITED)
            gone.changed.set()

    def _drop_pulls(self, workload: Workload) -> None:
        keys = {key for key, _, _ in _places(workload)}
        self._drop(lambda key: key in keys and self._containers[key].fact.state is ReplicaState.PULLING)

    async def _drain(self, queue: asyncio.Queue[Fact]) -> AsyncIterator[Fact]:
        try:
            while True:
                yield await queue.get()
        finally:
            self._observers.discard(queue)

    def _newest(self, guid: str, executable: str, replica: int) -> _Container | None:
        mine = [key for key in self._containers if (key[0], key[2], key[3]) == (guid, executable, replica)]
        return self._containers[max(mine, key=lambda key: key[1])] if mine else None

    def _running(self, guid: str, executable: str, replica: int) -> _Container:
        container = self._newest(guid, executable, replica)
        if container is None:
            raise LookupError(f"the engine holds no container {executable!r} of {guid}")
        return container


class FakeHouse:
    """Opens engines in memory: the installation's own, and one for each address that is asked for."""

    def __init__(self, own: FakeEngine, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._own = own
        self._by_address: dict[str, FakeEngine] = {}
        self.closed: list[str] = []
        self.keys: dict[str, EngineKeys] = {}

    def at(self, address: str) -> FakeEngine:
        """Return the engine at an address; there is one at each."""
        if address not in self._by_address:
            made = self._by_address[address] = FakeEngine(clock=self._clock, name="docker")
            made.identities = (f"fake:{address}",)
        return self._by_address[address]

    async def __call__(self, record: EngineRecord, keys: EngineKeys, closing: AsyncExitStack) -> Housed:
        self.keys[record.name] = keys
        is_own = record.spec.kind is EngineKind.EMBEDDED
        engine = self._own if is_own else self.at(record.spec.address)
        closing.callback(self.closed.append, record.name)
        return Housed(engine, engine, _nothing)


async def _nothing() -> None:
    """Begin: an engine in memory has nothing to do for it."""


def _places(workload: Workload) -> Sequence[tuple[_Key, WorkloadExecutable, int]]:
    return tuple(
        ((workload.deployment_guid, workload.generation, run.name, replica), run, replica)
        for run in workload.executables
        for replica in range(workload.replicas)
    )


def _fact(
    workload: Workload, run: WorkloadExecutable, replica: int, *, state: ReplicaState, at: datetime
) -> Fact:
    return Fact(workload.deployment_guid, workload.generation, run.name, replica, state=state, at=at)
