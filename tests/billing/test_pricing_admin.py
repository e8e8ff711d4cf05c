"""The pricing desk in the admin: draft, worked examples, copies, back-test, publication by two, history, rights."""

import html
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from billing import approvals, catalog, closing, tasks
from billing.admin.pricing.entries import match_of, nest, text_of_match
from billing.models import Plan, PlanVersion, Rehearsal
from tests.billing.conftest import JUNE, MAY
from tests.billing.test_simulate import offer

TIERS = "rate_cards[0].prices.EUR.tiers"


@pytest.fixture
def sign_in(db, client):
    def signed(name="ada", *rights):
        user = User.objects.create_user(name, is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=rights or RIGHTS))
        client.force_login(user)
        return user

    return signed


RIGHTS = ("add_planversion", "change_planversion", "view_planversion")


@pytest.fixture
def ada(sign_in):
    return sign_in()


@pytest.fixture
def draft(db):
    return catalog.import_plan(document=offer("next", turn="0.05", base="3.00"), now=MAY)


def at(name, *args):
    return reverse(f"admin:billing_planversion_{name}", args=args)


def form(**fields):
    """The entries of a form with one metered rate card by volume."""
    entries = {
        "plan": "yard",
        "name": "Yard",
        "currencies": "EUR",
        "interval": "month",
        "rate_cards[0].key": "turns",
        "rate_cards[0].name": "Turns",
        "rate_cards[0].unit": "turn",
        "rate_cards[0].meter": "turns",
        "rate_cards[0].rounding": "none",
        "rate_cards[0].billed": "arrears",
        "rate_cards[0].prices.EUR.kind": "volume",
        f"{TIERS}[0].up_to": "100",
        f"{TIERS}[0].unit": "0.10",
        f"{TIERS}[1].above": "100",
        f"{TIERS}[1].unit": "0.08",
    }
    return entries | fields | {"action": fields.get("action", "save")}


def entries_of(page):
    """Every input of a page with its value, as a browser would send it."""
    found = dict(re.findall(r'<input id="[^"]*" name="([^"]*)" value="([^"]*)"', page))
    found |= dict(re.findall(r'<input aria-label="[^"]*" id="[^"]*" name="([^"]*)" value="([^"]*)"', page))
    for name, options in re.findall(r'<select id="[^"]*" name="([^"]*)".*?>(.*?)</select>', page, re.DOTALL):
        found[name] = next(iter(re.findall(r'<option value="([^"]*)" selected', options)), "")
    found |= dict(re.findall(r'<textarea id="[^"]*" name="([^"]*)"[^>]*>(.*?)</textarea>', page, re.DOTALL))
    found |= dict.fromkeys(re.findall(r'name="([^"]*)" value="on" checked', page), "on")
    return found | dict(re.findall(r'name="(seen)" value="([^"]*)"', page))


def test_a_version_is_drafted_from_an_empty_form(client, ada):
    assert "New version" in client.get(at("new")).content.decode()
    answer = client.post(at("new"), form())
    version = PlanVersion.objects.get()
    assert answer.url == at("draft", version.pk)
    assert (version.status, version.plan.key, version.number) == ("draft", "yard", 1)
    assert version.rate_cards.get().prices["EUR"]["tiers"][1]["unit"] == "0.08"


