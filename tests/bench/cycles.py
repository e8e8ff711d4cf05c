"""Subscriptions to one plan, each of a customer of its own, with months to be closed; and what was used in them."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from agents.models import Customer
from billing import contracts
from billing.assessment import Assessment, Question, Reference
from billing.bulk import Bill
from billing.contracts import Contract
from billing.models import BillingPeriod, PlanVersion, Subscription, SubscriptionChange, SubscriptionTerm
from billing.periods import Period
from billing.planned import digest_of
from billing.rating import statement
from billing.rating.terms import Terms
from billing.rating.usage import Part, Usage
from billing.timeline import Stretch

JANUARY: Final = datetime(2025, 1, 1, tzinfo=UTC)
FEBRUARY: Final = datetime(2025, 2, 1, tzinfo=UTC)
CURRENCY: Final = "EUR"
MONTH: Final = Period(JANUARY, FEBRUARY)
_CHUNK: Final = 2000


@dataclass(frozen=True, slots=True)
class Cycle:
    """A month to be closed, and all that is known of it before it is rated."""

    question: Question
    terms: Terms
    references: Mapping[str, Reference]

    def bill(self) -> Bill:
        """Rate it."""
        rated = statement.rate(self.terms)
        references = tuple([self.references[line.card] for line in rated.lines])
        return Bill(self.question, Assessment(rated, references, self.question.contract.change_id))


def make(version: PlanVersion, number: int) -> Iterator[Cycle]:
    """Make so many subscriptions, each with January to be closed."""
    first = Customer.objects.count()
    for start in range(first, first + number, _CHUNK):
        yield from to_close(version, subscribe(version, range(start, min(start + _CHUNK, first + number))), MONTH)


def subscribe(version: PlanVersion, numbers: Sequence[int]) -> list[SubscriptionChange]:
    """Make customers who are subscribed since January; returns what each agreed to."""
    facts: dict[str, Any] = {"currency": CURRENCY, "country": "DE", "created_at": JANUARY}
    people = Customer.objects.bulk_create(
        Customer(key=f"c{at}", name=f"Customer {at}", email=f"c{at}@bench.example", **facts) for at in numbers
    )
    basis: dict[str, Any] = {"version": version, "currency": CURRENCY, "time_zone": "UTC"}
    times = {"starts_at": JANUARY, "anchor_at": JANUARY, "created_at": JANUARY}
    held = Subscription.objects.bulk_create(Subscription(customer=customer, **basis, **times) for customer in people)
    changes = SubscriptionChange.objects.bulk_create(
        SubscriptionChange(subscription=one, number=1, kind="start", at=JANUARY, actor="bench", recorded_at=JANUARY)
        for one in held
    )
    SubscriptionTerm.objects.bulk_create(
        SubscriptionTerm(change=change, version=version, starts_at=JANUARY) for change in changes
    )
    return changes


def to_close(version: PlanVersion, changes: Sequence[SubscriptionChange], month: Period) -> Iterator[Cycle]:
    """Open a month of each subscription, and say what was used in it."""
    bounds = {"starts_at": month.starts_at, "ends_at": month.ends_at}
    full = {"full_starts_at": month.starts_at, "full_ends_at": month.ends_at}
    periods = BillingPeriod.objects.bulk_create(
        BillingPeriod(subscription=change.subscription, **bounds, **full) for change in changes
    )
    shelf = contracts.shelf(version.pk)
    planned = shelf.offer.cards[CURRENCY]
    cards = tuple(one.card for one in planned)
    references = {one.card.key: Reference(shelf.rows[one.card.key], digest_of(one, CURRENCY)) for one in planned}
    for change, period in zip(changes, periods, strict=True):
        contract = Contract(change.subscription, change.pk, (Stretch(version.pk, JANUARY),))
        used = _used(period.pk)
        read = {card.key: Usage(card.meter, card.unit, (Part(used[card.key]),)) for card in cards if card.meter}
        terms = Terms(cards=cards, usage=read, period=month, full=month, currency=CURRENCY)
        yield Cycle(Question(period, contract, as_of=0), terms, references)


def _used(seed: int) -> dict[str, Decimal]:
    """Return what a customer used: most a little, few very much, as usage goes; seconds to the millisecond."""
    chance = random.Random(seed)
    turns = chance.lognormvariate(6, 1.2)
    return {
        "turns": Decimal(int(turns)),
        "decisions": Decimal(int(turns * chance.lognormvariate(1.2, 0.4))),
        "tasks": Decimal(int(turns * chance.lognormvariate(-1.8, 0.5))),
        "compute": Decimal(int(turns * chance.lognormvariate(7, 0.7))).scaleb(-3),
    }
