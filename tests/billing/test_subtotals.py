"""Sub-totals: an invoice's lines by agent or project, each to the last cent, and for ever."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from agents.models import Agent
from billing import closing, subtotals
from billing.models import BillingProfile, Invoice, InvoiceLine, LineShare
from billing.money import Money, allocate
from billing.papers import content
from tests.portal import stage

MAY = datetime(2026, 5, 1, tzinfo=UTC)
DUE = datetime(2026, 6, 1, 2, tzinfo=UTC)


@pytest.fixture
def by(acme):
    """Work of acme's agents: crane 7 turns, lift 2, nobody's 1; on a plan with a base fee, and seats."""

    def grouped(grouping):
        BillingProfile.objects.create(customer=acme, grouping=grouping)
        for key, project in (("crane", "harbour"), ("lift", "harbour"), ("truck", "")):
            Agent.objects.create(customer=acme, key=key, name=key.title(), project=project, first_seen_at=MAY)
        subscription = stage.subscribe(acme, starts_at=MAY)
        work = stage.Work(acme)
        at = [MAY + timedelta(hours=hour) for hour in range(1, 11)]
        work.turns(*at[:6], agent="crane")
        work.turns(*at[6:8], agent="lift")
        work.turns(at[8], agent="truck")
        work.turns(at[9], agent="stray")
        work.seat("olga", MAY)
        stage.count(DUE)
        made = closing.close(period_id=subscription.periods.get().pk, now=DUE)
        assert made is not None
        return Invoice.objects.get(pk=made.pk)

    return grouped


def amounts(invoice):
    return {one.label: str(one.amount) for one in subtotals.of(invoice=invoice)}


def test_each_agent_has_its_share_of_what_usage_decides_and_the_rest_is_of_none(by):
    invoice = by("agent")
    # Turns: 2 at 0.50 and 8 at 0.125 make 2.00, by tenths; base 30 and a seat of 10 are of no agent.
    assert amounts(invoice) == {
        "Crane": "1.20 EUR",
        "Lift": "0.40 EUR",
        "stray": "0.20 EUR",
        "Truck": "0.20 EUR",
        "Not of one agent": "40.00 EUR",
    }


def test_projects_gather_their_agents(by):
    invoice = by("project")
    assert amounts(invoice) == {"harbour": "1.60 EUR", "stray": "0.20 EUR", "Of no project": "40.20 EUR"}


def test_the_paper_shows_them_and_they_make_up_the_subtotal(by):
    invoice = by("agent")
    groups = content.of_invoice(invoice=invoice).groups
    assert (groups[0].label, groups[0].amount) == ("Crane", "€1.20")
    assert sum(one.amount.amount for one in subtotals.of(invoice=invoice)) == invoice.subtotal
    for line in invoice.lines.exclude(kind="tax"):
        assert sum(line.shares.values_list("amount", flat=True)) == line.amount


def test_who_wants_none_has_none(by):
    invoice = by("none")
    assert not LineShare.objects.exists()
    assert content.of_invoice(invoice=invoice).groups == ()


def test_they_stay_whatever_happens_to_agents_and_usage(by, acme):
    invoice = by("agent")
    before = content.of_invoice(invoice=invoice)
    Agent.objects.update(name="Renamed", project="moved")
    stage.Work(acme).turns(MAY + timedelta(days=2), agent="crane")
    stage.count(DUE + timedelta(hours=1))
    assert content.of_invoice(invoice=Invoice.objects.get(pk=invoice.pk)) == before


def test_the_database_refuses_to_change_those_of_an_issued_invoice(by):
    by("agent")
    for change in (
        lambda: LineShare.objects.update(amount=1),
        lambda: LineShare.objects.all().delete(),
        lambda: LineShare.objects.create(
            line=InvoiceLine.objects.latest("pk"), key="x", label="x", quantity=1, amount=1
        ),
    ):
        with pytest.raises(DatabaseError, match="cannot change"), transaction.atomic():
            change()


def test_the_database_refuses_shares_that_do_not_sum_to_their_line(by):
    invoice = by("none")
    fields = ("customer_id", "period_id", "version_id", "change_id", "currency", "subtotal", "total", "fold")
    draft = Invoice.objects.create(moment="merged", created_at=DUE, **{name: getattr(invoice, name) for name in fields})
    line = InvoiceLine.objects.create(
        invoice=draft,
        position=1,
        description="x",
        quantity=1,
        unit="x",
        amount=5,
        starts_at=MAY,
        ends_at=DUE,
        detail=[],
    )
    with pytest.raises(DatabaseError, match="do not sum"), transaction.atomic():  # noqa: PT012 - both are one wrong write
        LineShare.objects.create(line=line, key="a", label="A", quantity=1, amount=4)
        connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")


@given(
    cents=st.integers(-(10**6), 10**6),
    weights=st.lists(st.decimals(min_value=Decimal("0.000001"), max_value=10**6, places=6), min_size=1, max_size=12),
)
def test_shares_never_gain_or_lose_a_cent(cents, weights):
    amount = Money(Decimal(cents) / 100, "EUR")
    parts = allocate(amount, weights)
    assert sum(part.amount for part in parts) == amount.amount
    exact = [amount.amount * weight / sum(weights) for weight in weights]
    assert all(abs(part.amount - share) < Decimal("0.0101") for part, share in zip(parts, exact, strict=True))
