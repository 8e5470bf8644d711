"""Certificates of every kind that a registry may show: made at run time, by an authority of our own."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import tempfile
from pathlib import Path
from typing import TypedDict

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class _Fault(TypedDict, total=False):
    """What may be wrong with a certificate; see ``Authority.leaf``."""

    days: int
    self_signed: bool
    weak: bool
    server: bool


_ALERTS = {
    "handshake-failure": ssl.AlertDescription.ALERT_DESCRIPTION_HANDSHAKE_FAILURE,
    "protocol-version": ssl.AlertDescription.ALERT_DESCRIPTION_PROTOCOL_VERSION,
    "unrecognized-name": ssl.AlertDescription.ALERT_DESCRIPTION_UNRECOGNIZED_NAME,
}

_FAULTS: dict[str, _Fault] = {
    "self-signed": {"self_signed": True},
    "expired": {"days": -1},
    "not-yet-valid": {"days": 120},
    "weak-key": {"weak": True},
    "other-purpose": {"server": False},
}

REFUSING = frozenset({"client-certificate", *_ALERTS})
"""The kinds of TLS that end in a refusal by the server."""


class Authority:
    """A certificate authority with one leaf key for all its certificates."""

    def __init__(self, name: str = "Test Authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self.certificate = self._signed(self._name, self._key, host=None, until=_from_now(60))

    @property
    def pem(self) -> str:
        """The authority's certificate, as it is set for a registry."""
        return _pem(self.certificate).decode()

    def leaf(
        self, host: str, *, days: int = 30, self_signed: bool = False, weak: bool = False, server: bool = True
    ) -> bytes:
        """Return certificate and key for ``host``, valid for ``days`` more; 90 days from its first.

        A ``weak`` one has a key of 1024 bits; one that is not for a ``server`` is for clients.
        """
        signer, issuer = (self._leaf_key, _named(host)) if self_signed else (self._key, self._name)
        key = rsa.generate_private_key(65537, 1024) if weak else self._leaf_key
        made = self._signed(issuer, signer, host=host, until=_from_now(days), key=key, server=server)
        return _pem(made) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def _signed(
        self,
        issuer: x509.Name,
        signer: ec.EllipticCurvePrivateKey,
        *,
        host: str | None,
        until: dt.datetime,
        key: _Key | None = None,
        server: bool = True,
    ) -> x509.Certificate:
        key = key or self._key
        builder = x509.CertificateBuilder(issuer, _named(host) if host else issuer, key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(until - dt.timedelta(days=90)).not_valid_after(until)
        rank = x509.BasicConstraints(ca=host is None, path_length=None)
        builder = builder.add_extension(rank, critical=True)
        if host:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general(host)]), critical=False)
        if not server:
            clients = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
            builder = builder.add_extension(clients, critical=False)
        return builder.sign(signer, hashes.SHA256())


def serving(authority: Authority, stranger: Authority, *, host: str, tls: str) -> ssl.SSLContext:
    """Return the TLS side of a server at ``host`` of the kind ``tls``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if tls == "weak-key":
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    _load(context, _leaf(authority, stranger, host=host, tls=tls))
    if tls == "client-certificate":
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=authority.pem)
    if tls in _ALERTS:
        context.sni_callback = lambda *_: int(_ALERTS[tls])
    return context


def _leaf(authority: Authority, stranger: Authority, *, host: str, tls: str) -> bytes:
    match tls:
        case "unknown-authority":
            return stranger.leaf(host)
        case "wrong-name":
            return authority.leaf("another.example")
        case _:
            return authority.leaf(host, **_FAULTS.get(tls, {}))


def _load(context: ssl.SSLContext, chain: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chain.pem"
        path.write_bytes(chain)
        context.load_cert_chain(path)


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _from_now(days: int) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
