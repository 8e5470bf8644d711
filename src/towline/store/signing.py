"""Ed25519 signatures, by which the audit trail's statements are known (RFC 8032)."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from towline.domain.credential import Password


class Ed25519Signing:
    """The port ``Signing``: keys are texts in hexadecimal, the private one as secret as a password."""

    def new(self) -> tuple[Password, str]:
        """Return a new private key and its public one."""
        private = Ed25519PrivateKey.generate()
        return Password(private.private_bytes_raw().hex()), private.public_key().public_bytes_raw().hex()

    def sign(self, private: Password, message: bytes) -> bytes:
        """Return the signature of a message."""
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private.reveal())).sign(message)

    def public(self, private: Password) -> str:
        """Return the public key of a private one."""
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private.reveal()))
        return key.public_key().public_bytes_raw().hex()

    def check(self, public: str, message: bytes, signature: bytes) -> bool:
        """Whether the message has that signature; False also for what is no key."""
        try:
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True
