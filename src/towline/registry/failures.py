"""What can go wrong before a registry answers, translated from the HTTP library into findings."""

from __future__ import annotations

import socket
import ssl

import aiohttp

from towline.domain.causes import FindingCode
from towline.registry.guard import AddressRefused

_CERTIFICATE_DATES = frozenset({9, 10})
"""X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED"""
_CERTIFICATE_NAMES = frozenset({62, 64})
"""X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH"""
_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")


class NoAnswer(Exception):
    """There was no answer; ``code`` is the cause, the text its detail."""

    def __init__(self, code: FindingCode, detail: str) -> None:
        self.code = code
        super().__init__(detail)


def translated(error: BaseException, host: str) -> NoAnswer:  # noqa: PLR0911  (one line a cause)
    """Return why ``host`` could not be asked."""
    inner = _innermost(error)
    if isinstance(inner, AddressRefused):
        return NoAnswer(FindingCode.REGISTRY_ADDRESS_REFUSED, f"{host}: {inner}")
    if isinstance(inner, ssl.SSLCertVerificationError):
        return _certificate(inner, host)
    if isinstance(inner, ssl.SSLError):
        return _tls(inner, host)
    if isinstance(inner, socket.gaierror) or isinstance(error, aiohttp.ClientConnectorDNSError):
        return NoAnswer(FindingCode.REGISTRY_DNS, f"{host} has no address here")
    if isinstance(inner, TimeoutError):
        return NoAnswer(FindingCode.REGISTRY_TIMEOUT, f"{host} did not answer in time")
    if isinstance(inner, ConnectionRefusedError):
        return NoAnswer(FindingCode.REGISTRY_REFUSED, f"{host} refused the connection")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return NoAnswer(FindingCode.REGISTRY_ERROR, f"the proxy before {host} answered {error.status}")
    if isinstance(error, aiohttp.ClientResponseError):
        return NoAnswer(FindingCode.NOT_A_REGISTRY, f"{host} does not speak HTTP as expected")
    return _broken(inner, host)


def _broken(inner: BaseException, host: str) -> NoAnswer:
    if isinstance(inner, OSError) and not isinstance(inner, ConnectionError) and inner.errno is not None:
        return NoAnswer(FindingCode.REGISTRY_REFUSED, f"{host} cannot be reached: {inner.strerror}")
    return NoAnswer(FindingCode.REGISTRY_RESET, f"{host} broke the connection off")


def _certificate(error: ssl.SSLCertVerificationError, host: str) -> NoAnswer:
    if error.verify_code in _CERTIFICATE_DATES:
        return NoAnswer(FindingCode.TLS_EXPIRED, f"{host}: {error.verify_message}")
    if error.verify_code in _CERTIFICATE_NAMES:
        return NoAnswer(FindingCode.TLS_WRONG_HOST, f"{host} is not a name in the certificate")
    return NoAnswer(FindingCode.TLS_UNKNOWN_AUTHORITY, f"{host}: {error.verify_message}")


def _tls(error: ssl.SSLError, host: str) -> NoAnswer:
    if any(reason in str(error.reason or error) for reason in _NOT_TLS):
        return NoAnswer(FindingCode.PLAIN_HTTP_REGISTRY, f"{host} does not speak TLS")
    return NoAnswer(FindingCode.REGISTRY_RESET, f"{host} ended the TLS handshake: {error.reason}")


def _innermost(error: BaseException) -> BaseException:
    """Return the system's own error inside the library's, which inherit from the same classes."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    if isinstance(error, aiohttp.ClientConnectorError):
        inner = error.os_error
        return inner.__cause__ if isinstance(inner.__cause__, AddressRefused) else inner
    return error
