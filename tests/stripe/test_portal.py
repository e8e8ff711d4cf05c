"""POST /v1/billing-portal-session: for whom, back to where, and never kept."""

import pytest

from agents.models.keys import Scope
from tests import factories

PATH = "/v1/billing-portal-session"


@pytest.fixture
def post(client, stripe):
    def send(owner, scopes=tuple(Scope), **body):
        headers = {"Authorization": f"Bearer {factories.api_key(owner, scopes=scopes)}", "Idempotency-Key": "once"}
        return client.post(PATH, body, content_type="application/json", headers=headers)

    return send


def test_each_click_opens_a_session_of_its_own_even_under_one_idempotency_key(post, collected):
    answers = [post(collected.customer) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["url"] for answer in answers}) == 2
    assert answers[0]["Cache-Control"] == "no-store"


def test_a_customer_that_stripe_does_not_know_yet_is_told_so(post, rival):
    assert post(rival).status_code == 409


def test_the_scope_is_needed_and_the_page_leads_back_here_only(post, collected):
    assert post(collected.customer, scopes=[Scope.INVOICES_READ]).status_code == 403
    answer = post(collected.customer, return_url="https://elsewhere.example/")
    assert answer.status_code == 400
    assert "return_url" in answer.json()["detail"]
