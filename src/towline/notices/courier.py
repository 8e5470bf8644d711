"""The courier: a POST to a guarded address without redirects, or an e-mail; what went wrong is words."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import parseaddr
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from towline.dialing import AddressRefused, Guard, GuardedResolver, Lookup, system_lookup
from towline.domain.events import NoticeFormat
from towline.notices.letters import body_of, signature

if TYPE_CHECKING:
    from collections.abc import Callable

    from towline.domain.credential import Password
    from towline.domain.events import Delivery
    from towline.notices.mail import MailServer

PATIENCE = aiohttp.ClientTimeout(total=15, sock_connect=5)
NO_MAIL = "no mail server is set: start the server with --smtp-host"
_BROKEN = (aiohttp.ClientError, OSError, TimeoutError, ValueError)


class NoticeCourier:
    """The port ``Courier``. Without a mail server e-mails are not carried, and the outcome says so."""

    def __init__(
        self,
        guard: Guard,
        *,
        mail: MailServer | None = None,
        clock: Callable[[], float] = time.time,
        lookup: Lookup = system_lookup,
    ) -> None:
        self._guard = guard
        self._mail = mail
        self._clock = clock
        self._lookup = lookup
        self._session: aiohttp.ClientSession | None = None

    async def carry(self, delivery: Delivery, key: Password) -> str:
        """Deliver; see the port."""
        if delivery.webhook.format is NoticeFormat.EMAIL:
            return await self._by_mail(delivery)
        return await self._by_post(delivery, key)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def _by_post(self, delivery: Delivery, key: Password) -> str:
        body, at = body_of(delivery.event, delivery.webhook.format), int(self._clock())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "towline",
            "X-Towline-Event": delivery.event.kind.value,
            "X-Towline-Event-Id": delivery.event.guid,
            "X-Towline-Signature": signature(key, body, at=at),
        }
        url = URL(delivery.webhook.url)
        try:
            self._guard.check_host(url.host or "")
            async with self._opened().post(
                url, data=body, headers=headers, allow_redirects=False, timeout=PATIENCE
            ) as response:
                return "" if 200 <= response.status < 300 else f"answered {response.status}"
        except AddressRefused as refused:
            return f"not dialled: {refused}"
        except _BROKEN as error:
            return _words(error)

    async def post(self, to: str, *, subject: str, text: str) -> str:
        """Send an e-mail; see the port ``Postman``."""
        message = EmailMessage()
        message["To"] = to
        message["Subject"] = " ".join(subject.split())[:150]
        message["Date"] = datetime.fromtimestamp(self._clock(), UTC)
        message.set_content(text)
        return await self._mailed(message)

    async def _mailed(self, message: EmailMessage) -> str:
        if self._mail is None:
            return NO_MAIL
        return await self._mail.send(message)

    async def _by_mail(self, delivery: Delivery) -> str:
        if self._mail is None:
            return NO_MAIL
        message = EmailMessage()
        message["To"] = urlsplit(delivery.webhook.url).path
        message["Subject"] = " ".join(delivery.event.headline.split())[:150]
        message["Date"] = delivery.event.at
        message["Message-ID"] = (
            f"<{delivery.event.guid}@{parseaddr(self._mail.sender)[1].rpartition('@')[2]}>"
        )
        message["X-Towline-Event-Id"] = delivery.event.guid
        message.set_content(f"{delivery.event.text}\n\nat {delivery.event.at:%Y-%m-%d %H:%M:%S} UTC\n")
        return await self._mailed(message)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=GuardedResolver(self._guard, self._lookup), limit_per_host=3, ttl_dns_cache=10
            )
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            )
        return self._session


def _words(error: Exception) -> str:
    """Return what went wrong without quoting the address, whose path may be a secret of its own."""
    if isinstance(error, TimeoutError):
        return "did not answer in time"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name does not resolve"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not trusted"
    if isinstance(error, aiohttp.ClientConnectorError):
        inner = error.os_error
        refused = inner if isinstance(inner, AddressRefused) else inner.__cause__
        if isinstance(refused, AddressRefused):
            return f"not dialled: {refused}"
        return "refused the connection" if isinstance(inner, ConnectionRefusedError) else "cannot be reached"
    return "broke the connection off"
