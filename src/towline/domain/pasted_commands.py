"""Pasted command lines: ``docker login`` and its likes, ``kubectl create secret docker-registry``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from towline.domain.credential import Password
from towline.domain.pasted import Pasted, PastedEntry, PastedForm

_LOGIN_TOOLS = frozenset({"docker", "podman", "nerdctl", "buildah", "skopeo", "crane", "helm", "oras"})
_KUBE_TOOLS = frozenset({"kubectl", "oc", "microk8s.kubectl", "k3s"})
_LOGIN_OPTIONS = {"-u": "username", "--username": "username", "-p": "password", "--password": "password"}
_LOGIN_SWITCHES = frozenset(
    {"--password-stdin", "--tls-verify", "--verbose", "-v", "--get-login", "--insecure"}
)
_KUBE_OPTIONS = {
    "--docker-server": "server",
    "--docker-username": "username",
    "--docker-password": "password",
    "--docker-email": "email",
    "--from-file": "file",
    "--namespace": "namespace",
    "-n": "namespace",
}
_SHELL_VALUE = re.compile(r"\$[A-Za-z_({]\w*|`")
_LITERAL = re.compile(r"\\.|'[^']*'", re.DOTALL)
"""What a shell takes as it is: an escaped letter, all between single quotes (POSIX, 2.2 Quoting)."""
_PIPED = frozenset({"|", "<", "<<<"})


def read_command(text: str) -> Pasted | None:
    """Return what a command line holds; None when it is neither kind of command."""
    joined = re.sub(r"[\\`]\r?\n", " ", text)
    try:
        words = shlex.split(joined.replace("\n", " "), comments=False)
    except ValueError:
        words = []
    names = [word.rpartition("/")[2] for word in words]
    for at, name in enumerate(names):
        rest = [word for word in words[at + 1 :] if word != "registry"]
        if name in _LOGIN_TOOLS and "login" in rest[:3]:
            return _login(rest[rest.index("login") + 1 :], text)
        if name in _KUBE_TOOLS and "docker-registry" in rest[:8] and "secret" in rest[:8]:
            return _kubectl(rest[rest.index("docker-registry") + 1 :], text)
    return None


def _login(words: Sequence[str], text: str) -> Pasted:
    options, rest = _parsed(words, _LOGIN_OPTIONS, switches=_LOGIN_SWITCHES)
    registry = rest[0] if rest else "docker.io"
    problem, notes = "", []
    if "--password-stdin" in words or (not options.get("password") and any(each in text for each in _PIPED)):
        problem = "the password came through a pipe and is not in the command"
    elif _is_variable(options.get("password", ""), text) or _is_variable(options.get("username", ""), text):
        problem = "a shell variable stands for a value, which is not in the command"
    elif not options.get("password"):
        problem = "the command names no password: it asks for one"
    if not rest:
        notes.append("No registry is named, so it is Docker Hub.")
    entry = PastedEntry(
        registry,
        "" if _is_variable(options.get("username", ""), text) else options.get("username", ""),
        Password("" if problem else options.get("password", "")),
        how="username and password are the command's options",
        problem=problem,
    )
    return Pasted(PastedForm.LOGIN_COMMAND, (entry,), tuple(notes))


def _kubectl(words: Sequence[str], text: str) -> Pasted:
    options, rest = _parsed(words, _KUBE_OPTIONS, switches=frozenset({"--dry-run", "--append-hash"}))
    problem = ""
    if options.get("file"):
        problem = "the credentials are in the file that --from-file names: paste that file's content"
    elif any(_is_variable(value, text) for value in options.values()):
        problem = "a shell variable stands for a value, which is not in the command"
    elif not options.get("username") or not options.get("password"):
        problem = "the command names no --docker-username or no --docker-password"
    entry = PastedEntry(
        options.get("server") or "docker.io",
        options.get("username", ""),
        Password("" if problem else options.get("password", "")),
        email=options.get("email", ""),
        name=rest[0] if rest else "",
        how="username and password are the command's options",
        problem=problem,
    )
    notes = () if options.get("server") else ("No --docker-server is named, so it is Docker Hub.",)
    return Pasted(PastedForm.KUBECTL_COMMAND, (entry,), notes)


def _is_variable(value: str, text: str) -> bool:
    """Whether a shell would put something else in the place of ``value``, as it stands in the command."""
    expanded = _LITERAL.sub("", text)
    return any(found.group() in expanded for found in _SHELL_VALUE.finditer(value))


def _parsed(
    words: Sequence[str], known: Mapping[str, str], *, switches: frozenset[str]
) -> tuple[dict[str, str], list[str]]:
    """Return the known options' values, and the words that are no options; others are passed over.

    Both ``--name value`` and ``--name=value`` are read, and ``-uVALUE``; a command ends at a pipe.
    """
    options: dict[str, str] = {}
    rest: list[str] = []
    waiting = ""
    for word in words:
        if waiting:
            options[waiting], waiting = word, ""
            continue
        if word in ("|", ";", "&&", "||", "<", "<<<", ">"):
            break
        name, equals, value = word.partition("=")
        short = word[:2] if word[:1] == "-" and word[1:2] != "-" else ""
        if name in known and equals:
            options[known[name]] = value
        elif word in known:
            waiting = known[word]
        elif short in known and len(word) > 2:
            options[known[short]] = word[2:]
        elif not word.startswith("-") and name not in switches:
            rest.append(word)
    return options, rest