def test_a_fixed_fee_is_drafted_with_what_the_form_has_by_default(client, ada):
    fixed = {"rate_cards[0].meter": "", "rate_cards[0].prices.EUR.kind": "flat", "rate_cards[0].prices.EUR.amount": "9"}
    assert client.post(at("new"), form(**fixed)).status_code == 302
    assert PlanVersion.objects.get().rate_cards.get().prices == {"EUR": {"kind": "flat", "amount": "9"}}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({f"{TIERS}[1].above": "120"}, "tier 2, above: leaves a gap after 100"),
        ({f"{TIERS}[1].above": "90"}, "tier 2, above: overlaps the tier up to 100"),
        ({f"{TIERS}[1].unit": "-1"}, "tier 2, unit: "),
        ({f"{TIERS}[0].unit": "0.1234567890123"}, "tier 1, unit: "),
        ({f"{TIERS}[0].up_to": ""}, "tier 1, up_to: only the last tier is without end"),
        ({"rate_cards[0].prices.EUR.kind": ""}, "Rate card 1, prices, EUR, kind"),
        ({"rate_cards[0].filters": "agent"}, "Rate card 1, filters"),
        ({"rate_cards[0].meter": "dreams"}, "Rate card 1, meter: &#x27;dreams&#x27; is not one of"),
        ({"currencies": "EUR, XXX"}, "Currencies: &#x27;XXX&#x27; is not one of"),
        ({"currencies": "EUR, USD"}, "Rate card 1, prices, USD: is missing"),
        ({"further": "discounts = 1 ="}, "Further: "),
        ({"further": "rate_cards = []"}, "Further: rate_cards has no place here"),
    ],
)
def test_what_is_wrong_is_named_with_its_row_and_nothing_is_stored(client, ada, fields, message):
    page = client.post(at("new"), form(**fields)).content.decode()
    assert "Not saved." in page
    assert message in page
    assert not Plan.objects.exists()
    assert 'value="Yard"' in page, "what was written is still there"


def test_the_wrong_cell_itself_is_marked(client, ada):
    page = client.post(at("new"), form(**{f"{TIERS}[1].above": "120"})).content.decode()
    assert re.search(
        r'name="rate_cards\[0\]\.prices\.EUR\.tiers\[1\]\.above" value="120"[^>]*aria-invalid="true"', page
    )
    assert "Row 2: leaves a gap after 100" in page


def test_a_draft_comes_back_into_its_form_and_saving_it_changes_nothing(client, ada):
    document = offer("full", turn="0.05", base="3.00")
    document["minimum"] = "10.00"
    document["discounts"] = [{"key": "partner", "name": 'The "best"', "percent": "10"}]
    document["pools"] = [{"key": "units", "name": "units", "allowance": "5", "cards": ["turns"]}]
    document["phases"] = [
        {"name": "first", "months": 1, "cards": {"turns": {"price": {"kind": "unit", "amount": "0.01"}}}}
    ]
    document["rate_cards"][0]["prorated"] = False
    document["rate_cards"][1] |= {
        "filters": {"agent": ["a", "b"]},
        "zero_rates": [{"key": "z", "name": "free ones", "filters": {"device": ["x"]}}],
        "divide_by": "10",
        "rounding": "up",
        "allowance": "2",
        "rollover": "1",
        "price": {
            "kind": "matrix",
            "rows": [{"match": {"agent": ["a"]}, "price": {"kind": "package", "size": "5", "amount": "1"}}],
            "default": {
                "kind": "graduated",
                "tiers": [{"up_to": "10", "unit": "1"}, {"up_to": "inf", "unit": "0.5", "flat": "2"}],
            },
        },
    }
    version = catalog.import_plan(document=document, now=MAY)
    before = approvals.digest_of(PlanVersion.objects.get())
    entries = entries_of(client.get(at("draft", version.pk)).content.decode())
    answer = client.post(
        at("draft", version.pk), {name: html.unescape(value) for name, value in entries.items()} | {"action": "save"}
    )
    assert answer.status_code == 302, answer.content.decode()
    assert approvals.digest_of(PlanVersion.objects.get()) == before


def test_two_who_edit_one_draft_do_not_overwrite_each_other(client, ada, draft):
    entries = entries_of(client.get(at("draft", draft.pk)).content.decode())
    catalog.import_plan(document=offer("next", turn="0.04", base="3.00"), now=MAY)
    page = client.post(at("draft", draft.pk), entries | {"action": "save", "name": "Mine"}).content.decode()
    assert "Somebody saved this draft meanwhile" in page
    assert Plan.objects.get().name == "Next"


