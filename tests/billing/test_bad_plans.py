"""Plans that cannot be sold: each way in names the field that is wrong, and nothing of the plan is stored."""

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from billing import catalog
from billing.errors import BillingError
from billing.models import Plan, PlanVersion, RateCard
from config.errors import problem
from tests.billing.conftest import MAY

FEE = {"key": "base", "name": "Base", "unit": "month", "price": {"kind": "flat", "amount": "49"}}
TIERS = [{"above": "0", "up_to": "10", "unit": "2"}, {"above": "10", "up_to": "inf", "unit": "1"}]


def document(*, meter: str = "turns", price: Any = None, tiers: Any = None, **plan: Any) -> dict[str, Any]:
    """A sound plan, but for what is said."""
    shown = price or {"kind": "graduated", "tiers": tiers or TIERS}
    card = {"key": "turns", "name": "Turns", "unit": "turn", "meter": meter, "price": shown}
    return {"plan": "bad", "name": "Bad", "version": 1, "currency": "EUR", "rate_cards": [FEE, card]} | plan


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in document().items() if key != name}


def in_two_currencies() -> dict[str, Any]:
    base = {name: value for name, value in FEE.items() if name != "price"} | {"prices": {"EUR": FEE["price"]}}
    return without("currency") | {"currencies": ["EUR", "USD"], "rate_cards": [base]}


PRICE = "rate_cards[1].price"
BAD = {
    "a negative tier": (document(tiers=[TIERS[0] | {"unit": "-2"}, TIERS[1]]), f"{PRICE}.tiers[0].unit"),
    "a negative amount of a tier": (document(tiers=[TIERS[0] | {"flat": "-1"}, TIERS[1]]), f"{PRICE}.tiers[0].flat"),
    "a gap": (document(tiers=[TIERS[0], TIERS[1] | {"above": "11"}]), f"{PRICE}.tiers[1].above"),
    "an overlap": (document(tiers=[TIERS[0], TIERS[1] | {"above": "9"}]), f"{PRICE}.tiers[1].above"),
    "bounds that fall": (
        document(tiers=[TIERS[0], {"up_to": "5", "unit": "1"}, {"up_to": "inf", "unit": "1"}]),
        f"{PRICE}.tiers[1].up_to",
    ),
    "no last tier": (document(tiers=TIERS[:1]), f"{PRICE}.tiers[0].up_to"),
    "an unknown meter": (document(meter="miles"), "rate_cards[1].meter"),
    "no currency": (without("currency"), "currency"),
    "a currency without a price": (in_two_currencies(), "rate_cards[0].prices.USD"),
    "13 decimals": (document(price={"kind": "unit", "amount": "0.0000000000001"}), f"{PRICE}.amount"),
    "13 decimals in a tier": (
        document(tiers=[TIERS[0] | {"unit": "0.0000000000001"}, TIERS[1]]),
        f"{PRICE}.tiers[0].unit",
    ),
    "a tier bound as text": (document(tiers=[{"up_to": "ten", "unit": "2"}, TIERS[1]]), f"{PRICE}.tiers[0].up_to"),
    "a tier bound with a thousands mark": (
        document(tiers=[{"up_to": "1,000", "unit": "2"}, {"up_to": "inf", "unit": "1"}]),
        f"{PRICE}.tiers[0].up_to",
    ),
    "a tier bound that lost digits": (
        document(tiers=[{"up_to": 10.1, "unit": "2"}, {"up_to": "inf", "unit": "1"}]),
        f"{PRICE}.tiers[0].up_to",
    ),
}


@pytest.fixture(params=BAD)
def bad(request, db):
    return BAD[request.param]


def test_the_document_itself_is_sound(db):
    assert catalog.import_plan(document=document(), now=MAY).rate_cards.count() == 2


def test_the_field_is_named_and_nothing_is_stored(bad):
    wrong, field = bad
    with pytest.raises(BillingError) as caught:
        catalog.import_plan(document=wrong, now=MAY)
    assert str(caught.value).startswith(f"{field}: ")
    assert [model for model in (Plan, PlanVersion, RateCard) if model.objects.exists()] == []


def test_over_http_it_is_a_pointer(bad):
    wrong, field = bad
    with pytest.raises(BillingError) as caught:
        catalog.import_plan(document=wrong, now=MAY)
    answer = problem(caught.value)
    pointer = "/" + field.replace("[", "/").replace("]", "").replace(".", "/")
    assert (answer.status_code, json.loads(answer.content)["errors"][0]["pointer"]) == (422, pointer)


def test_a_plan_that_was_there_stays_as_it_was(bad):
    wrong, _ = bad
    before = catalog.document_of(catalog.import_plan(document=document(), now=MAY))
    with pytest.raises(BillingError):
        catalog.import_plan(document=wrong, now=MAY)
    assert catalog.document_of(PlanVersion.objects.get()) == before


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ('price = { kind = "unit", amount = "0.0000000000001" }', "price.amount"),
        ('price = { kind = "graduated", tiers = [{ up_to = "ten", unit = "1" }] }', r"tiers\[0\].up_to"),
        ('price = { kind = "unit", amount = "1" }\nmeter = "miles"', "meter"),
    ],
)
def test_the_command_names_file_and_field_and_stores_nothing(db, tmp_path, line, field):
    path = tmp_path / "bad.toml"
    head = 'plan = "bad"\nname = "Bad"\nversion = 1\ncurrency = "EUR"\n'
    path.write_text(f'{head}[[rate_cards]]\nkey = "a"\nname = "A"\nunit = "u"\n{line}\n')
    with pytest.raises(CommandError, match=rf"bad\.toml: rate_cards\[0\].*{field}: "):
        call_command("import_plan", path)
    assert not Plan.objects.exists()
