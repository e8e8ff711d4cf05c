"""The events that are sent: 311 bytes of CloudEvents each, random ids, six fields of data."""

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime

TYPE = "com.example.tokens.used.v1"  # no unit of its own, as in most systems that are compared
_EVENT = (
    '{"specversion":"1.0","id":"%s","source":"urn:agentmeter:device:edge-%04d","type":"%s","subject":"agent-%04d",'
    '"time":"%s","data":{"model":"nano-q8","hardware_class":"cpu","tokens":%d,"latency":%d,"agent":"a%03d","region":"eu"}}'
)
_SPREAD = 3600  # seconds


def uuids(count: int) -> Iterator[str]:
    """Yield random UUIDs (version 4) quickly."""
    digits = os.urandom(16 * count).hex()
    for start in range(0, 32 * count, 32):
        one = digits[start : start + 32]
        yield f"{one[:8]}-{one[8:12]}-4{one[13:16]}-a{one[17:20]}-{one[20:]}"


def events(count: int, *, now: datetime | None = None, kind: str = TYPE, spread: int = _SPREAD) -> Iterator[str]:
    """Yield events of 200 devices with four of 50 agents each, whose times lie in the last `spread` seconds."""
    chosen, until = random.Random(), (now or datetime.now(UTC)).timestamp()
    for one in uuids(count):
        at = datetime.fromtimestamp(until - chosen.random() * spread, UTC)
        device = chosen.randrange(200)
        agent = (device + chosen.randrange(4)) % 50
        yield _EVENT % (
            one,
            device,
            kind,
            agent,
            at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            1000 + chosen.randrange(9000),
            100 + chosen.randrange(900),
            agent,
        )


def body(size: int) -> bytes:
    """Return the body of a request of `size` events: a batch, or a single event where it is one."""
    made = list(events(size))
    return made[0].encode() if size == 1 else b"[" + ",".join(made).encode() + b"]"
