"""Agreements: the history of a subscription, each change with what it stood on before and after."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from billing.models import CardOverride, Subscription, SubscriptionChange, SubscriptionTerm


@dataclass(frozen=True, slots=True)
class Step:
    """One change: `gone` was agreed before and no longer is, `new` is agreed since; both as sentences."""

    change: SubscriptionChange
    gone: tuple[str, ...]
    new: tuple[str, ...]


def steps(*, subscription: Subscription) -> tuple[Step, ...]:
    """Return every change of a subscription, the newest first."""
    return tuple(reversed(list(_steps(subscription))))


def _steps(subscription: Subscription) -> Iterator[Step]:
    zone = ZoneInfo(subscription.time_zone)
    before: tuple[str, ...] = ()
    changes = subscription.changes.order_by("number")
    for change in changes.prefetch_related("terms__version__plan", "overrides"):
        terms = sorted(change.terms.all(), key=lambda term: term.starts_at)
        after = tuple(_term_text(term, zone) for term in terms)
        own = tuple(_override_text(one, zone) for one in change.overrides.all())
        gone = tuple(text for text in before if text not in after)
        yield Step(change=change, gone=gone, new=(*(text for text in after if text not in before), *own))
        before = after


def _term_text(term: SubscriptionTerm, zone: ZoneInfo) -> str:
    states = [
        f"phase {term.phase + 1}" if term.phase is not None else "",
        "free trial" if term.is_trial else "",
        "paused" if term.is_paused else "",
        "invoiced from then on" if term.begins_cycle else "",
    ]
    plan = f"{term.version.plan.key} version {term.version.number}"
    return ", ".join([f"{plan} {_span_text(term.starts_at, term.ends_at, zone)}", *filter(None, states)])


def _override_text(one: CardOverride, zone: ZoneInfo) -> str:
    fields = ", ".join(f"{name} = {value}" for name, value in sorted(one.fields.items())) or "the plan's own again"
    return f"{one.card} {_span_text(one.starts_at, one.ends_at, zone)}: {fields}"


def _span_text(starts_at: datetime, ends_at: datetime | None, zone: ZoneInfo) -> str:
    first = f"from {starts_at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
    return first if ends_at is None else f"{first} to {ends_at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
