"""Judges a submission before the database is asked: what is wrong with it, or what it takes for it to be counted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from msgspec import Struct

from metering import keys
from metering.claims import Claim
from metering.event import Malformed, Problem, Reason, UsageEvent, Verdict
from metering.models import Environment
from metering.origins import OriginOf
from metering.refusals import Refused
from metering.rules import NO_RULES, Fault, TypeRules
from metering.texts import encode, find_nul

# How far a device's clock may run ahead of ours before its events are refused.
MAX_AHEAD: Final = timedelta(minutes=5)
_ENVIRONMENTS: Final = frozenset(Environment.values)
_DIGEST_BYTES: Final = 8


class Candidate(Struct, gc=False):
    """A sound event on its way to being counted: of the request `number` of several, at `place` there."""

    number: int
    place: int
    event: UsageEvent
    rules: TypeRules
    claim: Claim
    origin: OriginOf
    event_id: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges the submissions of one request by the rules of each type of event."""

    number: int
    customer_id: int
    latest: datetime
    by_type: Mapping[str, TypeRules]

    def judge(self, place: int, one: UsageEvent | Malformed) -> Candidate | Refused:
        """Return what to try to store, or all faults that were found."""
        if isinstance(one, Malformed):
            return Refused(one, Verdict.REJECTED, tuple(Fault(Reason.MALFORMED, problem) for problem in one.errors))
        rules, data = self.by_type.get(one.type, NO_RULES), encode(one.data)
        if faults := self._faults(one, rules, data):
            return Refused(one, Verdict.REJECTED, faults)
        customer_id, environment = self.customer_id, one.environment
        identity = rules.unit(one) if rules.identity else ()
        claim = Claim(
            keys.event_key_bytes(customer_id, one.source, one.id),
            keys.unit_key_bytes(customer_id, environment, one.type, identity) if identity else None,
            int.from_bytes(sha256(one.body).digest()[:_DIGEST_BYTES], signed=True),
        )
        origin = OriginOf(customer_id, one.type, one.source, one.subject, environment)
        return Candidate(self.number, place, one, rules, claim, origin, keys.pack_id(one.id), data)

    def _faults(self, event: UsageEvent, rules: TypeRules, data: bytes) -> tuple[Fault, ...]:
        """Return what is wrong; an event without a fault of its own is held to the rules of its type."""
        sound = event.time <= self.latest and event.environment in _ENVIRONMENTS and find_nul(event, data) is None
        if not sound:
            return tuple(self._attribute_faults(event, data))
        return () if rules is NO_RULES or rules.are_surely_kept(event.data) else tuple(rules.faults(event))

    def _attribute_faults(self, event: UsageEvent, data: bytes) -> Iterator[Fault]:
        if event.time > self.latest:
            ahead = f"time lies more than {MAX_AHEAD.seconds // 60} minutes in the future."
            yield Fault(Reason.FUTURE_TIME, Problem("/time", ahead))
        if event.environment not in _ENVIRONMENTS:
            known = "environment must be production or test."
            yield Fault(Reason.BAD_ENVIRONMENT, Problem("/data/environment", known))
        if (pointer := find_nul(event, data)) is not None:
            yield Fault(Reason.BAD_CHARACTER, Problem(pointer, "The character U+0000 cannot be stored."))
