"""Where tools keep credentials on this machine: each reader's files in its order, read with a limit."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from towline.cli.failure import Failure
from towline.domain.readers.config_file import LARGEST, Form, Source
from towline.domain.readers.rules import RULES, Reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_CONFIG, _AUTH, _FLAT = "config.json", "containers/auth.json", ".dockercfg"


@dataclass(frozen=True, slots=True)
class Place:
    """A file that a reader looks at; ``is_asked`` when the user named it, and it must be there."""

    path: Path
    form: Form = Form.CONFIG
    is_asked: bool = False


def sources_for(reader: Reader, environ: Mapping[str, str]) -> tuple[Source, ...]:
    """Return what ``reader`` would read on this machine, in its order; raise Failure for a broken file."""
    found = [*_variable(environ)] if reader is Reader.DOCKER else []
    files = (_read(place) for place in dict.fromkeys(places_for(reader, environ)))
    there = [each for each in files if each is not None]
    if not there and RULES[reader].finds_store:
        # Without its file docker goes on as with an empty one: the machine's own store may be asked.
        return (*found, Source(f"{places_for(reader, environ)[0].path} (not there)", "{}"))
    # The kubelet takes the first file of its node that is there, and only that one.
    return (*found, *(there[:1] if reader is Reader.KUBELET else there))


def all_sources(environ: Mapping[str, str]) -> tuple[Source, ...]:
    """Return every file and variable in which docker and podman keep logins, each once."""
    both = (*places_for(Reader.DOCKER, environ), *places_for(Reader.CONTAINERS, environ))
    files = (_read(place) for place in dict.fromkeys(both))
    return (*_variable(environ), *(each for each in files if each is not None))


def named_source(file: str) -> Source:
    """Return the file that the user named, ``-`` is standard input; raise Failure."""
    if file == "-":
        return Source("standard input", _text("standard input", sys.stdin.buffer.read(LARGEST + 1)))
    form = Form.DOCKERCFG if Path(file).name == _FLAT else Form.CONFIG
    found = _read(Place(Path(file), form, is_asked=True))
    if found is None:
        raise Failure(f"{file} is not there", code=2)
    return found


def places_for(reader: Reader, environ: Mapping[str, str]) -> Sequence[Place]:
    """Return the files that ``reader`` looks at, whether they are there or not."""
    home = Path(environ.get("HOME") or "~").expanduser()
    docker = Path(environ["DOCKER_CONFIG"]) if environ.get("DOCKER_CONFIG") else home / ".docker"
    match reader:
        case Reader.DOCKER | Reader.ORAS:
            return (Place(docker / _CONFIG),)
        case Reader.CONTAINERS:
            return tuple(_of_podman(environ, home, docker))
        case Reader.KUBELET:
            folders = (Path("/var/lib/kubelet"), home / ".docker", Path("/.docker"))
            flat = (Path("/var/lib/kubelet"), home, Path("/"))
            return (
                *(Place(folder / _CONFIG) for folder in folders),
                *(Place(folder / _FLAT, Form.DOCKERCFG) for folder in flat),
            )


def _of_podman(environ: Mapping[str, str], home: Path, docker: Path) -> Iterator[Place]:
    if environ.get("REGISTRY_AUTH_FILE"):
        yield Place(Path(environ["REGISTRY_AUTH_FILE"]))
    elif environ.get("DOCKER_CONFIG"):
        yield Place(docker / _CONFIG)
    elif environ.get("XDG_RUNTIME_DIR"):
        yield Place(Path(environ["XDG_RUNTIME_DIR"]) / _AUTH)
    else:
        yield Place(Path(f"/run/containers/{os.getuid()}/auth.json"))
    yield Place(Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / _AUTH)
    yield Place(docker / _CONFIG)
    yield Place(home / _FLAT, Form.DOCKERCFG)


def _variable(environ: Mapping[str, str]) -> Iterator[Source]:
    if text := environ.get("DOCKER_AUTH_CONFIG"):
        yield Source("DOCKER_AUTH_CONFIG", text, Form.VARIABLE)


def _read(place: Place) -> Source | None:
    name = str(place.path)
    try:
        with place.path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        if place.is_asked:
            raise Failure(f"{name} cannot be read: {error.strerror}", code=2) from error
        return None
    except (OSError, ValueError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is no name of a file"
        raise Failure(f"{name} cannot be read: {words}", code=2) from error
    return Source(name, _text(name, content), place.form)


def _text(name: str, content: bytes) -> str:
    if len(content) > LARGEST:
        raise Failure(f"{name}: is larger than 1 MiB; files of credentials are not", code=2)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Failure(f"{name}: is not UTF-8 text", code=2) from error