def test_rows_come_and_go_without_scripts(client, ada):
    page = client.post(at("new"), form(action=f"add:{TIERS}")).content.decode()
    assert f'name="{TIERS}[2].unit"' in page
    page = client.post(at("new"), form(action=f"remove:{TIERS}[0]")).content.decode()
    assert f'name="{TIERS}[0].unit" value="0.08"' in page
    assert f'name="{TIERS}[1].unit"' not in page
    page = client.post(at("new"), form(action="add:rate_cards")).content.decode()
    assert 'name="rate_cards[1].key"' in page
    assert not Plan.objects.exists()


def test_another_kind_of_price_has_other_inputs(client, ada):
    page = client.post(at("new"), form(action="show", **{"rate_cards[0].prices.EUR.kind": "package"})).content.decode()
    assert 'name="rate_cards[0].prices.EUR.size"' in page
    assert f'name="{TIERS}[0].unit"' not in page


def test_the_worked_example_shows_three_quantities_and_where_the_total_falls(client, ada):
    page = client.post(at("example", 0), form(**{"rate_cards[0].quantities": "50, 100, 101"})).content.decode()
    for amount in ("5.00 EUR", "10.00 EUR", "8.08 EUR"):
        assert amount in page
    assert "101 at 0.08 = 8.08" in page
    assert "Tier 2: the total falls from 10 at 100 units to 8 just above" in page


def test_the_worked_example_says_what_is_missing(client, ada):
    page = client.post(at("example", 0), form(**{f"{TIERS}[0].unit": ""})).content.decode()
    assert "No example in EUR yet. Rate card 1, prices, EUR, tier 1, unit: is missing" in page
    assert "No example" in client.post(at("example", 7), form()).content.decode()
    assert "No example" in client.post(at("example", 0), form(**{"rate_cards[0].quantities": "many"})).content.decode()


def test_a_version_is_copied_as_the_draft_of_the_next(client, ada, draft):
    catalog.publish(version=draft, now=MAY)
    entries = entries_of(client.get(at("new"), {"copy": draft.pk}).content.decode())
    client.post(at("new"), entries | {"action": "save"})
    assert [(one.number, one.status) for one in PlanVersion.objects.order_by("number")] == [
        (1, "published"),
        (2, "draft"),
    ]


def test_a_published_version_has_no_form(client, ada, draft):
    catalog.publish(version=draft, now=MAY)
    assert client.get(at("draft", draft.pk)).url == at("change", draft.pk)


def test_a_draft_is_proposed_by_one_and_published_by_another(client, sign_in, draft):
    sign_in("ada")
    page = client.post(at("publish", draft.pk), {"action": "propose", "text": "It is time."}, follow=True)
    assert "Proposed by ada" in page.content.decode()
    assert "Approve and publish" not in page.content.decode()
    page = client.post(at("publish", draft.pk), {"action": "approve", "text": ""}, follow=True)
    assert "A second person approves" in page.content.decode()
    sign_in("grace")
    assert "Approve and publish" in client.get(at("publish", draft.pk)).content.decode()
    page = client.post(at("publish", draft.pk), {"action": "approve", "text": "Yes."}, follow=True)
    assert "is published, since" in page.content.decode()
    assert PlanVersion.objects.get().status == "published"


def test_a_proposal_is_turned_down_or_withdrawn(client, sign_in, draft):
    sign_in("ada")
    client.post(at("publish", draft.pk), {"action": "propose", "text": "It is time."})
    assert "Withdrawn." in client.post(at("publish", draft.pk), {"action": "withdraw"}, follow=True).content.decode()
    client.post(at("publish", draft.pk), {"action": "propose", "text": "Now."})
    sign_in("grace")
    page = client.post(at("publish", draft.pk), {"action": "refuse", "text": "Too cheap."}, follow=True)
    assert "Too cheap." in page.content.decode()
    page = client.post(at("publish", draft.pk), {"action": "approve"}, follow=True)
    assert "Nothing is proposed" in page.content.decode()
    assert "no such step" in client.post(at("publish", draft.pk), {"action": "sell"}, follow=True).content.decode()


