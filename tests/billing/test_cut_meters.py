"""Meters whose parts do not make the whole: not split by dimensions; a part of a cycle is measured by itself."""

from datetime import timedelta

import pytest

from billing import changes
from billing.errors import PlanDocumentError
from billing.models import CardOverride, PlanVersion
from metering.models import Meter
from metering.seeds import TURN
from tests.billing.agreement import ANNA, at, close, fee, lines, plan, spans, start
from tests.billing.conftest import JUNE, MAY

MID_MAY = at("2026-05-16T12:00")
MATRIX = {
    "kind": "matrix",
    "rows": [{"match": {"agent": "a"}, "price": {"kind": "unit", "amount": "2"}}],
    "default": {"kind": "unit", "amount": "1"},
}
FREE = [{"key": "a", "name": "agent a", "filters": {"agent": ["a"]}}]
WHOLE = ("unique", "latest", "min", "max", "peak")


@pytest.fixture(params=WHOLE)
def card(request, db):
    """A card, 1.00 each, for a meter of one of the aggregations whose parts do not make the whole."""
    value = {"unique": "outcome", "peak": ""}.get(request.param, "size")
    Meter.objects.create(
        key="special",
        name="Special",
        unit="thing",
        event_type=TURN,
        aggregation=request.param,
        value_field=value,
        dimensions=["agent"],
    )
    price = {"kind": "unit", "amount": "1.00"}
    return {"key": "special", "name": "Special", "unit": "thing", "meter": "special", "price": price}


def refused(act):
    with pytest.raises(PlanDocumentError) as caught:
        act()
    assert "do not make the whole" in caught.value.detail
    return caught.value.field


@pytest.mark.parametrize("fields", [{"price": MATRIX}, {"zero_rates": FREE}], ids=["price", "zero_rates"])
class TestSplitByDimensions:
    def test_a_card_cannot(self, card, fields):
        (name,) = fields
        assert refused(lambda: plan(fee("1"), card | fields)) == f"rate_cards[1].{name}"

    def test_a_phase_cannot(self, card, fields):
        (name,) = fields
        phases = [{"name": "First", "months": 1, "cards": {"special": fields}}]
        assert refused(lambda: plan(card, phases=phases)) == f"phases[0].cards.special.{name}"
        assert not PlanVersion.objects.exists()

    def test_a_customers_own_price_cannot(self, card, fields, acme):
        subscription = start(acme, plan(card))
        (name,) = fields
        act = {"subscription": subscription, "card": "special", "fields": fields, "starts_at": MID_MAY, "act": ANNA}
        assert refused(lambda: changes.override(**act)) == name
        assert not CardOverride.objects.exists()

    def test_a_price_in_the_second_currency_cannot(self, card, fields):
        if "zero_rates" in fields:
            fields = {"zero_rates": FREE}
            both = {"EUR": card["price"], "USD": card["price"]}
        else:
            both = {"EUR": card["price"], "USD": MATRIX}
        bare = {name: value for name, value in card.items() if name != "price"}
        other = {name: value for name, value in fields.items() if name != "price"}
        (name,) = fields
        act = lambda: plan(bare | {"prices": both} | other, currencies=["EUR", "USD"])  # noqa: E731 - one line is enough
        assert refused(act) == f"rate_cards[0].{name}"


def by_plan_change(acme, card):
    subscription = start(acme, plan(card, name="one"))
    dearer = card | {"price": {"kind": "unit", "amount": "2.00"}}
    changes.change_plan(subscription=subscription, version=plan(dearer, name="two"), at=MID_MAY, act=ANNA)
    return subscription


def by_phase(acme, card):
    dearer = card | {"price": {"kind": "unit", "amount": "2.00"}}
    phases = [{"name": "First", "days": 15, "cards": {"special": {"price": card["price"]}}}]
    version = plan(dearer, phases=phases)
    return start(acme, version, starts_at=MAY + timedelta(hours=12), anchor_at=MAY)


def by_own_price(acme, card):
    subscription = start(acme, plan(card))
    fields = {"price": {"kind": "unit", "amount": "2.00"}}
    changes.override(subscription=subscription, card="special", fields=fields, starts_at=MID_MAY, act=ANNA)
    return subscription


@pytest.mark.parametrize("cut", [by_plan_change, by_phase, by_own_price])
def test_each_part_of_a_cycle_is_measured_and_charged_by_itself_whatever_cuts_it(cut, card, acme, send):
    subscription = cut(acme, card)
    for day in ("2026-05-10T00:00", "2026-05-20T00:00"):  # the same in both parts: in the whole it would be one
        send.turns(acme, at(day), 1, size=1)
    (invoice,) = close(subscription, JUNE)
    assert lines(invoice) == [("Special", "1.00"), ("Special", "2.00")]
    assert [first for first, _ in spans(invoice)] == ["05-01", "05-16"]


def test_a_capacity_price_counts_each_part_for_its_time(acme, send):
    peak = {"key": "peak", "name": "Peak", "unit": "decision", "meter": "decision-peak"}
    price = {"kind": "capacity", "price": {"kind": "unit", "amount": "31.00"}}
    subscription = start(acme, plan(peak | {"price": price}))
    fields = {"price": {"kind": "capacity", "price": {"kind": "unit", "amount": "62.00"}}}
    changes.override(subscription=subscription, card="peak", fields=fields, starts_at=MID_MAY, act=ANNA)
    for day in ("2026-05-10T00:00", "2026-05-20T00:00"):
        send.decisions(acme, at(day), 2)
    (invoice,) = close(subscription, JUNE)
    assert lines(invoice) == [("Peak", "31.00"), ("Peak", "62.00")]  # 2 x 31.00 and 2 x 62.00, each for half of May
