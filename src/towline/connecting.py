"""What the settings say about others to talk to: the mail server, the sign-in provider, whom never."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from towline.dialing import Guard
from towline.domain.credential import Password
from towline.domain.errors import InvalidInput
from towline.notices import MailServer, NoticeCourier
from towline.oidc import OpenIdProvider
from towline.oidc.provider import Client as OidcClient

if TYPE_CHECKING:
    from towline.config import Config


@dataclass(frozen=True, slots=True)
class SignInWays:
    """How people sign in: by a provider under its name, and by passwords, for which addresses."""

    provider: OpenIdProvider | None = None
    name: str = ""
    takes_password_of: Callable[[str], bool] = lambda _: True


PASSWORDS_ALONE = SignInWays()


def guard_of(config: Config) -> Guard:
    """Return the installation's rules about addresses."""
    return Guard(
        deny_private=config.deny_private_registries, allow_loopback=config.allows_loopback_registries
    )


async def courier_of(config: Config) -> NoticeCourier:
    """Return what carries notices; raise InvalidInput when the mail server's password cannot be read."""
    return NoticeCourier(guard_of(config), mail=await _mail_server(config))


def sign_in_of(config: Config, provider: OpenIdProvider | None) -> SignInWays:
    """Return how people sign in, as the settings say."""
    name = config.oidc_name or urlsplit(config.oidc_issuer).hostname or ""
    return SignInWays(provider, name, config.takes_password_of)


async def provider_of(config: Config) -> OpenIdProvider | None:
    """Return the sign-in provider that the settings name; raise InvalidInput where they do not fit."""
    if not config.oidc_issuer:
        return None
    secret = Password("")
    if file := config.oidc_client_secret_file:
        text = await asyncio.to_thread(_text_of, Path(file), "oidc_client_secret_file")
        secret = Password(text.strip())
    return OpenIdProvider(
        OidcClient(
            config.oidc_issuer,
            config.oidc_client_id,
            secret,
            scopes=config.oidc_scopes,
            groups_claim=config.oidc_groups_claim,
            trust_address=config.oidc_trust_addresses,
            ca_file=config.oidc_ca_file,
        )
    )


async def _mail_server(config: Config) -> MailServer | None:
    if not config.smtp_host:
        return None
    password = Password("")
    if config.smtp_password_file:
        text = await asyncio.to_thread(_text_of, Path(config.smtp_password_file), "smtp_password_file")
        password = Password(text.strip())
    return MailServer(
        config.smtp_host,
        config.smtp_port,
        sender=config.smtp_from,
        security=config.smtp_security,
        username=config.smtp_username,
        password=password,
    )


def _text_of(path: Path, setting: str) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise InvalidInput(setting, problem=f"{path} cannot be read", rule=str(error.strerror)) from error