def test_an_edit_in_the_admin_is_in_the_history_with_its_user(client, sign_in, committed):
    version = catalog.import_plan(document=offer("next", turn="0.05"), now=MAY)
    sign_in("ada")
    entries = entries_of(client.get(at("draft", version.pk)).content.decode())
    client.post(at("draft", version.pk), entries | {"rate_cards[0].prices.EUR.amount": "0.07", "action": "save"})
    page = client.get(at("edits", version.pk)).content.decode()
    assert "UTC, ada" in page
    assert page.index("0.07") < page.index("by a command")


def test_a_back_test_is_asked_for_watched_and_read(
    client, ada, draft, acme, subscribe, send, monkeypatch, django_capture_on_commit_callbacks
):
    subscribe(acme)
    send.turns(acme, MAY, 10)
    send.fold(JUNE)
    assert closing.close_due(now=JUNE + timedelta(hours=2)).invoices
    asked: list[int] = []
    monkeypatch.setattr("billing.tasks.rehearse.delay", asked.append)
    assert "Nobody has tried this version yet" in client.get(at("rehearse", draft.pk)).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        client.post(at("rehearse", draft.pk), {"periods": "3"})
    rehearsal = Rehearsal.objects.get()
    assert asked == [rehearsal.pk]
    assert (rehearsal.periods, rehearsal.requested_by) == (3, ada)
    assert "Running" in client.get(at("rehearse", draft.pk)).content.decode()

    tasks.rehearse(rehearsal.pk)
    page = client.get(at("rehearse", draft.pk)).content.decode()
    assert "0.20 EUR" in page  # 10 turns at 0.02
    assert "3.50 EUR" in page  # 3.00 and 10 turns at 0.05
    assert "Would pay more" in page
    assert '"customers": [0, 0' in page
    assert "edited after this back-test" not in page


def test_a_back_test_that_failed_says_so(client, ada, draft):
    Rehearsal.objects.create(version=draft, digest="x", periods=1, requested_at=MAY, state="failed", error="No disk.")
    assert "The back-test failed. No disk." in client.get(at("rehearse", draft.pk)).content.decode()


@pytest.mark.parametrize("page", ["new", "draft", "rehearse", "publish"])
def test_who_may_only_look_cannot_draft_rehearse_or_publish(client, sign_in, draft, page):
    sign_in("eve", "view_planversion")
    assert client.get(at(page, *([] if page == "new" else [draft.pk]))).status_code == 403
    assert client.get(at("edits", draft.pk)).status_code == 200


def test_who_is_no_member_of_the_staff_sees_nothing(client, draft):
    for page in ("draft", "rehearse", "publish", "edits"):
        assert client.get(at(page, draft.pk)).status_code == 302


def test_the_buttons_of_a_version_lead_to_the_desk(client, ada, draft):
    page = client.get(at("change", draft.pk)).content.decode()
    for name in ("Edit the draft", "Copy as a draft", "Back-test", "Publish", "What changed"):
        assert name in page
    for action in re.findall(r'href="([^"]*/(?:edit|copy|see)-[^"]*)"', page):
        assert client.get(action).status_code == 302
    assert "New version" in client.get(at("changelist")).content.decode()


@pytest.mark.parametrize("name", ["a..b", "a[1", "[0]", "a[99999].b", "a b", ""])
def test_an_entry_that_no_form_has_is_refused(client, ada, name):
    assert client.post(at("new"), form() | {f"{name}x[": "1"}).status_code == 400


def test_a_form_with_too_many_rows_is_refused(client, ada):
    assert client.post(at("new"), form(**{f"{TIERS}[{at}].unit": "1" for at in range(300)})).status_code == 400


def test_entries_nest_and_rows_close_up():
    assert nest({"a[3].b": "x", "a[1].b": "y", "c.d": "z"}) == {"a": [{"b": "y"}, {"b": "x"}], "c": {"d": "z"}}


def test_dimensions_are_written_and_read_alike():
    match = {"hardware_class": ["gpu", "npu"], "agent": ["a"]}
    assert match_of(text_of_match(match)) == match
    with pytest.raises(ValueError, match="dimension = value"):
        match_of("gpu")
