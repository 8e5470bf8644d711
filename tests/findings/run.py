"""Running a case: set the stage, ask Towline's registry room, compare the answer with what is expected."""

from __future__ import annotations

import base64
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from urllib.parse import quote

from findings.authority import Authority
from findings.cases import Case, Expect
from findings.minted import minted
from findings.stage import Stage, staged
from towline.dialing import Lookup, system_lookup
from towline.domain.credential import Credential, Password
from towline.domain.image import ImageReference
from towline.domain.proof import Answer, Platform
from towline.domain.registry import RegistryAddress, RegistrySettings
from towline.domain.workload import PullAccess
from towline.registry import Patience, Registry

OWN, STRANGER = Authority(), Authority("Another Authority")


@dataclass(frozen=True)
class Outcome:
    """What came out of a case. ``problems`` is empty when everything is as expected.

    ``hosts`` were looked up or asked, ``authorized`` ones were sent any authorization; ``logins`` are
    the requests that held the password: whom they went to, and the status of the answer.
    """

    case: Case
    answer: Answer
    milliseconds: int
    hosts: frozenset[str] = frozenset()
    authorized: frozenset[str] = frozenset()
    logins: tuple[tuple[str, int], ...] = ()
    problems: tuple[str, ...] = ()
    asked: int | None = None
    """How many requests were heard, where the answer's evidence tells of earlier ones too."""

    @property
    def got(self) -> str:
        """The finding's code, or ``-``."""
        return self.answer.finding.code.value if self.answer.finding else "-"

    @property
    def requests(self) -> int:
        """How many requests Towline used."""
        return len(self.answer.evidence) if self.asked is None else self.asked


async def play(case: Case, *, beside: Callable[[Stage], Awaitable[None]] | None = None) -> Outcome:
    """Run a scripted case; ``beside`` may ask the same stage something else afterwards."""
    async with staged(case, OWN, STRANGER) as stage:
        began = time.monotonic()
        answer = await ask(case, ca_pem=OWN.pem, lookup=stage.lookup)
        took = round((time.monotonic() - began) * 1000)
        outcome = judged(Outcome(case, answer, took, stage.hosts, stage.authorized, stage.logins))
        if beside is not None:
            await beside(stage)
    return outcome


async def ask(case: Case, *, ca_pem: str, lookup: Lookup = system_lookup) -> Answer:
    """Ask Towline what the case asks."""
    wish = case.ask
    registry = Registry(
        deny_private=wish.deny_private,
        allow_loopback=wish.allow_loopback,
        lookup=lookup,
        patience=Patience(wish.patience, connect=wish.patience, read=wish.patience),
    )
    try:
        if wish.login:
            address = RegistryAddress.parse(wish.login)
            access = _access(case, address.netloc, ca_pem)
            if wish.mint is not None:
                login = await minted(case, registry, ca_pem=ca_pem)
                if isinstance(login, Answer):
                    return login
                access = replace(access, credential=login)
            return await registry.prover.login(address, access)
        image = ImageReference.parse(wish.image)
        access = _access(case, image.registry, ca_pem)
        return await registry.prover.image(image, access, platform=Platform(*wish.platform.split("/")))
    finally:
        await registry.close()


def judged(outcome: Outcome) -> Outcome:
    """Return the outcome with everything that is not as expected."""
    return replace(outcome, problems=tuple(_problems(outcome, outcome.case.expect)))


def _access(case: Case, netloc: str, ca_pem: str) -> PullAccess:
    wish = case.ask
    settings = RegistrySettings(
        netloc, ca_pem, wish.plain_http, proxy=wish.proxy, realm_hosts=wish.allowed_realm_hosts
    )
    credential = Credential(wish.username, Password(wish.password)) if wish.username else None
    return PullAccess(settings, credential, plain_http=wish.plain_http)


def _problems(outcome: Outcome, expect: Expect) -> Iterator[str]:
    answer = outcome.answer
    if outcome.got != (expect.finding or "-"):
        yield f"finding {outcome.got}, expected {expect.finding or '-'}"
    if answer.verdict != expect.verdict:
        yield f"verdict {answer.verdict.value}, expected {expect.verdict}"
    yield from _facts(answer, expect)
    yield from _words(answer, expect)
    yield from _requests(outcome, expect)
    yield from _secrecy(outcome, expect)


def _facts(answer: Answer, expect: Expect) -> Iterator[str]:
    if expect.anonymous not in (None, answer.anonymous):
        yield f"anonymous {answer.anonymous}, expected {expect.anonymous}"
    if expect.provider not in (None, answer.provider):
        yield f"provider {answer.provider}, expected {expect.provider}"
    if expect.limit not in (None, str(answer.limit or "")):
        yield f"limit {answer.limit}, expected {expect.limit}"
    platforms = tuple(str(each) for each in answer.image.platforms) if answer.image else ()
    if expect.platforms not in (None, platforms):
        yield f"platforms {platforms}, expected {expect.platforms}"


def _words(answer: Answer, expect: Expect) -> Iterator[str]:
    finding = answer.finding
    told = (
        ("detail", finding.detail if finding else "", expect.detail_contains),
        ("fix", finding.fix if finding else "", expect.fix_contains),
        ("likely", " ".join(finding.likely) if finding else "", expect.likely_contains),
        ("command", finding.command if finding else "", expect.command_contains),
    )
    for what, text, wanted in told:
        for words in wanted:
            if words.lower() not in text.lower():
                yield f"{what} {text!r} does not contain {words!r}"


def _requests(outcome: Outcome, expect: Expect) -> Iterator[str]:
    if expect.requests_at_most is not None and outcome.requests > expect.requests_at_most:
        yield f"{outcome.requests} requests, at most {expect.requests_at_most} expected"
    if expect.hosts_asked is not None and outcome.hosts != {*expect.hosts_asked}:
        yield f"hosts asked {sorted(outcome.hosts)}, expected {sorted(expect.hosts_asked)}"


def _secrecy(outcome: Outcome, expect: Expect) -> Iterator[str]:
    times, told = len(outcome.logins), {host for host, _ in outcome.logins}
    if expect.password_sent_at_most is not None and times > expect.password_sent_at_most:
        yield f"password sent {times} times, at most {expect.password_sent_at_most} expected"
    if expect.password_hosts is not None and told != {*expect.password_hosts}:
        yield f"password sent to {sorted(told)}"
    if expect.authorized_hosts is not None and outcome.authorized != {*expect.authorized_hosts}:
        yield f"authorization sent to {sorted(outcome.authorized)}"
    if _blamed(outcome) and sum(status in (400, 401) for _, status in outcome.logins) > 1:
        yield "a refused password was sent again"
    if any(text in repr(outcome.answer) for text in _secrets(outcome.case)):
        yield "the answer shows the password"


def _secrets(case: Case) -> Iterator[str]:
    """Yield every password of the case as people and as headers write it."""
    kept = case.project.secrets if case.project else ()
    for login in (case.ask, *kept):
        if login.password:
            yield login.password
            yield base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
            yield quote(login.password, safe="")


def _blamed(outcome: Outcome) -> bool:
    return outcome.answer.finding is not None and outcome.answer.finding.cause.blames_credential
