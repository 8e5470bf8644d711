"""Towline's own image, built of deploy/Containerfile on a Debian of this machine's making, and running it."""

from __future__ import annotations

import hashlib
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from parts.debian import BUILD, alone, debian, run
from parts.require import require

ROOT = Path(__file__).resolve().parents[2]
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
EXTRAS = ("kubernetes", "postgresql")
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096")
"""Of its own accord podman asks for more than a machine like this lets it give."""


@contextmanager
def built() -> Iterator[str]:
    """Build the image without the internet; yield its name, and delete it."""
    for part in ("root", "buildah", "podman"):
        require(part)
    mark = secrets.token_hex(4)
    name, base = f"localhost/towline-{mark}", f"localhost/towline-base-{mark}"
    run("podman", "import", "--quiet", str(debian()), base)
    try:
        run(
            *("buildah", "build", "--format", "docker", "--isolation", "chroot", "--network", "host"),
            *("--volume", f"{wheels()}:/wheels:ro", "--build-arg", "PIP_NO_INDEX=1"),
            *("--build-arg", "PIP_FIND_LINKS=/wheels", "--build-arg", f"EXTRAS={' '.join(EXTRAS)}"),
            *("--build-arg", f"BASE={base}", "--file", str(ROOT / "deploy" / "Containerfile")),
            *("--tag", name, str(ROOT)),
        )
        yield name
    finally:
        subprocess.run(["podman", "rmi", "--force", name, base], check=False, capture_output=True)


@contextmanager
def running(
    image: str, container: Mapping[str, Any], *, volumes: Mapping[str, Path], user: int, shell: str = ""
) -> Iterator[str]:
    """Run a container as a Deployment's document has it; yield its id. ``volumes`` are folders by name.

    With ``shell`` that runs in the place of Towline.
    """
    security = container["securityContext"]
    words = ["podman", "run", "--detach", "--network", "host", *LIMITS, "--user", f"{user}:{user}"]
    words += [f"--cap-drop={each}" for each in security["capabilities"]["drop"]]
    if security["readOnlyRootFilesystem"]:
        words += ["--read-only", "--read-only-tmpfs=false"]
    if not security["allowPrivilegeEscalation"]:
        words += ["--security-opt", "no-new-privileges"]
    for each in container["env"]:
        words += ["--env", f"{each['name']}={each['value']}"]
    for each in container["volumeMounts"]:
        mode = "ro" if each.get("readOnly") else "rw"
        words += ["--volume", f"{volumes[each['name']]}:{each['mountPath']}:{mode}"]
    if shell:
        words += ["--entrypoint", "/bin/sh"]
    made = run(*words, image, *(["-c", shell] if shell else container["args"]))
    try:
        yield made
    finally:
        subprocess.run(["podman", "rm", "--force", "--time", "5", made], check=False, capture_output=True)


def about(image: str) -> dict[str, Any]:
    """Return an image's configuration."""
    found: dict[str, Any] = json.loads(run("podman", "image", "inspect", image))[0]
    return found


def wheels() -> Path:
    """Return a folder of the wheels for the base's own Python, got once for what is required now."""
    required = [ROOT / "requirements" / f"{extra}.txt" for extra in EXTRAS]
    mark = hashlib.sha256(b"".join(each.read_bytes() for each in required)).hexdigest()[:12]
    folder = BUILD / f"wheels-{mark}"
    with alone("wheels"):
        if not folder.exists():
            fresh = BUILD / "wheels.new"
            for each in required:
                _download(fresh, each)
            fresh.rename(folder)
    return folder


def _download(wheels: Path, requirements: Path) -> None:
    """Put the wheels for the base's own Python into a folder."""
    platforms = [word for each in PLATFORMS for word in ("--platform", each)]
    abis = [word for each in ("cp311", "abi3", "none") for word in ("--abi", each)]
    run(
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
        *("--only-binary", ":all:", "--python-version", "3.11", "--implementation", "cp", *abis, *platforms),
        *("--require-hashes", "--requirement", str(requirements), "--dest", str(wheels)),
    )
