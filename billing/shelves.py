"""Shelves: how an offer lies in the catalogue's columns, and how it is read back from them."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from billing import planned
from billing.models import PlanVersion, RateCard
from billing.offer_texts import discount_document, phase_document, pool_document, texts_of
from billing.offers import Offer, Phase, Reduction
from billing.planned import PlannedCard
from billing.rating import prices
from billing.rating.card import Card, ZeroRate
from billing.rating.numbers import text_of
from billing.rating.terms import Pool


def columns_of(offer: Offer) -> dict[str, Any]:
    """Return the columns of a version that hold an offer, its rate cards aside."""
    return {
        "currencies": list(offer.currencies),
        "interval": offer.interval,
        "phases": [phase_document(phase) for phase in offer.phases],
        "pools": [pool_document(pool) for pool in offer.pools],
        "discounts": [discount_document(one) for one in offer.discounts],
        "minimums": texts_of(offer.minimums),
        "maximums": texts_of(offer.maximums),
    }


def rows_of(offer: Offer, version: PlanVersion) -> Iterator[RateCard]:
    """Yield the rows of an offer's rate cards, each with its prices in every currency."""
    for position, cards in enumerate(zip(*offer.cards.values(), strict=True), start=1):
        yield _row_of(version, position, dict(zip(offer.cards, cards, strict=True)))


def offer_of(version: PlanVersion) -> Offer:
    """Return the offer that a version and its rate cards hold. Raises PriceError where a price cannot be read."""
    rows = list(version.rate_cards.order_by("position"))
    return Offer(
        plan=version.plan.key,
        name=version.plan.name,
        description=version.plan.description,
        number=version.number,
        currencies=tuple(version.currencies),
        interval=version.interval,
        cards={code: tuple(_card_of(row, code) for row in rows) for code in version.currencies},
        phases=tuple(_phase_of(one) for one in version.phases),
        pools=tuple(_pool_of(one) for one in version.pools),
        discounts=tuple(_discount_of(one) for one in version.discounts),
        minimums=_decimals(version.minimums),
        maximums=_decimals(version.maximums),
    )


def _row_of(version: PlanVersion, position: int, cards: Mapping[str, PlannedCard]) -> RateCard:
    first = next(iter(cards.values()))
    card = first.card
    return RateCard(
        version=version,
        position=position,
        key=card.key,
        name=card.name,
        meter=card.meter,
        filters=dict(card.filters),
        unit=card.unit,
        divide_by=card.divide_by,
        per_period=card.per_period,
        rounding=card.rounding,
        allowance=card.allowance,
        rollover=card.rollover,
        prices={code: prices.document_of(one.card.price) for code, one in cards.items()},
        minimums={code: text_of(one.card.minimum) for code, one in cards.items() if one.card.minimum is not None},
        maximums={code: text_of(one.card.maximum) for code, one in cards.items() if one.card.maximum is not None},
        zero_rates=[planned.zero_rate_document(one) for one in card.zero_rates],
        prorated=card.prorated,
        billed=first.billed,
        interval=first.interval,
        tax_category=first.tax_category,
    )


def _card_of(row: RateCard, currency: str) -> PlannedCard:
    card = Card(
        key=row.key,
        name=row.name,
        unit=row.unit,
        price=prices.parse(row.prices.get(currency)),
        meter=row.meter,
        filters=row.filters,
        divide_by=row.divide_by,
        per_period=row.per_period,
        rounding=row.rounding,
        allowance=row.allowance,
        prorated=row.prorated,
        rollover=row.rollover,
        minimum=_decimals(row.minimums).get(currency),
        maximum=_decimals(row.maximums).get(currency),
        zero_rates=tuple(ZeroRate(one["key"], one["name"], one["filters"]) for one in row.zero_rates),
    )
    return PlannedCard(card=card, interval=row.interval, billed=row.billed, tax_category=row.tax_category)


def _phase_of(fields: Mapping[str, Any]) -> Phase:
    return Phase(
        name=fields["name"],
        months=fields.get("months", 0),
        days=fields.get("days", 0),
        free=fields.get("free", False),
        cards=fields.get("cards", {}),
    )


def _pool_of(fields: Mapping[str, Any]) -> Pool:
    return Pool(
        key=fields["key"],
        name=fields["name"],
        allowance=Decimal(fields["allowance"]),
        cards=tuple(fields["cards"]),
        rollover=Decimal(fields.get("rollover", 0)),
    )


def _discount_of(fields: Mapping[str, Any]) -> Reduction:
    return Reduction(
        key=fields["key"],
        name=fields["name"],
        percent=Decimal(fields["percent"]) if "percent" in fields else None,
        amounts=_decimals(fields.get("amount", {})),
        cards=tuple(fields.get("cards", ())),
    )


def _decimals(amounts: Mapping[str, str]) -> dict[str, Decimal]:
    return {name: Decimal(text) for name, text in amounts.items()}
