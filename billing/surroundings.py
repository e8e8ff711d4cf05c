"""Surroundings: what a plan and a customer have around the prices of a cycle, under the keys that rating knows."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final

from billing import contracts, credits, taxes
from billing.contracts import Contract
from billing.models import BillingPeriod, PlanVersion
from billing.models.invoices import Moment
from billing.models.subscriptions import PeriodStatus
from billing.money import Money, round_half_up
from billing.offers import Offer
from billing.periods import Period, seconds_between
from billing.rating.lines import LineKind, RatedPeriod
from billing.rating.numbers import text_of
from billing.rating.terms import Discount, Grant, Pool, TaxRate, TaxRule, Treatment
from billing.timeline import Timeline, within

# The keys by which a rate card is among the cards of a cycle: more than one where its terms changed within it.
Names = Mapping[str, Sequence[str]]

_INSTANT: Final = timedelta(microseconds=1)


def version_at_end(contract: Contract, cycle: Period) -> PlanVersion:
    """Return the version that holds in a cycle's last instant."""
    return contract.version_at(cycle.ends_at - _INSTANT)


def plan_discounts(offer: Offer, currency: str, names: Names) -> Iterator[Discount]:
    """Yield the plan's own discounts on the cards that are charged."""
    for one in offer.discounts:
        cards = spread(one.cards, names)
        if one.cards and not cards:
            continue
        amount = Money(one.amounts[currency], currency) if one.percent is None else None
        yield Discount(key=one.key, name=one.name, percent=one.percent, amount=amount, cards=cards)


def coupon_discounts(found: Iterable[Discount], names: Names) -> Iterator[Discount]:
    """Yield the discounts of the customer's coupons on the cards that are charged."""
    for discount in found:
        cards = spread(discount.cards, names)
        if cards or not discount.cards:
            yield replace(discount, cards=cards)


def promotions(period: BillingPeriod, moment: Moment, names: Names) -> Iterator[Grant]:
    """Yield the credit that may lower the charges, in the order of use."""
    currency = period.subscription.currency
    for grant in credits.for_period(period=period, currency=currency, moment=moment):
        cards = spread(grant.cards, names)
        if cards or not grant.cards:
            yield replace(grant, cards=cards)


def bound(
    timeline: Timeline, cycle: Period, currency: str, read: Callable[[Offer], Mapping[str, Decimal]]
) -> Money | None:
    """Return a plan's minimum or maximum for a full cycle, for the part of `cycle` in which it is charged.

    Where the version changes within the cycle each one's counts for its time; a trial or a pause has none.
    """
    parts = within(timeline, starts_at=cycle.starts_at, ends_at=cycle.ends_at)
    bounds = [
        (read(contracts.shelf(part.version_id).offer).get(currency), seconds_between(part.starts_at, part.ends_at))
        for part in parts
        if part.ends_at is not None and not part.is_trial and not part.is_paused
    ]
    if all(amount is None for amount, _ in bounds):
        return None
    weighted = sum((Fraction(amount) * seconds for amount, seconds in bounds if amount is not None), Fraction(0))
    return round_half_up(weighted / cycle.seconds, currency)


def pools(contract: Contract, cycle: Period, names: Names) -> tuple[Pool, ...]:
    """Return the allowances that cards share: those of the version that holds last, then of any earlier one.

    A pool keeps the cards that are charged; one whose cards all are in another already is gone.
    """
    found: list[Pool] = []
    taken: set[str] = set()
    parts = within(contract.timeline, starts_at=cycle.starts_at, ends_at=cycle.ends_at)
    for version_id in dict.fromkeys(part.version_id for part in reversed(parts)):
        for pool in contracts.shelf(version_id).offer.pools:
            cards = tuple(card for card in spread(pool.cards, names) if card not in taken)
            if cards and pool.key not in {one.key for one in found}:
                found.append(replace(pool, cards=cards))
                taken |= set(cards)
    return tuple(found)


def rollover(period: BillingPeriod) -> dict[str, Decimal]:
    """Return what the period before carried over, by the key of the card or the pool."""
    before = BillingPeriod.objects.filter(
        subscription_id=period.subscription_id, ends_at=period.starts_at, status=PeriodStatus.CLOSED
    )
    carried = before.values_list("carried", flat=True).first() or {}
    return {key: Decimal(text) for key, text in carried.items()}


def carry(*, period: BillingPeriod, rated: RatedPeriod) -> dict[str, str]:
    """Return what the next period inherits: what rating left over, and what was not counted in this cycle at all."""
    charged = {line.card for line in rated.lines if line.kind == LineKind.CHARGE}
    waiting = {key: quantity for key, quantity in rollover(period).items() if key not in charged}
    return {key: text_of(quantity) for key, quantity in (waiting | dict(rated.carried)).items() if quantity}


def tax(contract: Contract, cycle: Period, names: Mapping[int, Names]) -> TaxRule | None:
    """Return how the customer is taxed in a cycle's last instant; `names` are the cards of each version's id.

    What concerns the plan as a whole is taxed as the version says that holds last.
    """
    last, customer = version_at_end(contract, cycle).pk, contract.subscription.customer
    merged: TaxRule | None = None
    for version_id in dict.fromkeys((last, *names)):
        version = contracts.shelf(version_id).version
        rule = taxes.rule_for(customer=customer, version=version, at=cycle.ends_at - _INSTANT)
        if rule is None or rule.treatment != Treatment.TAXED:
            return rule
        whole = {"": [""]} if version_id == last else {}
        merged = _merged(merged, _named(rule, {**names.get(version_id, {}), **whole}))
    return merged


def spread(cards: Iterable[str], names: Names) -> tuple[str, ...]:
    """Return the keys by which rate cards are among the cards of a cycle."""
    return tuple(name for card in cards for name in names.get(card, ()))


def _named(rule: TaxRule, names: Names) -> TaxRule:
    """Return the rule with every rate naming its cards, so that it can be joined with that of another version."""
    rates = (replace(rate, cards=spread(rate.cards or names, names)) for rate in rule.rates)
    return replace(rule, rates=tuple(rate for rate in rates if rate.cards))


def _merged(before: TaxRule | None, rule: TaxRule) -> TaxRule:
    if before is None:
        return rule
    cards: dict[str, list[str]] = defaultdict(list)
    rates: dict[str, TaxRate] = {}
    for rate in (*before.rates, *rule.rates):
        rates.setdefault(rate.key, rate)
        cards[rate.key] += [card for card in rate.cards if card not in cards[rate.key]]
    return replace(rule, rates=tuple(replace(rate, cards=tuple(cards[key])) for key, rate in rates.items()))
