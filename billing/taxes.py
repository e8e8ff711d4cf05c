"""Taxes: which rates a customer pays on which rate cards, or why none, as rating needs it.

Rates are exclusive: tax comes on top, one line for each rate. Rounding follows the house rule, once per line.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from django.db.models import Q

from agents.models import Customer
from agents.models.customers import TaxExempt
from billing import profiles
from billing.models import PlanVersion, TaxAssignment, TaxRate
from billing.models.profiles import TaxSource
from billing.rating import statement
from billing.rating.statement import TaxRule, Treatment

WHOLE_PLAN: Final = ""
"""Stands among the cards of a rate for lines that concern the whole plan; taxed at the rates without a category."""


def rule_for(*, customer: Customer, version: PlanVersion, at: datetime) -> TaxRule | None:
    """Return how a customer's charges are taxed at an instant, the time of supply; None where no tax concerns it.

    A customer is taxed where it is assigned to, by the rates in force there. Exempt and reverse-charge customers pay
    none, and the rule has the note that the law wants printed. None too for a customer of Stripe Tax, which is asked
    about the draft (ADR 0013).
    """
    if profiles.of(customer=customer).tax_source == TaxSource.STRIPE:
        return None
    if customer.tax_exempt == TaxExempt.EXEMPT:
        return TaxRule(treatment=Treatment.EXEMPT, note=_exempt_note(customer))
    if customer.tax_exempt == TaxExempt.REVERSE:
        return TaxRule(treatment=Treatment.REVERSE, note=_reverse_note(customer))
    rates = _rates(customer, version, at)
    return TaxRule(rates=rates) if rates else None


def _rates(customer: Customer, version: PlanVersion, at: datetime) -> tuple[statement.TaxRate, ...]:
    in_force = Q(starts_at__lte=at) & (Q(ends_at=None) | Q(ends_at__gt=at))
    assigned = TaxAssignment.objects.filter(in_force, customer=customer)
    rows = list(TaxRate.objects.filter(in_force, jurisdiction__in=assigned.values("jurisdiction")).order_by("pk"))
    if not rows:
        return ()
    categories = {card.key: card.tax_category for card in version.rate_cards.all()} | {WHOLE_PLAN: ""}
    cards = _cards_of_rates(rows, categories)
    return tuple(_rate(row, cards[row.pk], len(categories)) for row in rows if cards[row.pk])


def _cards_of_rates(rows: Iterable[TaxRate], categories: Mapping[str, str]) -> Mapping[int, list[str]]:
    """Return the cards of each rate: in a jurisdiction, the rates of a card's category, or else the general ones."""
    by_jurisdiction: dict[str, list[TaxRate]] = defaultdict(list)
    for row in rows:
        by_jurisdiction[row.jurisdiction].append(row)
    cards: dict[int, list[str]] = defaultdict(list)
    for there in by_jurisdiction.values():
        known = {row.category for row in there}
        for card, category in categories.items():
            chosen = category if category in known else ""
            for row in there:
                if row.category == chosen:
                    cards[row.pk].append(card)
    return cards


def _rate(row: TaxRate, cards: list[str], everything: int) -> statement.TaxRate:
    return statement.TaxRate(
        key=f"tax:{row.pk}",
        name=row.name,
        percent=row.percent,
        cards=() if len(cards) == everything else tuple(cards),
    )


def _exempt_note(customer: Customer) -> str:
    return f"Exempt from tax{_tax_id(customer)}."


def _reverse_note(customer: Customer) -> str:
    """The mention that Directive 2006/112/EC, article 226 (11a), asks for."""
    return f"Reverse charge: the recipient owes the tax{_tax_id(customer)}."


def _tax_id(customer: Customer) -> str:
    return f"; tax id of the recipient {customer.tax_id}" if customer.tax_id else ""
