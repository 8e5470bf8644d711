"""Real registries: Debian's docker-registry on loopback, with a password file and, where asked, TLS."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from parts.require import require

USER = "robot"
PASSWORD = "p@ss:wörd 1$"
PATIENCE = 20.0


@dataclass(frozen=True)
class RealRegistry:
    """Where it answers. ``ca_pem`` is its authority's certificate where it speaks TLS."""

    netloc: str
    ca_pem: str = ""


@dataclass(frozen=True)
class Certificate:
    """A leaf with its key on disk, and the authority that issued it."""

    chain: Path
    key: Path
    ca_pem: str


@contextmanager
def running_registry(
    folder: Path, *, auth: str, certificate: Certificate | None = None
) -> Iterator[RealRegistry]:
    """Run a registry on a free port; ``auth`` is the configuration's section, empty for an open one."""
    require("docker-registry")
    port = free_port()
    config = folder / "registry.yml"
    tls = f"\n  tls: {{certificate: {certificate.chain}, key: {certificate.key}}}" if certificate else ""
    config.write_text(
        "version: 0.1\nlog: {level: error}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'storage'}}}}}\n"
        f"http:\n  addr: 127.0.0.1:{port}{tls}\n{auth}\n"
    )
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log)
        try:
            _until_listening(port, process)
            yield RealRegistry(f"127.0.0.1:{port}", certificate.ca_pem if certificate else "")
        finally:
            process.terminate()
            process.wait(PATIENCE)


def htpasswd_auth(folder: Path, password: str = PASSWORD) -> str:
    """Return the section for one user with bcrypt, as docker-registry demands; it takes a new one at once."""
    require("htpasswd")
    made = subprocess.run(
        ["htpasswd", "-Bin", USER], input=password.encode(), capture_output=True, check=True
    )
    (folder / "htpasswd").write_bytes(made.stdout)
    return f"auth: {{htpasswd: {{realm: test, path: {folder / 'htpasswd'}}}}}"


def certificate(folder: Path, *, address: str = "127.0.0.1", days: int = 30) -> Certificate:
    """Return a leaf for ``address`` under a fresh private authority; negative ``days``: expired."""
    now = dt.datetime.now(dt.UTC)
    ca_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Authority")])
    authority = _signed(
        ca_name, ca_key.public_key(), ca_name, ca_key, until=now + dt.timedelta(days=60), names=None
    )
    leaf_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registry")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    until = now + dt.timedelta(days=days)
    leaf = _signed(leaf_name, leaf_key.public_key(), ca_name, ca_key, until=until, names=names)
    chain, key = folder / "leaf.pem", folder / "leaf.key"
    chain.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        leaf_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return Certificate(chain, key, authority.public_bytes(serialization.Encoding.PEM).decode())


def free_port() -> int:
    """Return a loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def push(
    registry: RealRegistry,
    layout: Path,
    name: str,
    *,
    login: str = f"{USER}:{PASSWORD}",
    extra: tuple[str, ...] = (),
) -> str:
    """Push an OCI layout with skopeo under ``name``; return the reference."""
    require("skopeo")
    reference = f"{registry.netloc}/{name}"
    credentials = ["--dest-creds", login] if login else []
    subprocess.run(
        ["skopeo", "copy", "--quiet", "--insecure-policy", *extra, "--dest-tls-verify=false", *credentials,
         f"oci:{layout}", f"docker://{reference}"],
        check=True, capture_output=True,
    )  # fmt: skip
    return reference


def _signed(
    subject: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    *,
    until: dt.datetime,
    names: x509.SubjectAlternativeName | None,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - dt.timedelta(days=90))
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return builder.sign(key, hashes.SHA256())


def _until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("docker-registry did not start")
