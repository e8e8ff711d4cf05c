"""Plans: whether the rate cards that were charged are those of the plan's documents, as agreed with the customer."""

from collections.abc import Mapping
from typing import Any

from billing import offers, planned
from billing.documents import Table
from billing.errors import BillingError
from billing.offers import Offer
from billing.planned import PlannedCard
from billing.proof import terms
from billing.proof.errors import BundleError
from billing.proof.meters import Meter
from billing.proof.report import Report
from billing.proof.terms import Agreed, Basis


def check(basis: Basis, documents: Any, meters: Mapping[str, Meter], report: Report) -> None:  # noqa: ANN401
    """Derive every agreed rate card from its plan's document and compare; and compare the digests of terms."""
    known = {key: meter.dimensions for key, meter in meters.items()}
    found: dict[str, Offer] = {}
    for version, document in documents.items():
        try:
            found[version] = offers.parse(document=document, meters=known)
        except (BillingError, TypeError, AttributeError) as error:
            report.find("plan", version, f"cannot be read: {error}")
    for agreed in (*basis.agreed, *(one.agreed for one in basis.free)):
        if agreed.origin.version in found:
            _check_card(agreed, found[agreed.origin.version], basis.currency, meters, report)
        else:
            report.find("plan", agreed.origin.version, f"its document is missing, and {agreed.name} is priced by it")


def _check_card(agreed: Agreed, offer: Offer, currency: str, meters: Mapping[str, Meter], report: Report) -> None:
    try:
        stated, derived = terms.planned(agreed, currency, meters), _derive(agreed, offer, currency)
    except (BundleError, BillingError, IndexError, KeyError, TypeError) as error:
        report.find("price", agreed.name, f"cannot be derived from the plan: {error}")
        return
    given, planned_for = planned.document_of(stated), planned.document_of(derived)
    for name in sorted(given.keys() | planned_for.keys()):
        if given.get(name) != planned_for.get(name):
            text = f"{name}: the terms have {given.get(name)!r}, what was agreed has {planned_for.get(name)!r}"
            report.find("price", agreed.name, text)
    if planned.digest_of(stated, currency) != agreed.terms:
        report.find("price", agreed.name, "the digest of its terms is another: a price or a rule of it was changed")


def _derive(agreed: Agreed, offer: Offer, currency: str) -> PlannedCard:
    """Return a card as the plan, the phase and the customer's own agreement make it."""
    origin = agreed.origin
    (card,) = (one for one in offer.cards[currency] if one.card.key == origin.card)
    if origin.phase is not None and (own := offer.phases[origin.phase].cards.get(origin.card)):
        card = planned.changed(card, Table(own), currency=currency, currencies=offer.currencies)
    if origin.override:
        card = planned.changed(card, Table(origin.override), currency=currency, currencies=(currency,))
    return card
