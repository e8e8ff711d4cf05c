"""Assessment: everything that decides what a cycle costs, gathered from rows, and handed to rating."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from billing import contracts, coupons, dues, naming, prepayments, surroundings
from billing.contracts import PAUSED, TRIAL, Contract
from billing.dues import Due, Prepaid, Run, Unused
from billing.models import BillingPeriod
from billing.models.invoices import Moment
from billing.periods import Period
from billing.planned import ARREARS
from billing.rating import statement
from billing.rating.adjustments import Adjustment, FreeOfCharge, GivenBack, Late
from billing.rating.card import Card
from billing.rating.lines import Line, RatedPeriod
from billing.rating.terms import Discount, TaxRule, Terms
from billing.rating.usage import Part, Usage
from metering import usage

_FREE: Final[Mapping[str, str]] = MappingProxyType({TRIAL: "free trial", PAUSED: "paused"})


@dataclass(frozen=True, slots=True)
class Reference:
    """What a line concerns: a rate card's row, the digest of its terms, and the line of which it gives time back."""

    rate_card_id: int | None = None
    terms: str = ""
    adjusts_id: int | None = None


@dataclass(frozen=True, slots=True)
class Belated:
    """A line for usage of an earlier period that came late, what it concerns, and the version it is taxed as."""

    adjustment: Late
    reference: Reference
    version_id: int


@dataclass(frozen=True, slots=True)
class Assessment:
    """A rated cycle, the reference of each of its lines, and the contract's change and the tax it was rated under."""

    rated: RatedPeriod
    references: tuple[Reference, ...]
    change_id: int
    tax: TaxRule | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a cycle is rated from: the terms, and what they came from.

    `charged` are the rate cards by their keys in the terms, `back` is the prepaid time that is given back by the source
    of its line, `free` what was measured and costs nothing; `adjustments` are what the lines beside the prices are made
    from.
    """

    terms: Terms
    charged: Mapping[str, Due]
    back: Mapping[str, Unused]
    free: tuple[Due, ...]
    adjustments: tuple[Adjustment, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be assessed: a cycle of a contract, as of a fold.

    `until` cuts a cycle short that has not ended. `is_supposed` leaves out what was billed before and what is the
    customer's own, because the contract is another than the one that holds. `read` answers as `usage.read` does,
    `rebates` as `coupons.for_period`; `carried` is what the cycle inherits, where it is not what the one before it left
    over. `late` is what came late of the periods before. `taxed` is the rule, or none, that an issued invoice was taxed
    by: a customer's may change.
    """

    period: BillingPeriod
    contract: Contract
    as_of: int
    moment: Moment = Moment.CLOSING
    until: datetime | None = None
    is_supposed: bool = False
    read: Callable[..., usage.Usage] = usage.read
    carried: Mapping[str, Decimal] | None = None
    rebates: Callable[..., tuple[Discount, ...]] = coupons.for_period
    late: tuple[Belated, ...] = ()
    taxed: tuple[TaxRule | None] | None = None

    @property
    def cycle(self) -> Period:
        """The time that is assessed."""
        return Period(self.period.starts_at, self.until or self.period.ends_at)

    @property
    def full(self) -> Period:
        """The whole cycle around it."""
        return Period(self.period.full_starts_at, self.period.full_ends_at)

    @property
    def window(self) -> Period:
        """The time for which charges in advance are due: at the end of a cycle, the next one is in it."""
        ends_at = self.period.ends_at
        has_next = self.contract.ends_at is None or self.contract.ends_at > ends_at
        if self.moment == Moment.OPENING or not has_next or self.cycle.ends_at < ends_at:
            return Period(self.period.starts_at, ends_at)
        following, _ = contracts.cycle_at(self.contract, at=ends_at)
        return Period(self.period.starts_at, following.ends_at)


def assess(question: Question) -> Assessment:
    """Return what a cycle costs; writes nothing. Raises RatingError, PriceError and what metering.usage raises."""
    inputs = gather(question)
    rated = statement.rate(inputs.terms)
    late = {one.adjustment.source: one.reference for one in question.late}
    references = tuple(late.get(line.source) or _reference(line, inputs.charged, inputs.back) for line in rated.lines)
    return Assessment(naming.in_plain_keys(rated=rated), references, question.contract.change_id, inputs.terms.tax)


def gather(question: Question) -> Inputs:
    """Return all that a cycle is rated from; writes nothing. Raises RatingError and what metering.usage raises."""
    runs = contracts.runs(question.contract)
    prepaid = [] if question.is_supposed else prepayments.before(period=question.period, moment=question.moment)
    order = {run.planned.card.key: position for position, run in reversed(list(enumerate(runs)))}
    found = sorted(
        _dues(question, runs, prepaid),
        key=lambda due: (order[due.run.planned.card.key], due.service.period.starts_at),
    )
    charged = dict(naming.named(found=(due for due in found if not due.run.free)))
    back = _unused(runs, prepaid) if question.moment == Moment.CLOSING else {}
    free = tuple(due for due in found if due.run.free and due.run.planned.card.meter)
    beside: tuple[Adjustment, ...] = (
        *(_unused_time(source, one) for source, one in back.items()),
        *_free_usage(question, free),
    )
    adjustments = (*beside, *(one.adjustment for one in question.late))
    lines = tuple(line for one in adjustments if (line := one.line()) is not None)
    terms = _terms(question, charged, lines)
    if not question.is_supposed:
        terms = replace(terms, tax=_tax(question, charged, back))
    return Inputs(terms, charged, back, free, adjustments)


