"""``docker-credential-towline``: the credential helper that docker, podman and skopeo start.

Protocol: docker/docker-credential-helpers, ``credentials/credentials.go`` and ``error.go``. Answers and
errors both go to standard output; nothing else is written there, and nothing is ever asked.
"""

from __future__ import annotations

import json
import os
import sys

from towline.outlets.server import Trouble, Unreachable, call, settings, told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towline.outlets.server import Settings

NOT_FOUND = "credentials not found in native keychain"
NO_SERVER = "no credentials server URL"
NO_USERNAME = "no credentials username"
MOST_INPUT = 1 << 20
PSEUDO_KEYS = ("https://index.docker.io/v1/access-token", "https://index.docker.io/v1/refresh-token")
"""Where docker keeps the tokens of a login to Docker Hub by browser; they open no registry."""
NO_BROWSER = (
    "towline: Docker Hub's login by browser keeps tokens that open no registry;"
    " use `docker login -u NAME` with an access token"
)
USAGE = "usage: docker-credential-towline get|list|store|erase|version"


def main(argv: Sequence[str] | None = None) -> int:
    """Do what docker asks for; return the exit code."""
    words = sys.argv[1:] if argv is None else argv
    verb = words[0] if len(words) == 1 else ""
    try:
        return _done(verb)
    except Trouble as trouble:
        _say(str(trouble))
        return 1
    except KeyboardInterrupt:
        return 130


def _done(verb: str) -> int:
    if verb == "version":
        return _version()
    if verb not in ("get", "list", "store", "erase"):
        raise Trouble(USAGE)
    asked = "" if verb == "list" else _input()
    return {"get": _get, "list": _list, "store": _store, "erase": _erase}[verb](asked)


def _get(asked: str) -> int:
    server = asked.strip()
    if not server:
        raise Trouble(NO_SERVER)
    if server in PSEUDO_KEYS:
        raise Trouble(NOT_FOUND)
    answer = _credential(settings(os.environ), server)
    login = {"ServerURL": server, "Username": answer.get("username"), "Secret": answer.get("secret")}
    _say(json.dumps(login))
    return 0


def _credential(where: Settings, server: str) -> Mapping[str, object]:
    try:
        status, answer = call(where, "POST", "/v2/credentials/get/", {"serverURL": server})
    except Unreachable:
        return _kept(where, server)
    _keep(where, server, status, answer)
    _check(status, answer)
    return answer


def _list(_: str) -> int:
    status, answer = call(settings(os.environ), "GET", "/v2/credentials/list/")
    _check(status, answer)
    _say(json.dumps(answer.get("registries", {})))
    return 0


def _store(asked: str) -> int:
    login = _login(asked)
    if not login.get("ServerURL"):
        raise Trouble(NO_SERVER)
    if not login.get("Username"):
        raise Trouble(NO_USERNAME)
    if login["ServerURL"] in PSEUDO_KEYS:
        raise Trouble(NO_BROWSER)
    body = {
        "serverURL": login["ServerURL"],
        "username": login["Username"],
        "secret": login.get("Secret", ""),
    }
    where = settings(os.environ)
    status, answer = call(where, "POST", "/v2/credentials/store/", body)
    _forget(where, str(login["ServerURL"]))
    _check(status, answer)
    return 0


def _erase(asked: str) -> int:
    server = asked.strip()
    if not server:
        raise Trouble(NO_SERVER)
    if server in PSEUDO_KEYS:
        raise Trouble(NOT_FOUND)
    where = settings(os.environ)
    status, answer = call(where, "POST", "/v2/credentials/erase/", {"serverURL": server})
    _forget(where, server)
    _check(status, answer)
    return 0


def _version() -> int:
    from towline import __version__

    _say(f"docker-credential-towline (towline) {__version__}")
    return 0


def _check(status: int, answer: Mapping[str, object]) -> None:
    """Return for a success; raise what docker is told otherwise."""
    if status == 404 and not str(answer.get("error")).startswith("project "):
        raise Trouble(NOT_FOUND)
    if status >= 400:
        raise Trouble(told(answer, status))


def _login(asked: str) -> dict[str, object]:
    try:
        login = json.loads(asked)
    except (ValueError, RecursionError):
        login = None
    if not isinstance(login, dict):
        raise Trouble("towline: the login to store is not a JSON object")
    return login


def _input() -> str:
    content = sys.stdin.buffer.read(MOST_INPUT + 1)
    if len(content) > MOST_INPUT:
        raise Trouble("towline: the input is larger than 1 MiB")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Trouble("towline: the input is not UTF-8") from None


def _kept(where: Settings, server: str) -> Mapping[str, object]:
    """Return what was kept for times like this; raise Unreachable again where nothing was."""
    from towline.outlets import offline

    kept = offline.Cache.of(os.environ).get(where, server)
    if kept is None:
        raise Unreachable(f"towline: no connection to {where.server}, and nothing is kept for {server}")
    return kept


def _keep(where: Settings, server: str, status: int, answer: Mapping[str, object]) -> None:
    """Keep what the owner lets be kept; whatever was refused, or may not be kept any more, is wiped."""
    minutes = answer.get("offlineMinutes", 0)
    if status < 400 and isinstance(minutes, int) and minutes > 0:
        from towline.outlets import offline

        offline.Cache.of(os.environ).put(where, server, answer, minutes=minutes)
    elif status < 500:
        _forget(where, server)


def _forget(where: Settings, server: str) -> None:
    from towline.outlets import offline

    offline.Cache.of(os.environ).drop(where, server)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
