"""Lists come a page at a time, newest first, with a cursor."""

import pytest
import stripe

from tests.stripe_sandbox.scene import add_customer, add_draft, add_open


@pytest.fixture
def customers(client, clock):
    """Five customers a minute apart, newest first."""
    made: list[stripe.Customer] = []
    for _ in range(5):
        clock.now += 60
        made.insert(0, add_customer(client))
    return made


def ids(page):
    return [one.id for one in page.data]


def test_a_page_begins_after_its_cursor_and_says_whether_more_follow(client, customers):
    everyone = [customer.id for customer in customers]
    first = client.v1.customers.list({"limit": 2})
    assert (ids(first), first.has_more) == (everyone[:2], True)
    second = client.v1.customers.list({"limit": 2, "starting_after": everyone[1]})
    assert (ids(second), second.has_more) == (everyone[2:4], True)
    last = client.v1.customers.list({"limit": 2, "starting_after": everyone[3]})
    assert (ids(last), last.has_more) == (everyone[4:], False)


def test_a_page_can_end_before_its_cursor(client, customers):
    everyone = [customer.id for customer in customers]
    page = client.v1.customers.list({"limit": 2, "ending_before": everyone[3]})
    assert (ids(page), page.has_more) == (everyone[1:3], True)


def test_automatic_paging_meets_everyone_once(client, customers):
    met = [one.id for one in client.v1.customers.list({"limit": 2}).auto_paging_iter()]
    assert met == [customer.id for customer in customers]


def test_creation_bounds_are_exact(client, customers):
    middle = customers[2].created
    assert len(client.v1.customers.list({"created": {"gte": middle}}).data) == 3
    assert len(client.v1.customers.list({"created": {"gt": middle}}).data) == 2
    assert len(client.v1.customers.list({"created": {"lt": middle, "gte": customers[4].created}}).data) == 2
    assert ids(client.v1.customers.list({"created": middle})) == [customers[2].id]


@pytest.mark.parametrize("limit", [0, 101, -1])
def test_a_limit_lies_between_1_and_100(client, limit):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.list({"limit": limit})
    assert caught.value.param == "limit"


def test_a_cursor_must_exist_and_be_the_only_one(client, customers):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.list({"starting_after": "cus_nowhere"})
    assert (caught.value.code, caught.value.param) == ("resource_missing", "starting_after")
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.list({"starting_after": customers[0].id, "ending_before": customers[1].id})


def test_invoices_are_found_by_customer_status_and_due_date(client):
    acme, rival = add_customer(client), add_customer(client)
    draft, opened = add_draft(client, acme, 100), add_open(client, acme, 100)
    theirs = add_open(client, rival, 100, collection_method="send_invoice", days_until_due=10)
    assert ids(client.v1.invoices.list({"customer": acme.id})) == [opened.id, draft.id]
    assert ids(client.v1.invoices.list({"customer": acme.id, "status": "draft"})) == [draft.id]
    assert ids(client.v1.invoices.list({"status": "open"})) == [theirs.id, opened.id]
    assert ids(client.v1.invoices.list({"collection_method": "send_invoice"})) == [theirs.id]
    assert ids(client.v1.invoices.list({"due_date": {"lte": theirs.due_date}})) == [theirs.id]


def test_an_invoice_shows_ten_lines_and_lists_all_in_order(client):
    draft = add_draft(client, add_customer(client), *range(100, 125))
    assert len(draft.lines.data) == 10
    assert draft.lines.has_more
    met = client.v1.invoices.line_items.list(draft.id, {"limit": 7}).auto_paging_iter()
    assert [line.amount for line in met] == list(range(100, 125))
