"""The terms of an invoice as its bundle has them: what rating took, but for the usage, which is counted from events."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from billing.documents import Table
from billing.money import Money
from billing.periods import Period
from billing.planned import PlannedCard
from billing.planned import document_of as card_document
from billing.planned import parse as parse_card
from billing.proof import values
from billing.proof.counting import Measure
from billing.proof.errors import BundleError
from billing.proof.meters import Meter
from billing.rating.adjustments import Adjustment, FreeOfCharge, GivenBack, Late
from billing.rating.card import Card
from billing.rating.lines import Line
from billing.rating.shares import dimensions
from billing.rating.terms import Discount, Grant, Pool, Service, TaxRule, Terms
from billing.rating.usage import Usage


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a rate card's terms come from: a version's document, the phase of it, and what this customer agreed.

    `version` is the plan's key and the version's number, such as "basic/3".
    """

    version: str
    card: str
    phase: int | None
    override: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Agreed:
    """A rate card that is charged: its document, the digest of its terms, the key it is rated under, and for when."""

    name: str
    document: Mapping[str, Any]
    terms: str
    origin: Origin
    service: Service


@dataclass(frozen=True, slots=True)
class Free:
    """A rate card of which usage was free of charge, and why."""

    agreed: Agreed
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Basis:
    """All that decides an invoice beside its events; what is not explained here is as in `billing.rating.Terms`.

    `given` are lines as the invoice has them that somebody else worked out: tax that was asked for elsewhere.
    `references` are the rate card and the digest of terms of each line that gives back or comes late, by its source.
    """

    currency: str
    period: Period
    full: Period
    fold: int
    agreed: tuple[Agreed, ...]
    free: tuple[Free, ...]
    given_back: tuple[GivenBack, ...]
    late: tuple[Late, ...]
    given: tuple[Mapping[str, Any], ...]
    references: Mapping[str, tuple[str, str]]
    discounts: tuple[Discount, ...]
    minimum: Money | None
    maximum: Money | None
    pools: tuple[Pool, ...]
    rollover: Mapping[str, Decimal]
    promotions: tuple[Grant, ...]
    tax: TaxRule | None


def write(basis: Basis) -> dict[str, Any]:
    """Return the terms as JSON."""
    document: dict[str, Any] = values.write(basis)
    return document


def read(document: Any) -> tuple[Basis, ...]:  # noqa: ANN401 - whatever JSON holds
    """Return the terms of an invoice, or of each part of a merged one. Raises BundleError naming the field."""
    if not isinstance(document, dict) or document.keys() != {"parts"} or not document["parts"]:
        raise BundleError("terms.json: it must have parts")
    parts: tuple[Basis, ...] = values.read(tuple[Basis, ...], document["parts"], "terms.json: parts")
    return parts


def planned(agreed: Agreed, currency: str, meters: Mapping[str, Meter]) -> PlannedCard:
    """Return an agreed rate card as a value. Raises BundleError where it is none."""
    document = agreed.document
    known = {key: meter.dimensions for key, meter in meters.items()}
    try:
        return parse_card(
            table=Table(document, f"{agreed.name}."),
            currency=currency,
            currencies=(currency,),
            interval=str(document.get("interval", "")),
            meters=known,
        )
    except Exception as error:
        raise BundleError(f"terms.json: the rate card {agreed.name} cannot be read: {error}") from error


def measures(basis: Basis, meters: Mapping[str, Meter]) -> Iterator[tuple[Agreed, Measure]]:
    """Yield what each rate card with a meter asks of the events. Raises BundleError."""
    for agreed in (*basis.agreed, *(one.agreed for one in basis.free)):
        card = planned(agreed, basis.currency, meters).card
        if not card.meter:
            continue
        if card.meter not in meters:
            raise BundleError(f"meters.json: the meter {card.meter} is missing")
        yield (
            agreed,
            Measure(meters[card.meter], agreed.service.period, dimensions(card), card.filters, basis.fold),
        )


def terms(basis: Basis, meters: Mapping[str, Meter], usage: Mapping[int, Usage]) -> Terms:
    """Return the terms as rating takes them; `usage` is that of each agreed card by its identity in memory."""
    cards = {one.name: _card(one, basis, meters) for one in basis.agreed}
    lines = (one.line() for one in adjustments(basis, meters, usage))
    return Terms(
        cards=tuple(cards.values()),
        usage={one.name: usage[id(one)] for one in basis.agreed if id(one) in usage},
        period=basis.period,
        full=basis.full,
        currency=basis.currency,
        discounts=basis.discounts,
        minimum=basis.minimum,
        maximum=basis.maximum,
        pools=basis.pools,
        rollover=basis.rollover,
        promotions=basis.promotions,
        tax=basis.tax,
        services={one.name: one.service for one in basis.agreed},
        adjustments=tuple(line for line in lines if line is not None),
        fold=basis.fold,
    )


def adjustments(basis: Basis, meters: Mapping[str, Meter], usage: Mapping[int, Usage]) -> Iterator[Adjustment]:
    """Yield what the lines beside the prices are made from, in the order of the invoice."""
    yield from basis.given_back
    for one in basis.free:
        card = replace(_card(one.agreed, basis, meters), key=one.agreed.name)
        service = one.agreed.service
        yield FreeOfCharge(card, usage[id(one.agreed)], service, basis.currency, one.source, one.reason)
    yield from basis.late


def reference(basis: Basis, line: Line) -> tuple[str, str]:
    """Return the key of a line's rate card and the digest of its terms, as the invoice has them."""
    if line.source in basis.references:
        return basis.references[line.source]
    for one in basis.agreed:
        if one.name == line.card:
            return one.origin.card, one.terms
    return "", ""


def _card(agreed: Agreed, basis: Basis, meters: Mapping[str, Meter]) -> Card:
    return replace(planned(agreed, basis.currency, meters).card, key=agreed.name)


__all__ = ["Agreed", "Basis", "Free", "Origin", "card_document", "measures", "planned", "read", "reference", "terms"]
