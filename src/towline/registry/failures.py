"""What can go wrong before a registry answers, translated from the HTTP library into findings."""

from __future__ import annotations

import errno
import socket
import ssl

import aiohttp

from towline.dialing import AddressRefused
from towline.domain.causes import FindingCode

_CERTIFICATE_DATES = frozenset({9, 10})
"""X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED"""
_CERTIFICATE_NAMES = frozenset({62, 64})
"""X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH"""
_CERTIFICATE_UNFIT = frozenset({23, 24, 26, 28, 34, 66, 67, 68})
"""X509_V_ERR_CERT_REVOKED, _INVALID_CA, _INVALID_PURPOSE, _CERT_REJECTED, _UNHANDLED_CRITICAL_EXTENSION,
_EE_KEY_TOO_SMALL, _CA_KEY_TOO_SMALL, _CA_MD_TOO_WEAK"""
_BROKEN_OFF = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED})
_NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL})
_CLIENT_CERTIFICATE = ("CERTIFICATE_REQUIRED", "ALERT_HANDSHAKE_FAILURE_CERTIFICATE")
_NO_COMMON_TLS = (
    "HANDSHAKE_FAILURE", "UNSUPPORTED_PROTOCOL", "PROTOCOL_VERSION", "NO_SHARED_CIPHER", "UNRECOGNIZED_NAME",
    "INSUFFICIENT_SECURITY", "DH_KEY_TOO_SMALL", "TLSV1_ALERT_INTERNAL_ERROR",
)  # fmt: skip
_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")


class NoAnswer(Exception):
    """There was no answer; ``code`` is the cause, the text its detail."""

    def __init__(self, code: FindingCode, detail: str) -> None:
        self.code = code
        super().__init__(detail)


class TooLarge(NoAnswer):
    """An answer whose body is larger than any sound one was cut off."""

    def __init__(self, host: str, most: int) -> None:
        super().__init__(FindingCode.REGISTRY_ERROR, f"{host} sent an answer larger than {most >> 10} KiB")


def translated(error: BaseException, host: str, *, proxy: str = "") -> NoAnswer:  # noqa: PLR0911  (a line a cause)
    """Return why ``host`` could not be asked, through the proxy at host ``proxy`` if that is named."""
    if proxy and isinstance(error, aiohttp.ClientConnectorError) and error.host == proxy:
        return NoAnswer(FindingCode.PROXY_ERROR, f"the proxy {proxy} before {host} cannot be reached")
    inner = _innermost(error)
    if isinstance(error, aiohttp.ClientHttpProxyError | aiohttp.ClientProxyConnectionError):
        return _proxy(error, host)
    host = f"{host} (through the proxy {proxy})" if proxy else host
    if isinstance(inner, AddressRefused):
        return NoAnswer(FindingCode.REGISTRY_ADDRESS_REFUSED, f"{host}: {inner}")
    if isinstance(inner, ssl.SSLCertVerificationError):
        return _certificate(inner, host)
    if isinstance(inner, ssl.SSLError):
        return _tls(inner, host)
    if isinstance(inner, socket.gaierror) or isinstance(error, aiohttp.ClientConnectorDNSError):
        return NoAnswer(FindingCode.REGISTRY_DNS, _nameless(inner, host))
    if isinstance(inner, TimeoutError):
        return NoAnswer(FindingCode.REGISTRY_TIMEOUT, f"{host} did not answer in time")
    if isinstance(inner, ConnectionRefusedError):
        return NoAnswer(FindingCode.REGISTRY_REFUSED, f"{host} refused the connection")
    if isinstance(error, aiohttp.ClientResponseError):
        return NoAnswer(FindingCode.NOT_A_REGISTRY, f"{host} does not speak HTTP as expected")
    return _broken(inner, host)


def _proxy(error: aiohttp.ClientError, host: str) -> NoAnswer:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return NoAnswer(FindingCode.PROXY_ERROR, f"the proxy before {host} answered {error.status}")
    return NoAnswer(FindingCode.PROXY_ERROR, f"the proxy before {host} cannot be reached")


def _nameless(inner: BaseException, host: str) -> str:
    """Tell a name that is not known from a name server that does not answer."""
    if isinstance(inner, socket.gaierror) and inner.errno == socket.EAI_AGAIN:
        return f"this machine's name server gave no answer about {host}"
    return f"{host} has no address here"


def _broken(inner: BaseException, host: str) -> NoAnswer:
    if any(reason in str(inner) for reason in _CLIENT_CERTIFICATE):  # TLS 1.3 tells after the handshake
        return NoAnswer(FindingCode.TLS_CLIENT_CERTIFICATE, f"{host} wants a client certificate")
    if isinstance(inner, OSError) and inner.errno in _BROKEN_OFF:
        return NoAnswer(FindingCode.REGISTRY_RESET, f"{host} broke the connection off")
    if isinstance(inner, OSError) and inner.errno in _NO_WAY:
        return NoAnswer(FindingCode.REGISTRY_UNREACHABLE, f"{host} cannot be reached: {inner.strerror}")
    if isinstance(inner, OSError) and not isinstance(inner, ConnectionError) and inner.errno is not None:
        return NoAnswer(FindingCode.REGISTRY_REFUSED, f"{host} cannot be reached: {inner.strerror}")
    return NoAnswer(FindingCode.REGISTRY_RESET, f"{host} broke the connection off")


def _certificate(error: ssl.SSLCertVerificationError, host: str) -> NoAnswer:
    if error.verify_code in _CERTIFICATE_DATES:
        return NoAnswer(FindingCode.TLS_EXPIRED, f"{host}: {error.verify_message}")
    if error.verify_code in _CERTIFICATE_NAMES:
        return NoAnswer(FindingCode.TLS_WRONG_HOST, f"{host} is not a name in the certificate")
    if error.verify_code in _CERTIFICATE_UNFIT:
        return NoAnswer(FindingCode.TLS_UNFIT_CERTIFICATE, f"{host}: {error.verify_message}")
    return NoAnswer(FindingCode.TLS_UNKNOWN_AUTHORITY, f"{host}: {error.verify_message}")


def _tls(error: ssl.SSLError, host: str) -> NoAnswer:
    said = str(error.reason or error)
    if any(reason in said for reason in _NOT_TLS):
        return NoAnswer(FindingCode.PLAIN_HTTP_REGISTRY, f"{host} does not speak TLS")
    if any(reason in said for reason in _CLIENT_CERTIFICATE):
        return NoAnswer(FindingCode.TLS_CLIENT_CERTIFICATE, f"{host} wants a client certificate: {said}")
    if any(reason in said for reason in _NO_COMMON_TLS):
        return NoAnswer(FindingCode.TLS_HANDSHAKE, f"{host} ended the TLS handshake: {said}")
    return NoAnswer(FindingCode.REGISTRY_RESET, f"{host} ended the TLS handshake: {error.reason}")


def _innermost(error: BaseException) -> BaseException:
    """Return the system's own error inside the library's, which inherit from the same classes."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    if isinstance(error, aiohttp.ClientConnectorError):
        inner = error.os_error
        return inner.__cause__ if isinstance(inner.__cause__, AddressRefused) else inner
    return error
