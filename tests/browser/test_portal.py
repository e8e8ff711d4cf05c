"""A customer's way through the portal, as a person takes it."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

WINDOWS = [
    pytest.param({"width": 320, "height": 640, "scheme": "dark"}, id="phone-dark"),
    pytest.param({"width": 320, "height": 640, "scheme": "light"}, id="phone-light"),
    pytest.param({"width": 1280, "height": 900, "scheme": "light"}, id="desk-light"),
    pytest.param({"width": 1280, "height": 900, "scheme": "dark"}, id="desk-dark"),
]


@pytest.mark.parametrize("window", WINDOWS)
def test_a_customer_signs_in_sees_spend_explores_usage_and_opens_an_invoice(acme, open_page, window):
    visit = open_page(**window)
    page = visit.page
    page.goto("/portal/")
    visit.check("sign-in")

    visit.sign_in()
    assert "€" in page.get_by_role("region", name="Spend by unit").inner_text()
    visit.check("overview")

    page.get_by_role("link", name="Turns").click()
    page.locator(".chart canvas").wait_for()
    visit.check("usage")

    page.get_by_label("Split by").select_option("agent")
    page.locator(".legend li").nth(2).wait_for()
    assert "split=agent" in page.url
    page.get_by_text("Show as a table").click()
    visit.check("usage-split")

    page.get_by_label("Meter").select_option("seats")
    page.get_by_text("Seats cannot be split by agent").wait_for()
    visit.check("usage-seats")
    page.go_back()
    page.locator(".legend li").nth(2).wait_for()

    page.get_by_role("link", name="Invoices", exact=True).click()
    visit.check("invoices")
    page.get_by_role("link", name=acme.number, exact=True).click()
    page.get_by_role("heading", name=f"Invoice {acme.number}").wait_for()
    assert page.get_by_role("link", name="Pay €").get_attribute("href") == acme.stripe.hosted_url
    visit.check("invoice")


def test_the_chart_is_painted_and_says_the_values_under_the_pointer(acme, open_page):
    visit = open_page()
    visit.sign_in()
    visit.page.goto("/portal/usage/?meter=turns&window=hour")
    canvas = visit.page.locator(".chart canvas")
    canvas.wait_for()
    painted = """canvas => {
        const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return data.some((byte) => byte > 0);
    }"""
    assert canvas.evaluate(painted)
    visit.page.locator(".chart .u-over").hover()
    assert "Turns" in visit.page.locator(".readout").inner_text()


def test_the_usage_page_works_without_scripts(acme, open_page):
    visit = open_page(java_script_enabled=False)
    visit.sign_in()
    page = visit.page
    page.goto("/portal/usage/")
    page.get_by_label("Meter").select_option("seats")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("heading", name="Seats").wait_for()
    page.get_by_text("Show as a table").click()
    assert page.get_by_role("rowheader", name="Whole time").is_visible()


def test_the_keyboard_reaches_the_content_first_and_then_everything(acme, open_page):
    visit = open_page()
    visit.sign_in()
    page = visit.page
    page.keyboard.press("Tab")
    focused = "document.activeElement.textContent.trim()"
    assert page.evaluate(focused) == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "Cheapest plan for your usage"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-labelledby')") == "spend-title"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "Turns"


def test_a_person_switches_to_another_customer_with_nothing_to_show(acme, open_page):
    visit = open_page(width=320, height=640, scheme="dark")
    visit.sign_in()
    page = visit.page
    page.get_by_label("Customer").select_option("rival")
    page.get_by_role("button", name="Switch").click()
    page.get_by_text("Rival Freight is on no plan").wait_for()
    visit.check("overview-empty")
    page.get_by_role("link", name="See usage").click()
    page.get_by_role("heading", name="Nothing was used").wait_for()
    visit.check("usage-empty")
    page.get_by_role("link", name="Invoices", exact=True).click()
    page.get_by_role("heading", name="No invoice yet").wait_for()
    visit.check("invoices-empty")