def _dues(question: Question, runs: Sequence[Run], prepaid: Sequence[Prepaid]) -> Iterator[Due]:
    clock, cycle = question.contract.clock, question.cycle
    if question.is_supposed:
        ours = (replace(run, planned=replace(run.planned, billed=ARREARS)) for run in _within(runs, cycle))
        yield from dues.in_arrears(runs=ours, cycle=cycle, clock=clock)
        return
    if question.moment == Moment.LATE:
        return
    if question.moment == Moment.CLOSING:
        so_far = runs if question.until is None else _until(runs, question.until)
        yield from dues.in_arrears(runs=so_far, cycle=cycle, clock=clock)
    yield from dues.in_advance(runs=runs, window=question.window, prepaid=prepaid, clock=clock)


def _until(runs: Iterable[Run], until: datetime) -> Iterator[Run]:
    """Yield the runs as if everything ended at `until`."""
    for run in runs:
        if run.starts_at < until:
            yield replace(run, ends_at=until if run.ends_at is None else min(run.ends_at, until))


def _within(runs: Iterable[Run], cycle: Period) -> Iterator[Run]:
    for run in _until(runs, cycle.ends_at):
        if run.ends_at is not None and run.ends_at > cycle.starts_at:
            yield replace(run, starts_at=max(run.starts_at, cycle.starts_at))


def _unused(runs: Sequence[Run], prepaid: Sequence[Prepaid]) -> dict[str, Unused]:
    return {f"unused:{one.prepaid.line_id}": one for one in dues.unused(runs=runs, prepaid=prepaid)}


def _terms(question: Question, charged: Mapping[str, Due], adjustments: tuple[Line, ...]) -> Terms:
    contract, cycle, period = question.contract, question.cycle, question.period
    currency = contract.subscription.currency
    names: dict[str, list[str]] = defaultdict(list)
    for name in charged:
        names[naming.plain_key(name=name)].append(name)
    version = surroundings.version_at_end(contract, cycle)
    discounts = surroundings.plan_discounts(contracts.shelf(version.pk).offer, currency, names)
    is_closing = question.moment == Moment.CLOSING
    timeline = contract.timeline
    own = () if question.is_supposed else surroundings.promotions(period, question.moment, names)
    rebates = question.rebates(period=period, moment=question.moment)
    return Terms(
        cards=tuple(_under(name, due.run.planned.card) for name, due in charged.items()),
        usage={name: _measure(question, due) for name, due in charged.items() if due.run.planned.card.meter},
        period=cycle,
        full=question.full,
        currency=currency,
        discounts=(*discounts, *surroundings.coupon_discounts(rebates, names)),
        minimum=surroundings.bound(timeline, cycle, currency, lambda offer: offer.minimums) if is_closing else None,
        maximum=surroundings.bound(timeline, cycle, currency, lambda offer: offer.maximums) if is_closing else None,
        pools=surroundings.pools(contract, cycle, names),
        rollover=surroundings.rollover(period) if question.carried is None else question.carried,
        promotions=tuple(own),
        services={name: due.service for name, due in charged.items()},
        adjustments=adjustments,
        fold=question.as_of,
    )


def _under(name: str, card: Card) -> Card:
    """Return a card under a key; itself where that is its own, so that it is known again (`rating.memory`)."""
    return card if card.key == name else replace(card, key=name)


def _tax(question: Question, charged: Mapping[str, Due], back: Mapping[str, Unused]) -> TaxRule | None:
    """Return the rule for the rate cards of each version, those of which time is given back, or late, among them."""
    if question.taxed is not None:
        return question.taxed[0]
    names: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, due in charged.items():
        names[due.run.version_id][naming.plain_key(name=name)].append(name)
    for source, one in back.items():
        names[one.prepaid.version_id][one.prepaid.card].append(_given_back(one.prepaid, source))
    for late in question.late:
        names[late.version_id][naming.plain_key(name=late.adjustment.card)].append(late.adjustment.card)
    return surroundings.tax(question.contract, question.cycle, names)


def _given_back(prepaid: Prepaid, source: str) -> str:
    """Return the key under which time is given back: it may be of another version than what is charged."""
    return naming.marked(key=prepaid.card, mark=source)


def _measure(question: Question, due: Due) -> Usage:
    card = due.run.planned.card
    groups = statement.dimensions(card)
    answer = question.read(
        customer_id=question.contract.subscription.customer_id,
        meter=card.meter,
        starts_at=due.service.period.starts_at,
        ends_at=due.service.period.ends_at,
        group_by=groups,
        filters=card.filters,
        as_of=question.as_of,
    )
    return Usage(meter=card.meter, unit=answer.unit, parts=tuple(Part(row.quantity, row.group) for row in answer.rows))


def _unused_time(source: str, back: Unused) -> GivenBack:
    line = back.prepaid
    return GivenBack(
        card=_given_back(line, source),
        description=line.description,
        unit=line.unit,
        net=line.net,
        returned=line.returned,
        period=line.period,
        seconds=back.seconds,
        source=source,
    )


def _free_usage(question: Question, found: Iterable[Due]) -> Iterator[FreeOfCharge]:
    """Yield what was measured while nothing is charged: it is shown, and costs nothing."""
    currency = question.contract.subscription.currency
    for due in found:
        card, usage = due.run.planned.card, _measure(question, due)
        yield FreeOfCharge(card, usage, due.service, currency, due.run.free, _FREE[due.run.free])


def _reference(line: Line, charged: Mapping[str, Due], back: Mapping[str, Unused]) -> Reference:
    if line.source in back:
        prepaid = back[line.source].prepaid
        return Reference(prepaid.rate_card_id, prepaid.terms, prepaid.line_id)
    due = charged.get(line.card)
    return Reference() if due is None else Reference(due.run.rate_card_id, due.run.terms)
