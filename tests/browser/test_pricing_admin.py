"""A pricing admin's way from an empty form to a published version, as two people take it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from billing import tasks
from billing.models import PlanVersion, RateCard, Rehearsal
from tests import factories
from tests.portal import stage

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

MAY, JUNE = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def people(committed):
    return [User.objects.create_superuser(name, password=stage.PASSWORD) for name in ("ada", "grace")]


@pytest.fixture
def served(committed):
    """Acme with an invoice behind it, so that a back-test has something to say."""
    acme = factories.customer("acme", name="Acme Harbour", currency="EUR")
    stage.subscribe(acme, starts_at=MAY)
    stage.Work(acme).turns(*(MAY + timedelta(days=day) for day in range(10)))
    stage.count(JUNE)
    return stage.invoice(acme, now=JUNE + timedelta(hours=3))


def enter(visit, name):
    """Sign in by the portal's form: it works without scripts, and its session is the admin's, too."""
    page = visit.page
    page.goto(f"{reverse('portal:login')}?next={reverse('admin:index')}")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(stage.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/admin/")


def write(page):
    """Fill in a rate card by volume in an empty form."""
    page.goto("/admin/billing/planversion/draft/")
    page.get_by_label("Plan", exact=True).fill("quay")
    page.get_by_label("Name", exact=True).fill("Quay")
    page.get_by_label("Key", exact=True).fill("turns")
    page.get_by_label("Name on the invoice").first.fill("Turns")
    page.get_by_label("Unit", exact=True).fill("turn")
    page.get_by_label("Meter").select_option("turns")
    page.get_by_label("Price", exact=True).select_option("volume")
    page.get_by_role("button", name="Add a tier").click()
    page.get_by_label("Up to and including, row 1").fill("100")
    page.get_by_label("Each, row 1").fill("0.10")
    page.get_by_role("button", name="Add a tier").click()
    page.get_by_label("Each, row 2").fill("0.08")


def test_a_version_is_drafted_tried_proposed_and_published_by_two(people, served, open_page, monkeypatch):
    monkeypatch.setattr("billing.tasks.rehearse.delay", tasks.rehearse)
    visit = open_page()
    enter(visit, "ada")
    draft(visit)
    rehearse(visit)
    propose(visit)
    other = open_page()
    enter(other, "grace")
    other.page.goto(visit.page.url)
    approve(other)
    assert PlanVersion.objects.get(plan__key="quay").status == "published"


def draft(visit):
    page = visit.page
    write(page)
    page.get_by_label("Above, row 2").fill("120")
    page.get_by_role("button", name="Save the draft").click()
    page.get_by_text("Row 2: leaves a gap after 100").wait_for()
    assert "tier 2, above: leaves a gap after 100" in page.get_by_role("alert").inner_text()

    page.get_by_label("Above, row 2").fill("100")
    page.get_by_label("Quantities to try").fill("50, 100, 101")
    page.get_by_text("101 at 0.08 = 8.08").wait_for()
    page.get_by_text("Tier 2: the total falls from 10 at 100 units to 8 just above").wait_for()
    page.get_by_role("button", name="Save the draft").click()
    page.get_by_text("Version 1 of Quay is saved as a draft.").wait_for()
    visit.look("draft")
    assert RateCard.objects.get(version__plan__key="quay").prices["EUR"]["tiers"][0]["up_to"] == "100"


def rehearse(visit):
    page = visit.page
    page.get_by_role("link", name="Back-test").click()
    page.get_by_role("button", name="Run a back-test").click()
    page.locator(".bars canvas").wait_for()
    assert "Acme Harbour" in page.locator("#rehearsal").inner_text()
    assert Rehearsal.objects.get().state == "done"
    visit.look("rehearsal")


def propose(visit):
    page = visit.page
    page.get_by_role("link", name="Publication").click()
    page.get_by_label("Why").fill("The yards ask for it.")
    page.get_by_role("button", name="Propose for publication").click()
    page.get_by_text("A second person publishes what you proposed.").wait_for()


def approve(visit):
    page = visit.page
    page.get_by_role("button", name="Approve and publish").click()
    page.get_by_text("Version 1 is published").wait_for()
    visit.look("published")
    page.get_by_role("link", name="What changed").click()
    page.get_by_role("heading", name="UTC, grace").wait_for()
    visit.look("history")


def test_the_start_of_a_tier_follows_the_end_of_the_one_before(people, open_page):
    visit = open_page()
    page = visit.page
    enter(visit, "ada")
    write(page)
    page.get_by_label("Above, row 2").fill("100")
    page.get_by_label("Up to and including, row 1").fill("250")
    assert page.get_by_label("Above, row 2").input_value() == "250"
    page.get_by_label("Above, row 2").fill("7")
    page.get_by_label("Up to and including, row 1").fill("300")
    assert page.get_by_label("Above, row 2").input_value() == "7"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_form_fits_a_narrow_window(people, open_page, scheme):
    visit = open_page(width=390, height=800, scheme=scheme)
    enter(visit, "ada")
    write(visit.page)
    visit.look("draft-narrow")


def test_the_form_works_without_scripts(people, open_page):
    visit = open_page(java_script_enabled=False)
    page = visit.page
    enter(visit, "ada")
    page.goto("/admin/billing/planversion/draft/")
    page.get_by_label("Plan", exact=True).fill("quay")
    page.get_by_label("Name", exact=True).fill("Quay")
    page.get_by_label("Key", exact=True).fill("base")
    page.get_by_label("Name on the invoice").first.fill("Base fee")
    page.get_by_label("Unit", exact=True).fill("month")
    page.get_by_label("Price", exact=True).select_option("flat")
    page.get_by_role("button", name="Show", exact=True).last.click()
    page.get_by_label("Amount", exact=True).fill("49.00")
    page.get_by_role("button", name="Save the draft").click()
    page.get_by_text("1 at 49 = 49 (fixed amount)").wait_for()
    assert RateCard.objects.get().prices == {"EUR": {"kind": "flat", "amount": "49"}}
