"""A real podman that serves Docker's API, with folders and a socket of nobody else's."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from parts.dockerd import PATIENCE, Dockerd
from parts.require import require

_RUNTIME = """#!{python} -IS
import json, os, sys
for option, name in (("--bundle", "config.json"), ("--process", "")):
    if option in sys.argv:
        path = os.path.join(sys.argv[sys.argv.index(option) + 1], name).rstrip("/")
        with open(path) as file:
            found = json.load(file)
        found.get("process", found).pop("rlimits", None)
        with open(path, "w") as file:
            json.dump(found, file)
os.execv({runc!r}, [{runc!r}, *sys.argv[1:]])
"""
"""podman raises every container's limits to a million, which root may not do inside a container."""

_CONTAINERS = """[containers]
cgroupns = "host"
[engine]
runtime = {runtime}
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_REGISTRIES = '[[registry]]\nlocation = "127.0.0.1"\ninsecure = true\n'


@contextmanager
def running_podman() -> Iterator[Dockerd]:
    """Serve until the block ends."""
    for part in ("root", "podman", "runc"):
        require(part)
    folder = Path(tempfile.mkdtemp(prefix="towline-podman-"))  # a socket's path must be short
    made = Dockerd(f"unix://{folder}/socket")
    command = ["podman", "system", "service", "--time", "0", made.host]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=_environment(folder))
    try:
        deadline = time.monotonic() + PATIENCE
        while not made.answers():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, f"podman does not answer: {(folder / 'log').read_text()}"
            time.sleep(0.05)
        yield made
        for each in made.ask("GET", "/containers/json?all=1"):
            made.ask("DELETE", f"/containers/{each['Id']}?force=1&v=1")
    finally:
        process.terminate()
        process.wait(PATIENCE)
        _let_go(folder)


def _environment(folder: Path) -> dict[str, str]:
    """Write podman's files; return the environment that names them."""
    runtime = folder / "runtime"
    runtime.write_text(_RUNTIME.format(python=sys.executable, runc=shutil.which("runc")))
    runtime.chmod(0o755)
    storage = f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/run"\n'
    texts = {
        "CONTAINERS_CONF": _CONTAINERS.format(runtime=json.dumps(str(runtime))),
        "CONTAINERS_REGISTRIES_CONF": _REGISTRIES,
        "CONTAINERS_STORAGE_CONF": storage,
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    # podman asks which packages its programs are of at each question about itself: half of what it costs
    programs = folder / "programs"
    programs.mkdir()
    (programs / "dpkg-query").write_text("#!/bin/sh\nexit 1\n")
    (programs / "dpkg-query").chmod(0o755)
    paths = {name: str(folder / name) for name in texts}
    return {
        "PATH": f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        **paths,
    }


def _let_go(folder: Path) -> None:
    """Take away what is still mounted, then the folders."""
    places = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for place in sorted((each for each in places if each.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", place], check=True)
    shutil.rmtree(folder)
