"""Sub-totals: an invoice's lines divided among agents or projects, in proportion to their usage, to the last cent.

Made with the draft from usage as of its fold and stored, so that the document of an invoice never changes. A line that
no usage decides (a fixed fee, a minimum), or whose meter knows no agents, falls to none of them as a whole.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from agents.models import Agent, Customer
from billing import profiles
from billing.models import Invoice, InvoiceLine, LineShare
from billing.models.invoices import LineKind
from billing.models.profiles import Grouping
from billing.money import Money, allocate, total
from metering import usage
from metering.errors import UnknownDimensionError

NONE: Final = {Grouping.AGENT: "Not of one agent", Grouping.PROJECT: "Of no project"}
_AGENT: Final = "agent"

Weights = Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Subtotal:
    """What falls to one agent or project (`key` empty: to none), with its shares in the order of the lines."""

    key: str
    label: str
    amount: Money
    shares: tuple[LineShare, ...]


def keep(*, invoice: Invoice) -> int:
    """Divide the lines of a draft as its customer wants it, and store the shares; returns how many.

    Taxes are left out: they are on the sum. Raises what metering.usage raises.
    """
    grouping = Grouping(profiles.of(customer=invoice.customer).grouping)
    if grouping == Grouping.NONE:
        return 0
    labels = _labels(invoice.customer, grouping)
    memory: dict[tuple[object, ...], Weights] = {}
    shares: list[LineShare] = []
    for line in invoice.lines.exclude(kind=LineKind.TAX).select_related("rate_card").order_by("position"):
        question = (line.rate_card_id, line.starts_at, line.ends_at)
        if question not in memory:
            memory[question] = _weights(invoice, line, labels)
        shares += _shares(line, Money(line.amount, invoice.currency), memory[question], labels, NONE[grouping])
    return len(LineShare.objects.bulk_create(shares))


def of(*, invoice: Invoice) -> list[Subtotal]:
    """Return the stored sub-totals, the largest first, what falls to none last; together the subtotal before tax."""
    found: dict[str, list[LineShare]] = defaultdict(list)
    for share in (
        LineShare.objects.filter(line__invoice=invoice).select_related("line").order_by("line__position", "pk")
    ):
        found[share.key].append(share)
    subtotals = [_subtotal(key, shares, invoice.currency) for key, shares in found.items()]
    return sorted(subtotals, key=lambda one: (not one.key, -one.amount.amount, one.key))


def _subtotal(key: str, shares: list[LineShare], currency: str) -> Subtotal:
    amount = total([Money(share.amount, currency) for share in shares], currency)
    return Subtotal(key, shares[0].label, amount, tuple(shares))


def _labels(customer: Customer, grouping: Grouping) -> dict[str, tuple[str, str]]:
    """Return, for each agent's key, under which key and label its usage is shown."""
    agents = Agent.objects.filter(customer=customer).values_list("key", "name", "project")
    if grouping == Grouping.AGENT:
        return {key: (key, name) for key, name, _ in agents}
    return {key: (project, project or NONE[grouping]) for key, _, project in agents}


def _weights(invoice: Invoice, line: InvoiceLine, labels: Mapping[str, tuple[str, str]]) -> Weights:
    """Return the usage behind a line by key, as of the invoice's fold; none where no usage decides it."""
    card = line.rate_card
    if card is None or not card.meter:
        return {}
    found = _usage(invoice, card.meter, card.filters, line.starts_at, line.ends_at)
    weights: dict[str, Decimal] = defaultdict(Decimal)
    for agent, quantity in found:
        weights[labels.get(agent, (agent, agent))[0] if agent else ""] += quantity
    return {key: quantity for key, quantity in weights.items() if quantity > 0}


def _usage(
    invoice: Invoice, meter: str, filters: Mapping[str, list[str]], starts_at: datetime, ends_at: datetime
) -> Iterable[tuple[str, Decimal]]:
    try:
        answer = usage.read(
            customer_id=invoice.customer_id,
            meter=meter,
            starts_at=starts_at,
            ends_at=ends_at,
            group_by=[_AGENT],
            filters=filters,
            as_of=invoice.fold,
        )
    except UnknownDimensionError:
        return []  # such as seats: they are held by people
    return [(row.group[_AGENT] or "", row.quantity) for row in answer.rows]


def _shares(
    line: InvoiceLine, amount: Money, weights: Weights, labels: Mapping[str, tuple[str, str]], none: str
) -> Iterable[LineShare]:
    """Yield the shares of a line; a card in credits, or at a fixed fee, has one share that falls to none."""
    named = dict(labels.values())
    if not weights:
        weights = {"": line.quantity}
        amounts: tuple[Money, ...] = (amount,)
    else:
        amounts = allocate(amount, list(weights.values()))
    for (key, quantity), part in zip(weights.items(), amounts, strict=True):
        label = named.get(key, key) if key else none
        yield LineShare(line=line, key=key, label=label, quantity=quantity, amount=part.amount)
