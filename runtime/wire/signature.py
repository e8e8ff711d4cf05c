"""The Ed25519 signature of a batch header, and the text form both travel in."""

import base64
import binascii
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from runtime.wire.errors import BadSignatureError, WireError

_BASE64URL = re.compile(r"[A-Za-z0-9_-]+={0,2}")
_PUBLIC_KEY_BYTES = 32


def sign(private_key: Ed25519PrivateKey, header: bytes) -> str:
    """Return the signature of header bytes as unpadded base64url."""
    return to_base64url(private_key.sign(header))


def verify(public_key: bytes, header: bytes, signature: str) -> None:
    """Return if the signature is this key's over these bytes; raises BadSignatureError otherwise.

    `public_key` is the 32 raw bytes. ValueError, when it is not, is the caller's fault and not the sender's.
    """
    if len(public_key) != _PUBLIC_KEY_BYTES:
        raise ValueError(f"a public key has {_PUBLIC_KEY_BYTES} bytes, not {len(public_key)}")
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(from_base64url(signature), header)
    except InvalidSignature as error:
        raise BadSignatureError("the signature is not this device's over this header") from error
    except WireError as error:
        raise BadSignatureError(f"the signature is malformed: {error}") from error


def to_base64url(raw: bytes) -> str:
    """Return unpadded base64url (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Read base64url, padded or not; raises WireError for anything else."""
    if not _BASE64URL.fullmatch(text):
        raise WireError("not base64url")
    bare = text.rstrip("=")
    try:
        return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error as error:
        raise WireError("not base64url") from error
