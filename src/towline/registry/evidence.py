"""What of a challenge or a redirect may be shown: names and places, never a query, never user info."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yarl import URL

from towline.registry.cleaning import cleaned

if TYPE_CHECKING:
    from collections.abc import Iterable

    from towline.registry.challenge import Challenge

_SHOWN = ("service", "scope", "error")
_MOST_CHALLENGES = 3


def shown_challenges(challenges: Iterable[Challenge]) -> tuple[tuple[str, str], ...]:
    """Return challenges as header lines for the evidence."""
    listed = tuple(challenges)[:_MOST_CHALLENGES]
    return tuple(("www-authenticate", cleaned(_words(challenge))) for challenge in listed)


def shown_location(asked: URL, location: str | None) -> tuple[tuple[str, str], ...]:
    """Return where an answer leads, without the query, which may be a signature."""
    if not location:
        return ()
    try:
        target = asked.join(URL(location))
    except ValueError:
        return (("location", "no address"),)
    return (("location", cleaned(_place(target))),)


def _words(challenge: Challenge) -> str:
    named = {name: challenge.parameters[name] for name in _SHOWN if name in challenge.parameters}
    realm = challenge.realm
    if challenge.scheme == "bearer":
        try:
            realm = _place(URL(realm))
        except ValueError:
            realm = "no address"
    listed = ", ".join(f'{name}="{text}"' for name, text in {"realm": realm, **named}.items())
    return f"{challenge.scheme.capitalize()} {listed}"


def _place(url: URL) -> str:
    if not url.raw_host:
        return url.path
    return str(url.with_user(None).with_query(None).with_fragment(None))
