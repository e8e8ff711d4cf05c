"""Offers written back as the documents they are read from."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from billing import planned
from billing.offers import Offer, Phase, Reduction
from billing.planned import PlannedCard
from billing.rating.numbers import text_of
from billing.rating.terms import Pool


def document_of(offer: Offer) -> dict[str, Any]:
    """Return the plan document of an offer; `offers.parse` gives the same offer back."""
    document: dict[str, Any] = {"plan": offer.plan, "name": offer.name, "version": offer.number}
    optional: dict[str, Any] = {
        "description": offer.description,
        "currencies": list(offer.currencies),
        "interval": offer.interval,
        "rate_cards": [
            _card_document(dict(zip(offer.cards, one, strict=True)), offer.interval)
            for one in zip(*offer.cards.values(), strict=True)
        ],
        "phases": [phase_document(phase) for phase in offer.phases],
        "pools": [pool_document(pool) for pool in offer.pools],
        "discounts": [discount_document(one) for one in offer.discounts],
        "minimum": texts_of(offer.minimums),
        "maximum": texts_of(offer.maximums),
    }
    return document | {name: value for name, value in optional.items() if value}


def phase_document(phase: Phase) -> dict[str, Any]:
    """Return the document of a phase."""
    length = {"months": phase.months} if phase.months else {"days": phase.days}
    content: dict[str, Any] = {"free": True} if phase.free else {"cards": phase.cards}
    return {"name": phase.name, **length, **content}


def pool_document(pool: Pool) -> dict[str, Any]:
    """Return the document of a shared allowance."""
    fields: dict[str, Any] = {"key": pool.key, "name": pool.name, "allowance": text_of(pool.allowance)}
    rollover = {"rollover": text_of(pool.rollover)} if pool.rollover else {}
    return fields | rollover | {"cards": list(pool.cards)}


def discount_document(discount: Reduction) -> dict[str, Any]:
    """Return the document of a discount."""
    fields: dict[str, Any] = {"key": discount.key, "name": discount.name}
    if discount.percent is not None:
        fields["percent"] = text_of(discount.percent)
    else:
        fields["amount"] = texts_of(discount.amounts)
    return fields | ({"cards": list(discount.cards)} if discount.cards else {})


def texts_of(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    """Return amounts by currency as texts."""
    return {name: text_of(amount) for name, amount in amounts.items()}


def _card_document(cards: Mapping[str, PlannedCard], interval: str) -> dict[str, Any]:
    """Return the document of a card with its prices and bounds in every currency."""
    documents = {code: planned.document_of(one) for code, one in cards.items()}
    document = dict(next(iter(documents.values())))
    del document["price"]
    document["prices"] = {code: one["price"] for code, one in documents.items()}
    for name in ("minimum", "maximum"):
        if name in document:
            document[name] = {code: one[name] for code, one in documents.items()}
    if document["interval"] == interval:
        del document["interval"]
    return document
