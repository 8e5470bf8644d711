"""docker's config.json: which helper answers for which registry, changed without touching anything else.

Facts: docker/cli ``cli/config/configfile/file.go``. What the file holds of logins is never printed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from towline.cli import private_file
from towline.cli.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towline.cli.documents import Document

HELPER = "towline"
HUB_KEY = "https://index.docker.io/v1/"
_HUB_NAMES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io", HUB_KEY, "https://docker.io"})
_MOST = 10 << 20


def path(environ: Mapping[str, str]) -> Path:
    """Return where docker keeps its settings."""
    home = Path(environ.get("HOME") or "~").expanduser()
    return Path(environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json"


def keys_of(registry: str) -> Sequence[str]:
    """Return the keys under which tools look a registry's helper up; Docker Hub has two."""
    if registry.rstrip("/") in {name.rstrip("/") for name in _HUB_NAMES}:
        return (HUB_KEY, "docker.io")
    host = registry.partition("://")[2] or registry
    bare = host.partition("/")[0]
    if not bare or any(letter.isspace() or not letter.isprintable() for letter in registry):
        raise Failure(f"{registry!r} is not a registry; write HOST or HOST:PORT", code=2)
    return (bare,)


def load(file: Path) -> Document:
    """Return the settings, empty where there is no file; raise Failure for what is no such file."""
    try:
        if file.stat().st_size > _MOST:
            raise Failure(f"{file} is larger than 10 MiB; that is not docker's config.json", code=2)
        document = json.loads(file.read_bytes() or b"{}")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}", code=2) from error
    except (ValueError, RecursionError) as error:
        raise Failure(f"{file} is not JSON; nothing was changed", code=2) from error
    if not isinstance(document, dict):
        raise Failure(f"{file} holds no JSON object; nothing was changed", code=2)
    return document


def with_helper(config: Document, keys: Sequence[str], *, everywhere: bool) -> Document:
    """Return the settings with Towline's helper for these keys, or for all registries."""
    changed = dict(config)
    if keys:
        changed["credHelpers"] = {**_helpers(config), **dict.fromkeys(keys, HELPER)}
    if everywhere:
        changed["credsStore"] = HELPER
    return changed


def without_helper(config: Document, keys: Sequence[str]) -> Document:
    """Return the settings without Towline's helper, for these keys or, without any, wherever it stands."""
    changed = dict(config)
    helpers = {
        key: value for key, value in _helpers(config).items() if value != HELPER or (keys and key not in keys)
    }
    changed["credHelpers"] = helpers
    if not helpers:
        del changed["credHelpers"]
    if not keys and changed.get("credsStore") == HELPER:
        del changed["credsStore"]
    return changed


def without_logins(config: Document, keys: Sequence[str]) -> Document:
    """Return the settings without what they hold for these registries."""
    auths = config.get("auths")
    if not isinstance(auths, dict):
        return config
    return {**config, "auths": {key: value for key, value in auths.items() if key not in keys}}


def logins(config: Document, keys: Sequence[str]) -> Sequence[str]:
    """Return the keys of these for which the settings themselves hold a login."""
    auths = config.get("auths")
    return [key for key in keys if isinstance(auths, dict) and auths.get(key)]


def difference(before: Document, after: Document) -> Sequence[str]:
    """Return what changes, a line each, without anything of a login."""
    lines = _changed("credsStore", {"": before.get("credsStore")}, {"": after.get("credsStore")})
    lines += _changed("credHelpers", _helpers(before), _helpers(after))
    auths = (before.get("auths"), after.get("auths"))
    old, new = (each.keys() if isinstance(each, dict) else () for each in auths)
    return [*lines, *(f"- auths: {key} (the login in it)" for key in old if key not in new)]


def save(file: Path, config: Document) -> None:
    """Write the settings, whole or not at all, with the file's own mode; a link stays a link."""
    real = file.resolve()
    text = json.dumps(config, indent="\t", ensure_ascii=False) + "\n"
    try:
        mode = real.stat().st_mode & 0o777 if real.exists() else 0o600
        private_file.write(real, text, mode=mode)
    except OSError as error:
        raise Failure(f"{file} cannot be written: {error.strerror}", code=1) from error


def _helpers(config: Document) -> dict[str, object]:
    helpers = config.get("credHelpers")
    if helpers is None:
        return {}
    if not isinstance(helpers, dict):
        raise Failure("credHelpers is no JSON object there; nothing was changed", code=2)
    return helpers


def _changed(name: str, before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    lines = []
    for key in dict.fromkeys((*before, *after)):
        old, new = before.get(key), after.get(key)
        place = f"{name}: {key}" if key else name
        if old != new:
            lines += [f"- {place} = {old}"] if old else []
            lines += [f"+ {place} = {new}"] if new else []
    return lines
