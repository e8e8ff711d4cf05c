"""Bodies of requests that change a subscription, read strictly: the operation they ask for, ready to be done."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from rest_framework.exceptions import ParseError

from billing import catalog, changes
from billing.changes import Act
from billing.errors import ChangeFieldError
from billing.models import Plan, PlanVersion, Subscription, SubscriptionChange
from billing.models.catalog import VersionStatus

NOW: Final = "now"
PERIOD_END: Final = "period_end"
FARTHEST: Final = timedelta(days=3660)
MAX_REASON: Final = 1000
_TIMED: Final = frozenset({"at", "invoice_at_once"})
_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "change": _TIMED | {"plan", "version"},
    "pause": _TIMED,
    "resume": _TIMED,
    "cancel": frozenset({"at"}),
    "keep": frozenset(),
}
SEATS: Final = "seats"
MOST_SEATS: Final = 1_000_000
OPERATIONS: Final = tuple(_FIELDS)

Operation = Callable[[], SubscriptionChange]


@dataclass(frozen=True, slots=True)
class Body:
    """The members of a request's body; every one that is wrong is named."""

    members: Mapping[str, Any]

    def text(self, name: str, *, default: str | None = None, longest: int = 64) -> str:
        """Return a text. Raises ChangeFieldError where it is missing, empty, too long or no text that can be stored."""
        value = self.members.get(name, default)
        if value == default and default is not None:
            return default
        if not isinstance(value, str) or not value.strip() or len(value) > longest or not _is_storable(value):
            raise ChangeFieldError(name, f"It is a text of 1 to {longest} characters, and required.")
        return value

    def flag(self, name: str) -> bool:
        """Return true or false; false where it is missing. Raises ChangeFieldError."""
        value = self.members.get(name, False)
        if not isinstance(value, bool):
            raise ChangeFieldError(name, "It is true or false.")
        return value

    def number(self, name: str) -> int | None:
        """Return a whole number from 1, None where it is missing. Raises ChangeFieldError."""
        value = self.members.get(name)
        if name not in self.members:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
            raise ChangeFieldError(name, "It is a whole number from 1.")
        return value


def read_operation(*, data: object, subscription: Subscription, actor: str, now: datetime) -> Operation:
    """Return what a body asks for, as a call without arguments. Nothing is written before it is called.

    A customer cannot change what was: `at` is now, the end of the running period, or a time to come. Raises ParseError
    where the body is no object, ChangeFieldError naming the field, ChangeRefusedError.
    """
    if not isinstance(data, dict):
        raise ParseError("A change is a JSON object with an operation.")
    body = Body(data)
    kind = body.text("operation")
    if kind not in _FIELDS:
        raise ChangeFieldError("operation", f"It is one of {', '.join(OPERATIONS)}.")
    for name in data:
        if name not in _FIELDS[kind] | {"operation", "reason"}:
            raise ChangeFieldError(str(name), f"A {kind} has no such field.")
    act = Act(actor=actor, now=now, reason=body.text("reason", default="", longest=MAX_REASON).strip())
    if kind == "keep":
        return partial(changes.keep, subscription=subscription, act=act)
    at = _instant(body, subscription, now)
    if kind == "cancel":
        return partial(changes.cancel, subscription=subscription, at=at, act=act)
    facts: dict[str, Any] = {"subscription": subscription, "at": at, "act": act}
    facts["invoice_at_once"] = body.flag("invoice_at_once")
    if kind == "change":
        return partial(changes.change_plan, version=_version(body, subscription, at), **facts)
    return partial(changes.pause if kind == "pause" else changes.resume, **facts)


def read_seats(*, data: object, subscription: Subscription, now: datetime) -> tuple[int, datetime] | None:
    """Return how many seats more or less a body asks about, and from when on; None where it asks something else.

    Raises ChangeFieldError naming the field.
    """
    if not isinstance(data, dict) or data.get("operation") != SEATS:
        return None
    for name in data:
        if name not in {"operation", "seats", "at"}:
            raise ChangeFieldError(str(name), "Seats have no such field.")
    change = data.get("seats")
    if isinstance(change, bool) or not isinstance(change, int) or not 1 <= abs(change) <= MOST_SEATS:
        raise ChangeFieldError("seats", f"It is a whole number, not 0, of at most {MOST_SEATS}: more, or less below 0.")
    return change, _instant(Body(data), subscription, now)


def _instant(body: Body, subscription: Subscription, now: datetime) -> datetime:
    text = body.text("at")
    if text == NOW:
        return now
    if text == PERIOD_END:
        return changes.period_end(subscription=subscription, now=now)
    try:
        at = datetime.fromisoformat(text).astimezone(UTC) if _has_offset(text) else None
    except (ValueError, OverflowError):
        at = None
    if at is None:
        raise ChangeFieldError(
            "at", f"It is {NOW}, {PERIOD_END}, or a time with its offset, such as 2026-11-01T00:00:00Z."
        )
    if not now <= at <= now + FARTHEST:
        raise ChangeFieldError("at", "It is not in the past, and at most ten years ahead.")
    return at


def _has_offset(text: str) -> bool:
    return datetime.fromisoformat(text).utcoffset() is not None


def _version(body: Body, subscription: Subscription, at: datetime) -> PlanVersion:
    """Return the version on offer that is asked for, or the plan's current one. Raises ChangeFieldError."""
    key, number = body.text("plan"), body.number("version")
    plan = Plan.objects.filter(key=key, versions__status=VersionStatus.PUBLISHED).first()
    if plan is None:
        raise ChangeFieldError("plan", "There is no such plan on offer.")
    if number is None:
        found = catalog.current(plan=plan, at=at)
    else:
        found = PlanVersion.objects.filter(plan=plan, number=number, status=VersionStatus.PUBLISHED).first()
    if found is None:
        raise ChangeFieldError("plan" if number is None else "version", "There is no such version on offer.")
    if subscription.currency not in found.currencies:
        offered = ", ".join(found.currencies)
        raise ChangeFieldError("plan", f"It has prices in {offered}, not in {subscription.currency}.")
    return found


def _is_storable(text: str) -> bool:
    """Whether it is Unicode that PostgreSQL takes: no U+0000, and no half of a pair of surrogates."""
    return "\0" not in text and text.encode("utf-8", "replace").decode() == text
