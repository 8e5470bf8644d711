"""Plain e-mail by SMTP (RFC 5321), in a thread of its own, as the library blocks."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from towline.domain.credential import Password

if TYPE_CHECKING:
    from email.message import EmailMessage

SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where e-mails are handed over; ``security`` is how the connection is protected."""

    host: str
    port: int
    sender: str
    security: Literal["none", "starttls", "tls"] = "starttls"
    username: str = ""
    password: Password = field(default_factory=lambda: Password(""))

    async def send(self, message: EmailMessage) -> str:
        """Hand a message over; return an empty text, else what went wrong."""
        message["From"] = self.sender
        try:
            await asyncio.to_thread(self._send, message)
        except (smtplib.SMTPException, OSError) as error:
            return self._words(error)
        return ""

    def _words(self, error: Exception) -> str:
        match error:
            case smtplib.SMTPResponseException(smtp_code=code):
                return f"the mail server answered {code}"
            case smtplib.SMTPRecipientsRefused(recipients=refused):
                return f"the mail server refused the address with {next(iter(refused.values()))[0]}"
            case smtplib.SMTPNotSupportedError():
                return f"the mail server does not offer what {self._wanted} needs"
            case ssl.SSLCertVerificationError(verify_message=words):
                return f"the mail server's certificate is not trusted: {words}"
            case smtplib.SMTPException() | ssl.SSLError():
                return "the mail server and this one do not understand each other"
            case _:
                return "the mail server cannot be reached"

    @property
    def _wanted(self) -> str:
        return f"--smtp-security {self.security}{' with --smtp-username' if self.username else ''}"

    def _send(self, message: EmailMessage) -> None:
        with self._connected() as connection:
            if self.security == "starttls":
                connection.starttls(context=ssl.create_default_context())
            if self.username:
                connection.login(self.username, self.password.reveal())
            connection.send_message(message)

    def _connected(self) -> smtplib.SMTP:
        if self.security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.host, self.port, timeout=SECONDS, context=context)
        return smtplib.SMTP(self.host, self.port, timeout=SECONDS)
