"""API keys: made, shown once, recognised by their hash, revoked.

A key is `am_live_` or `am_test_`, 30 random characters of base62 (178 bits) and 6 characters that are the base62 CRC-32
of what stands before them, so that a scanner can tell a leaked key from noise without asking us (standards.md 5.1).
"""

import hashlib
import secrets
import string
import zlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from agents.errors import InvalidKeyError
from agents.models import ApiKey, Customer
from agents.models.keys import Environment, Scope

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_LENGTH = 30
CHECKSUM_LENGTH = 6
PATTERN = r"am_(live|test)_[0-9A-Za-z]{36}"

# For every request: as a query set, the text of the query would take longer to make than its answer.
_LIVE = """
SELECT * FROM agents_apikey
WHERE digest = ANY(%s) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > %s)
"""


def create(
    *, customer: Customer, name: str, environment: Environment, scopes: Sequence[Scope], now: datetime
) -> tuple[ApiKey, str]:
    """Make a key; returns its row and the secret, which cannot be had again."""
    secret = generate(environment)
    row = ApiKey.objects.create(
        customer=customer,
        name=name,
        digest=hashlib.sha256(secret.encode()).digest(),
        hint=f"{secret[:12]}…{secret[-4:]}",
        environment=environment,
        scopes=[str(scope) for scope in scopes],
        created_at=now,
    )
    return row, secret


def recognise(*, secret: str, now: datetime) -> ApiKey:
    """Return the live key of this secret. Raises InvalidKeyError, without a query where the checksum is wrong."""
    found = recognise_all(secrets=[secret], now=now)[secret]
    if isinstance(found, InvalidKeyError):
        raise found
    return found


def recognise_all(*, secrets: Iterable[str], now: datetime) -> dict[str, ApiKey | InvalidKeyError]:
    """Return the live key of each secret, or why there is none, by one query."""
    formed = {hashlib.sha256(one.encode()).digest(): one for one in set(secrets) if is_well_formed(one)}
    rows = ApiKey.objects.raw(_LIVE, [list(formed), now]) if formed else ()
    found = {formed[bytes(row.digest)]: row for row in rows}
    return {one: found.get(one) or _unrecognised(one) for one in secrets}


def _unrecognised(secret: str) -> InvalidKeyError:
    if is_well_formed(secret):
        return InvalidKeyError("The key is unknown, expired or revoked.")
    return InvalidKeyError("This is not an Agentmeter key: am_live_ or am_test_ and 36 letters and digits.")


def revoke(*, key: ApiKey, now: datetime) -> bool:
    """End a key; False where it had ended before."""
    return ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=now) == 1


def generate(environment: Environment) -> str:
    """Return a fresh secret."""
    body = f"am_{environment}_" + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return body + _checksum(body)


def is_well_formed(secret: str) -> bool:
    """Say whether the text has the shape and the checksum of a key."""
    body, checksum = secret[:-CHECKSUM_LENGTH], secret[-CHECKSUM_LENGTH:]
    prefix, random = body[: len("am_live_")], body[len("am_live_") :]
    if prefix not in {"am_live_", "am_test_"} or len(random) != RANDOM_LENGTH or not body.isascii():
        return False
    return secrets.compare_digest(checksum.encode(), _checksum(body).encode())


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    while number:
        number, remainder = divmod(number, len(ALPHABET))
        digits = ALPHABET[remainder] + digits
    return digits.rjust(CHECKSUM_LENGTH, ALPHABET[0])
