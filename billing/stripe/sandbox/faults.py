"""Faults on command: the nth next call of an operation is dropped, failed, refused or slowed."""

import json
import threading
from collections import Counter
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from billing.stripe.sandbox.errors import InvalidParameterError


class FaultKind(StrEnum):
    """What happens to the call."""

    DROP_BEFORE = "drop_before"
    """The socket is closed without an answer, and nothing was done."""
    DROP_AFTER = "drop_after"
    """Everything was done and committed, then the socket is closed without an answer."""
    ERROR_AFTER = "500_after"
    """Everything was done and committed, then the answer is a 500, which also becomes the stored one."""
    RATE_LIMIT = "429"
    """The call is refused as one too many, and nothing was done."""
    SLOW = "slow"
    """The call is held for some seconds before it is carried out; meanwhile its idempotency key is in use."""
    TAX_DOWN = "tax_down"
    """The call finds Stripe Tax failing: finalizing with automatic tax, or a tax calculation."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One planned fault: strikes the nth call of the operation from now, once."""

    operation: str
    kind: FaultKind
    nth: int = 1
    seconds: int = 30
    should_retry: bool | None = None
    """Sent as the header Stripe-Should-Retry where it is not None."""


class Faults:
    """The faults planned, counted down call by call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[Fault] = []
        self._counts: Counter[str] = Counter()

    def plan(self, *, fault: Fault) -> None:
        """Add a fault."""
        with self._lock:
            self._planned.append(fault)

    def take(self, *, operation: str) -> Fault | None:
        """Count a call of the operation; the fault that strikes it is taken from the plan."""
        with self._lock:
            self._counts[operation] += 1
            due = [fault for fault in self._planned if fault.operation == operation and fault.nth == 1]
            struck = due[0] if due else None
            self._planned = [_count_down(fault, operation) for fault in self._planned if fault is not struck]
            return struck

    def counts(self) -> dict[str, int]:
        """How often each operation was called so far, struck or not."""
        with self._lock:
            return dict(self._counts)

    def clear(self) -> None:
        """Drop all plans."""
        with self._lock:
            self._planned = []

    def planned(self) -> list[dict[str, Any]]:
        """The faults still to come, as JSON."""
        with self._lock:
            return [asdict(fault) for fault in self._planned]


def read(*, body: bytes, operations: Collection[str]) -> Fault:
    """The fault that a JSON body describes. Raises InvalidParameterError naming the member."""
    try:
        sent = json.loads(body)
    except ValueError as error:
        raise InvalidParameterError(f"A fault is a JSON object: {error}") from error
    if not isinstance(sent, dict):
        raise InvalidParameterError("A fault is a JSON object.")
    if unknown := sorted(set(sent) - {"operation", "kind", "nth", "seconds", "should_retry"}):
        raise InvalidParameterError(f"Unknown member: {unknown[0]}", param=unknown[0])
    _check_word(sent, "operation", sorted(operations))
    _check_word(sent, "kind", [kind.value for kind in FaultKind])
    _check_count(sent, "nth", 1)
    _check_count(sent, "seconds", 0)
    if not isinstance(sent.get("should_retry"), bool | None):
        raise InvalidParameterError("should_retry is true or false.", param="should_retry")
    return Fault(**{**sent, "kind": FaultKind(sent["kind"])})


def _count_down(fault: Fault, operation: str) -> Fault:
    # Of two faults due at the same call the later one waits for the next.
    return replace(fault, nth=max(fault.nth - 1, 1)) if fault.operation == operation else fault


def _check_word(sent: dict[str, Any], name: str, words: list[str]) -> None:
    if sent.get(name) not in words:
        raise InvalidParameterError(f"{name} must be one of {', '.join(words)}.", param=name)


def _check_count(sent: dict[str, Any], name: str, least: int) -> None:
    count = sent.get(name, least)
    if type(count) is not int or count < least:
        raise InvalidParameterError(f"{name} must be a whole number, {least} or more.", param=name)
