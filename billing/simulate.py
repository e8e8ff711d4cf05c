"""Simulation: what a customer's real usage would have cost on another plan version, beside what was billed for it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from agents.models import Customer
from billing import closing, coupons, merging
from billing.errors import PeriodError
from billing.models import BillingPeriod, InvoiceLine, PlanVersion
from billing.models.invoices import InvoiceStatus
from billing.models.subscriptions import PeriodStatus
from billing.money import Money, total, zero
from billing.rating.lines import LineKind
from billing.rating.terms import Discount
from billing.readings import Readings

# What a plan asks for. Credits and taxes are the customer's own affair and stay the same, whatever the plan.
_OWN_AFFAIR: Final = (LineKind.CREDIT, LineKind.TAX)
ISSUED: Final = (InvoiceStatus.OPEN, InvoiceStatus.PAID, InvoiceStatus.UNCOLLECTIBLE)


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of both bills: all that a rate card, or a rule of the plan, came to over the periods."""

    kind: str
    card: str
    description: str
    before: Money
    after: Money

    @property
    def change(self) -> Money:
        """What it would have cost more; less where negative."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Simulation:
    """What was billed and what would have been, without credits and taxes; `periods` are those that were compared."""

    version: PlanVersion
    currency: str
    periods: tuple[BillingPeriod, ...]
    lines: tuple[Difference, ...]

    @property
    def before(self) -> Money:
        """What was billed."""
        return total([line.before for line in self.lines], self.currency)

    @property
    def total(self) -> Money:
        """What would have been billed."""
        return total([line.after for line in self.lines], self.currency)

    @property
    def change(self) -> Money:
        """What it would have cost more; less where negative."""
        return self.total - self.before


@dataclass(frozen=True, slots=True)
class Amount:
    """What one line of a bill adds to a difference."""

    kind: str
    card: str
    description: str
    amount: Money


def simulate(
    *, customer: Customer, version: PlanVersion, starts_at: datetime, ends_at: datetime, as_of: int
) -> Simulation:
    """Price the usage of a customer's invoiced periods within [starts_at, ends_at) anew; writes nothing.

    Usage is read as of a fold: the invoices' own folds give the same quantities again, the newest one late usage, too.
    Raises PeriodError where no period within the bounds was invoiced, CurrencyMismatchError where the version has no
    price in the customer's currency, and what `closing.rate` raises.
    """
    periods = _invoiced(customer, starts_at, ends_at)
    if not periods:
        bounds = f"{starts_at.isoformat()} to {ends_at.isoformat()}"
        raise PeriodError(f"{customer.key} has no invoiced period within {bounds}.")
    currency = periods[0].subscription.currency
    return Simulation(
        version=version,
        currency=currency,
        periods=periods,
        lines=compare(
            before=billed(periods=periods),
            after=priced(past=Past.of(periods=periods, as_of=as_of), version=version),
            currency=currency,
        ),
    )


def billed(*, periods: Sequence[BillingPeriod]) -> Iterator[Amount]:
    """Yield what the invoices of the periods say, without credits and taxes."""
    lines = InvoiceLine.objects.filter(merging.rated_as(period__in=periods), invoice__status__in=ISSUED)
    lines = lines.exclude(kind__in=_OWN_AFFAIR).select_related("rate_card", "invoice")
    for line in lines.order_by("invoice__issued_at", "position"):
        card = line.rate_card.key if line.rate_card else ""
        yield Amount(line.kind, card, line.description, Money(line.amount, line.invoice.currency))


@dataclass(frozen=True, slots=True)
class Past:
    """What is asked of the periods of one customer, in order, on one plan after the other: their usage and coupons."""

    periods: tuple[BillingPeriod, ...]
    as_of: int
    readings: Readings
    rebates: Callable[..., tuple[Discount, ...]]

    @classmethod
    def of(cls, *, periods: Sequence[BillingPeriod], as_of: int) -> "Past":
        """Return the past as of a usage fold; it is read when it is asked for, and once."""
        remembered = coupons.remembered(customer=periods[0].subscription.customer)
        return cls(tuple(periods), as_of, Readings.of(periods), remembered)


def priced(*, past: Past, version: PlanVersion) -> Iterator[Amount]:
    """Yield what a customer's past comes to on a version. Raises what `closing.rate` raises.

    The first period inherits no allowance; after that each has what the version carries over from the one before.
    """
    read, rebates = past.readings.read, past.rebates
    carried: Mapping[str, Decimal] = {}
    for period in past.periods:
        rated = closing.rate(
            period=period, as_of=past.as_of, version=version, read=read, carried=carried, rebates=rebates
        )
        carried = rated.carried
        for line in rated.lines:
            if line.kind not in _OWN_AFFAIR:
                yield Amount(line.kind, line.card, line.description, line.amount)


def compare(*, before: Iterable[Amount], after: Iterable[Amount], currency: str) -> tuple[Difference, ...]:
    """Lay two bills side by side, line by line: by kind and rate card, in the order of the newer bill."""
    sums: dict[tuple[str, str], list[Money]] = defaultdict(lambda: [zero(currency), zero(currency)])
    names: dict[tuple[str, str], str] = {}
    for side, bill in ((1, after), (0, before)):
        for one in bill:
            sums[one.kind, one.card][side] += one.amount
            names.setdefault((one.kind, one.card), one.description)
    return tuple(
        Difference(kind=kind, card=card, description=names[kind, card], before=old, after=new)
        for (kind, card), (old, new) in sums.items()
    )


def _invoiced(customer: Customer, starts_at: datetime, ends_at: datetime) -> tuple[BillingPeriod, ...]:
    periods = BillingPeriod.objects.filter(
        subscription__customer=customer, status=PeriodStatus.CLOSED, starts_at__gte=starts_at, ends_at__lte=ends_at
    )
    return tuple(periods.select_related("subscription__customer", "subscription__version__plan").order_by("starts_at"))
