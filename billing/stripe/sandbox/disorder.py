"""Disorder on command: how the nth next event of a type reaches the endpoint, other than once, in time and in order."""

import hashlib
import hmac
import json
import threading
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final

from billing.stripe.sandbox.objects import Body, new_id

STALE_SECONDS: Final = 301
"""Just beyond the 300 seconds that Stripe's libraries allow."""
ANY_TYPE: Final = "*"
_FOREIGN_SECRET: Final = "whsec_of_somebody_else"  # noqa: S105 - wrong on purpose


class DisorderKind(StrEnum):
    """What happens to the event. Where the endpoint refuses what came of it, the event comes again as it should."""

    DUPLICATE = "duplicate"
    """It is posted twice."""
    TWIN = "twin"
    """It is posted, then again under another event id."""
    REORDER = "reorder"
    """It is posted after the next event that is delivered."""
    DELAY = "delay"
    """It is posted once `seconds` of the sandbox's clock have passed."""
    MISSING = "missing"
    """It is never posted; the list of events has it, as undelivered."""
    WRONG_SECRET = "wrong_secret"  # noqa: S105 - the name of a disorder
    """It is signed by somebody else."""
    STALE = "stale"
    """It was signed 301 seconds ago."""
    FUTURE = "future"
    """It was signed 301 seconds from now."""
    ROTATED = "rotated"
    """It carries two signatures, the first by a secret that the endpoint does not have: it is right."""
    UNKNOWN_TYPE = "unknown_type"
    """An event of a type that nobody knows is posted before it."""
    LIVEMODE = "livemode"
    """It says that it is live."""
    UNSIGNED = "unsigned"
    """It carries no signature."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One planned disorder: strikes the nth event of the type from now, once."""

    kind: DisorderKind
    type: str = ANY_TYPE
    nth: int = 1
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class Post:
    """What is posted: exact bytes, and the header Stripe-Signature."""

    payload: bytes
    signature: str


class Disorder:
    """The disorder planned, counted down event by event."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[Plan] = []

    def plan(self, *, plan: Plan) -> None:
        """Add a plan."""
        with self._lock:
            self._planned.append(plan)

    def take(self, *, type: str) -> Plan | None:  # noqa: A002 - Stripe's word
        """Count an event of the type; the plan that strikes it is taken out."""
        with self._lock:
            mine = [plan for plan in self._planned if plan.type in (type, ANY_TYPE)]
            struck = next((plan for plan in mine if plan.nth == 1), None)
            self._planned = [
                replace(plan, nth=max(plan.nth - 1, 1)) if plan in mine else plan
                for plan in self._planned
                if plan is not struck
            ]
            return struck

    def clear(self) -> None:
        """Drop all plans."""
        with self._lock:
            self._planned = []

    def planned(self) -> list[dict[str, Any]]:
        """The plans still to come, as JSON."""
        with self._lock:
            return [asdict(plan) for plan in self._planned]


def posts(*, event: Body, kind: DisorderKind | None, secret: str, now: int) -> list[Post]:
    """What is posted for an event, in order; for None it is the event, as it should be."""
    payloads = [json.dumps(one, indent=2).encode() for one in _told(event, kind)]
    return [Post(payload, _signature(payload, kind, secret, now)) for payload in payloads]


def sign(*, payload: bytes, secret: str, timestamp: int) -> str:
    """The Stripe-Signature header: an HMAC-SHA256 over the timestamp (Unix seconds) and the exact bytes sent."""
    return f"t={timestamp},v1={_digest(payload, secret, timestamp)}"


def _told(event: Body, kind: DisorderKind | None) -> list[Body]:
    """The event as it is told, and what is told beside it."""
    other = {**event, "id": new_id(prefix="evt")}
    match kind:
        case DisorderKind.DUPLICATE:
            return [event, event]
        case DisorderKind.TWIN:
            return [event, other]
        case DisorderKind.UNKNOWN_TYPE:
            return [{**other, "type": "invoice.invented"}, event]
        case DisorderKind.LIVEMODE:
            return [{**event, "livemode": True}]
        case _:
            return [event]


def _signature(payload: bytes, kind: DisorderKind | None, secret: str, now: int) -> str:
    match kind:
        case DisorderKind.UNSIGNED:
            return ""
        case DisorderKind.ROTATED:
            foreign = _digest(payload, _FOREIGN_SECRET, now)
            return f"t={now},v1={foreign},v1={_digest(payload, secret, now)}"
        case DisorderKind.WRONG_SECRET:
            return sign(payload=payload, secret=_FOREIGN_SECRET, timestamp=now)
        case DisorderKind.STALE:
            return sign(payload=payload, secret=secret, timestamp=now - STALE_SECONDS)
        case DisorderKind.FUTURE:
            return sign(payload=payload, secret=secret, timestamp=now + STALE_SECONDS)
        case _:
            return sign(payload=payload, secret=secret, timestamp=now)


def _digest(payload: bytes, secret: str, moment: int) -> str:
    return hmac.new(secret.encode(), f"{moment}.".encode() + payload, hashlib.sha256).hexdigest()
