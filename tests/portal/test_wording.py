"""How numbers and times are written for people."""

from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from billing.money import Money
from billing.portal.sheets import Cell, write_sheet
from billing.portal.trend import draw_trend
from billing.portal.wording import money_text, price_text, quantity_text, span_text

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("1234.5", "EUR", "€1,234.50"),
        ("0", "USD", "$0.00"),
        ("-1234567", "JPY", "−¥1,234,567"),
        ("0.01", "GBP", "£0.01"),
    ],
)
def test_money_has_the_digits_of_its_currency(amount, currency, text):
    assert money_text(Money(Decimal(amount), currency)) == text


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [("0.008", "EUR", "€0.008"), ("5", "EUR", "€5.00"), ("5", "JPY", "¥5"), ("1234.50", "USD", "$1,234.50")],
)
def test_a_price_keeps_every_digit(amount, currency, text):
    assert price_text(Decimal(amount), currency) == text


@pytest.mark.parametrize(
    ("quantity", "places", "text"),
    [
        (Decimal("1200.000"), 3, "1,200"),
        (Fraction(1, 3), 3, "0.333"),
        (Decimal("2.0005"), 3, "2.001"),
        (Decimal("0.0001"), 3, "< 0.001"),
        (Decimal("-1234.5"), 3, "−1,234.5"),
        (Decimal(0), 3, "0"),
        (Decimal("12345678901234567890123456.123456789012"), 12, "12,345,678,901,234,567,890,123,456.123456789012"),
    ],
)
def test_a_quantity_is_shortened_half_up_and_never_to_nothing(quantity, places, text):
    assert quantity_text(quantity, places=places) == text


@pytest.mark.parametrize(
    ("starts_at", "ends_at", "text"),
    [
        (datetime(2026, 11, 1, tzinfo=BERLIN), datetime(2026, 12, 1, tzinfo=BERLIN), "1 Nov 2026 to 30 Nov 2026"),
        (datetime(2026, 3, 29, tzinfo=BERLIN), datetime(2026, 3, 30, tzinfo=BERLIN), "29 Mar 2026"),
        (
            datetime(2026, 11, 1, 14, 5, tzinfo=BERLIN),
            datetime(2026, 12, 1, 14, 5, tzinfo=BERLIN),
            "1 Nov 2026, 14:05 to 1 Dec 2026, 14:05",
        ),
    ],
)
def test_a_span_of_whole_days_names_its_last_day(starts_at, ends_at, text):
    assert span_text(starts_at, ends_at, BERLIN) == text


def test_a_file_disarms_texts_that_a_spreadsheet_would_run_and_leaves_numbers_alone():
    rows: list[list[Cell]] = [["=1+1", Decimal("-20.00"), Decimal("1E+3"), -3, None, "a, b"]]
    response = write_sheet(name="file.csv", head=["one", "two"], rows=rows)
    assert response.content.decode() == 'one,two\r\n\'=1+1,-20.00,1000,-3,,"a, b"\r\n'


def test_a_trend_rises_with_the_quantity_and_is_told_in_words():
    trend = draw_trend(quantities=[Decimal(0), Decimal(5), Decimal(10)], name="Turns")
    assert trend
    assert trend.points == "0.0,26.0 52.0,14.0 104.0,2.0"
    assert trend.label == "Turns by day: from 0 to 10, latest 10"


@pytest.mark.parametrize("quantities", [[], [Decimal(5)], [Decimal(0), Decimal(0)]])
def test_one_day_or_no_usage_has_no_trend(quantities):
    assert draw_trend(quantities=quantities, name="Turns") is None
