"""What a credential helper may keep for the time in which its server is out of reach.

Only where the project's owner allows it, only as long as the server said, only for the token that it was
given to. Each entry is sealed with AES-256-GCM; the key is made of a random file that lies apart from the
cache (in the session's runtime folder, which ends with it, where there is one) and of the token. Who can
read both files and the token as this user can open it: it protects a copied or backed-up home folder.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import time

from towline.outlets.server import Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from towline.outlets.server import Settings

_FRESH = 0.9
_NONCE = 12


class Cache:
    """Entries by server, project, token and registry."""

    def __init__(self, file: str, key_file: str, *, clock: Callable[[], float]) -> None:
        self._file = file
        self._key_file = key_file
        self._clock = clock

    @classmethod
    def of(cls, environ: Mapping[str, str], *, clock: Callable[[], float] = time.time) -> Cache:
        """Return this user's."""
        home = environ.get("HOME") or os.path.expanduser("~")
        caches = environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
        keys = environ.get("XDG_RUNTIME_DIR", "")
        if not os.path.isdir(keys):
            keys = environ.get("XDG_STATE_HOME") or os.path.join(home, ".local", "state")
        return cls(
            os.path.join(caches, "towline", "credentials.json"),
            os.path.join(keys, "towline", "credentials.key"),
            clock=clock,
        )

    def get(self, where: Settings, server: str) -> Mapping[str, object] | None:
        """Return what was kept; None where nothing was, its time is over, or it does not open."""
        place = _place(where, server)
        entry = self._entries().get(place)
        now = self._clock()
        if not isinstance(entry, dict) or not _number(entry, "since") <= now < _number(entry, "until"):
            return None
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            sealed = base64.b64decode(str(entry.get("sealed")), validate=True)
            key = self._key(where, make=False)
            plain = AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound(place, entry))
            kept = json.loads(plain)
        except (InvalidTag, ValueError, OSError):
            return None
        return kept if isinstance(kept, dict) else None

    def put(self, where: Settings, server: str, answer: Mapping[str, object], *, minutes: int) -> None:
        """Keep an answer for so many minutes; what cannot be written is not kept, and that is all."""
        place, entries, now = _place(where, server), self._entries(), self._clock()
        source = f"{answer.get('name')} {answer.get('version')}"
        entry = entries.get(place)
        until = now + minutes * 60
        if isinstance(entry, dict) and entry.get("source") == source:
            left = _number(entry, "until") - now
            if _FRESH * minutes * 60 < left <= minutes * 60:
                return
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        fresh: dict[str, object] = {"source": source, "since": int(now), "until": int(until)}
        plain = {"username": answer.get("username"), "secret": answer.get("secret")}
        try:
            key, nonce = self._key(where, make=True), os.urandom(_NONCE)
            sealed = nonce + AESGCM(key).encrypt(nonce, json.dumps(plain).encode(), _bound(place, fresh))
            entries[place] = {**fresh, "sealed": base64.b64encode(sealed).decode()}
            self._write(_current(entries, now))
        except OSError:
            return

    def drop(self, where: Settings, server: str) -> None:
        """Wipe what was kept; raise Trouble where the file cannot be changed."""
        entries = self._entries()
        if entries.pop(_place(where, server), None) is None:
            return
        try:
            self._write(entries)
        except OSError as error:
            raise Trouble(f"towline: {self._file} cannot be wiped ({error.strerror}); delete it") from error

    def _entries(self) -> dict[str, object]:
        try:
            with open(self._file, "rb") as file:
                entries = json.load(file)
        except (OSError, ValueError, RecursionError):
            return {}
        return entries if isinstance(entries, dict) else {}

    def _write(self, entries: Mapping[str, object]) -> None:
        _write(self._file, json.dumps(entries).encode())

    def _key(self, where: Settings, *, make: bool) -> bytes:
        try:
            with open(self._key_file, "rb") as file:
                random = file.read(64)
        except FileNotFoundError:
            if not make:
                raise
            random = os.urandom(32)
            _write(self._key_file, random)
        return hmac.new(random, where.token.encode(), hashlib.sha256).digest()


def _write(path: str, content: bytes) -> None:
    """Write a file for its owner alone, whole or not at all."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    draft = f"{path}.{os.getpid()}"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise


def _place(where: Settings, server: str) -> str:
    token = hashlib.sha256(where.token.encode()).hexdigest()
    named = json.dumps([where.server, where.project, token, server])
    return hashlib.sha256(named.encode()).hexdigest()


def _bound(place: str, entry: Mapping[str, object]) -> bytes:
    """Return what a sealed entry belongs to: who moves its end, or the entry, cannot open it."""
    return json.dumps([place, entry.get("source"), entry.get("since"), entry.get("until")]).encode()


def _current(entries: Mapping[str, object], now: float) -> dict[str, object]:
    """Return the entries whose time is not over."""
    return {
        place: entry
        for place, entry in entries.items()
        if isinstance(entry, dict) and now < _number(entry, "until")
    }


def _number(entry: Mapping[str, object], name: str) -> int:
    found = entry.get(name)
    return found if isinstance(found, int) else 0
