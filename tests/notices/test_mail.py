"""E-mail at a real mail server: protected, signed in to, or refused with words that say why."""

import asyncio
import contextlib
import email
import ssl
import tempfile
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from findings.authority import Authority
from towline.domain.credential import Password
from towline.notices import MailServer

HOST = "127.0.0.1"
OWN, STRANGER = Authority(), Authority("Another Authority")


class Postbox:
    """Keeps what is handed over; nobody lives at an address that begins with ``gone``."""

    def __init__(self) -> None:
        self.envelopes: list[tuple[Envelope, bool]] = []

    async def handle_RCPT(  # noqa: N802  (aiosmtpd's own names)
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address.startswith("gone"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.envelopes.append((envelope, session.ssl is not None))
        return "250 taken"


def tls(authority: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chain.pem"
        path.write_bytes(authority.leaf(HOST))
        context.load_cert_chain(path)
    return context


def opens(_server: SMTP, _session: Session, _envelope: Envelope, _kind: str, login: object) -> AuthResult:
    assert isinstance(login, LoginPassword)
    return AuthResult(success=(login.login, login.password) == (b"robot", b"mail-password"), handled=False)


@contextlib.asynccontextmanager
async def mail_server(
    *, starttls: ssl.SSLContext | None = None, outer: ssl.SSLContext | None = None, login: bool = False
) -> AsyncIterator[tuple[int, Postbox]]:
    box = Postbox()

    def factory() -> SMTP:
        return SMTP(
            box,
            hostname="mail.example.com",
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=opens if login else None,
            auth_required=login,
            auth_require_tls=outer is None,
        )

    server = await asyncio.get_running_loop().create_server(factory, HOST, 0, ssl=outer)
    async with server:
        yield server.sockets[0].getsockname()[1], box


@pytest.fixture(autouse=True)
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine trust our authority."""
    path = tmp_path / "authority.pem"
    path.write_text(OWN.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))


def letter(to: str = "ops@example.com") -> EmailMessage:
    message = EmailMessage()
    message["To"], message["Subject"] = to, "Secret pull: verified -> failing"
    message.set_content("Grüße, das Geheimnis wird abgewiesen.\n.\n")
    return message


def sender(port: int, **more: object) -> MailServer:
    return MailServer(HOST, port, sender="towline@example.com", **more)  # type: ignore[arg-type]


async def test_a_letter_is_handed_over_by_starttls_once_signed_in() -> None:
    async with mail_server(starttls=tls(OWN), login=True) as (port, box):
        login = {"username": "robot", "password": Password("mail-password")}
        assert await sender(port, security="starttls", **login).send(letter()) == ""
    ((envelope, protected),) = box.envelopes
    assert protected
    assert (envelope.mail_from, envelope.rcpt_tos) == ("towline@example.com", ["ops@example.com"])
    assert isinstance(envelope.content, bytes)
    message = email.message_from_bytes(envelope.content)
    assert message["From"] == "towline@example.com"
    content = message.get_payload(decode=True)
    assert isinstance(content, bytes)
    assert content.decode().splitlines() == ["Grüße, das Geheimnis wird abgewiesen.", "."]


async def test_a_letter_is_handed_over_by_tls_from_the_first_byte() -> None:
    async with mail_server(outer=tls(OWN)) as (port, box):
        assert await sender(port, security="tls").send(letter()) == ""
    assert len(box.envelopes) == 1


async def test_a_wrong_password_is_told_and_nothing_is_sent() -> None:
    async with mail_server(starttls=tls(OWN), login=True) as (port, box):
        login = {"username": "robot", "password": Password("not-the-password")}
        said = await sender(port, security="starttls", **login).send(letter())
    assert said == "the mail server answered 535"
    assert box.envelopes == []


async def test_a_server_without_tls_hears_neither_login_nor_letter() -> None:
    async with mail_server() as (port, box):
        login = {"username": "robot", "password": Password("mail-password")}
        said = await sender(port, security="starttls", **login).send(letter())
    assert said == "the mail server does not offer what --smtp-security starttls with --smtp-username needs"
    assert box.envelopes == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_stranger_s_certificate_is_not_trusted(security: str) -> None:
    place = {"starttls": tls(STRANGER)} if security == "starttls" else {"outer": tls(STRANGER)}
    async with mail_server(**place) as (port, box):
        said = await sender(port, security=security).send(letter())
    assert said.startswith("the mail server's certificate is not trusted: ")
    assert box.envelopes == []


async def test_an_address_that_nobody_has_is_told() -> None:
    async with mail_server() as (port, _):
        said = await sender(port, security="none").send(letter("gone@example.com"))
    assert said == "the mail server refused the address with 550"


async def test_no_mail_server_at_all_is_told() -> None:
    server = await asyncio.start_server(lambda *_: None, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    assert await sender(port, security="none").send(letter()) == "the mail server cannot be reached"
