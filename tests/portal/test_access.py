"""Who sees what: members their customer, nobody else anything."""

import pytest
from django.urls import reverse

from agents.models.customers import Role
from tests.portal import stage
from tests.portal.stage import utc

PAGES = ["overview", "usage", "invoices", "plans", "usage-csv"]


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_is_asked_to_sign_in_and_brought_back(db, client, page):
    response = client.get(reverse(f"portal:{page}"))
    assert response.status_code == 302
    assert response["Location"] == f"{reverse('portal:login')}?next={reverse(f'portal:{page}')}"


def test_a_part_of_a_page_asked_for_after_the_session_ended_leads_to_the_sign_in_page(db, client):
    response = client.get(reverse("portal:usage"), headers={"HX-Request": "true"})
    assert response["HX-Redirect"].startswith(reverse("portal:login"))


def test_signing_in_leads_to_the_overview_and_signing_out_back(client, acme):
    stage.person("olga", acme, password=stage.PASSWORD)
    page = client.get(reverse("portal:login"))
    assert "Sign in" in page.content.decode()
    answer = client.post(reverse("portal:login"), {"username": "olga", "password": stage.PASSWORD})
    assert answer["Location"] == reverse("portal:overview")
    assert client.post(reverse("portal:logout"))["Location"] == reverse("portal:login")
    assert client.get(reverse("portal:overview")).status_code == 302


def test_a_wrong_password_is_refused_with_words(client, owner):
    page = client.post(reverse("portal:login"), {"username": "olga", "password": "wrong"})
    assert "Please enter a correct username and password" in page.content.decode()


@pytest.mark.parametrize("page", PAGES)
def test_a_user_without_a_customer_is_told_so(db, client, page):
    client.force_login(stage.person("nobody"))
    response = client.get(reverse(f"portal:{page}"))
    assert response.status_code == 403
    assert "belong to no customer" in response.content.decode()


def test_a_member_of_one_customer_has_nothing_to_switch_to(portal):
    text = portal.text("overview")
    assert "Acme Harbour" in text
    assert "Switch" not in text


def test_a_member_of_two_customers_switches_between_them(client, acme, rival):
    client.force_login(stage.person("max", acme, rival))
    assert "Acme Harbour is on no plan" in client.get(reverse("portal:overview")).content.decode()
    client.post(reverse("portal:switch"), {"customer": "rival"})
    assert "Rival Freight is on no plan" in client.get(reverse("portal:overview")).content.decode()


def test_nobody_switches_to_a_customer_of_others(portal, rival):
    answer = portal.client.post(reverse("portal:switch"), {"customer": "rival"}, follow=True)
    assert "You are not a member of that customer." in answer.content.decode()
    assert "Rival Freight" not in answer.content.decode()


def test_a_lost_membership_ends_what_the_session_remembers(client, acme, rival):
    user = stage.person("max", acme, rival)
    client.force_login(user)
    client.post(reverse("portal:switch"), {"customer": "rival"})
    user.memberships.filter(customer=rival).delete()
    text = client.get(reverse("portal:overview")).content.decode()
    assert "Acme Harbour" in text
    assert "Rival Freight" not in text


def test_an_invoice_of_another_customer_does_not_exist(portal, rival):
    stage.subscribe(rival, starts_at=utc(2026, 10, 1))
    bill = stage.invoice(rival, now=utc(2026, 11, 1, 3))
    assert bill.number
    portal.get("invoice", bill.number, status=404)
    portal.get("invoice-csv", bill.number, status=404)
    assert bill.number not in portal.text("invoices")
    assert bill.number not in portal.text("overview")


def test_usage_of_another_customer_is_not_counted(portal, rival):
    stage.Work(rival).turns(utc(2026, 11, 10), agent="rivals-agent")
    stage.count(utc(2026, 11, 11))
    query = "?meter=turns&split=agent"
    assert "Nothing was used" in portal.text("usage", query=query)
    assert "rivals-agent" not in portal.text("usage-csv", query=query)


@pytest.mark.parametrize(("role", "is_offered"), [(Role.OWNER, True), (Role.BILLING, True), (Role.READER, False)])
def test_only_owners_and_billing_members_are_offered_to_pay(client, acme, role, is_offered):
    client.force_login(stage.person("pat", acme, role=role))
    stage.subscribe(acme, starts_at=utc(2026, 10, 1))
    bill = stage.invoice(acme, now=utc(2026, 11, 1, 3))
    stage.offer_payment(bill)
    text = client.get(reverse("portal:invoice", args=[bill.number])).content.decode()
    assert ("https://invoice.stripe.example/i/1" in text) == is_offered
    assert ("An owner or a billing member" in text) == (not is_offered)


def test_pages_run_only_our_own_files_and_are_not_kept(portal):
    response = portal.get("overview")
    assert "script-src 'self'" in response["Content-Security-Policy"]
    assert "unsafe" not in response["Content-Security-Policy"]
    assert response["Cache-Control"] == "private, no-store"
    assert response["X-Frame-Options"] == "DENY"


def test_pages_have_no_inline_styles_or_scripts(portal, acme):
    stage.subscribe(acme, starts_at=utc(2026, 10, 31, 23))
    stage.Work(acme).turns(utc(2026, 11, 10), utc(2026, 11, 11))
    stage.count(utc(2026, 11, 11))
    for page in ("overview", "usage", "invoices"):
        text = portal.text(page)
        assert " style=" not in text
        assert "<style" not in text
        assert "<script>" not in text
