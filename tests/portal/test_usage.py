"""The usage explorer: chart, table and file of one meter over time."""

import csv
import io
import json
import re
from datetime import timedelta

import pytest
import time_machine

from tests.portal import stage
from tests.portal.conftest import NOVEMBER, NOW
from tests.portal.stage import utc


@pytest.fixture
def work(acme):
    """Turns at 23:30 UTC on 9 November (10 November in Berlin) and twice on 12 November, by two agents."""
    work = stage.Work(acme)
    work.turns(utc(2026, 11, 9, 23, 30), utc(2026, 11, 12, 9))
    work.turns(utc(2026, 11, 12, 9, 30), agent="fork")
    stage.count(NOW)
    return work


def chart_of(text):
    found = re.search(r'<script id="usage-data" type="application/json">(.*?)</script>', text)
    assert found
    return json.loads(found[1])


def table_of(text):
    body = text.split("<tbody>")[1].split("</tbody>")[0]
    return [re.findall(r">([^<>]+)</t[hd]>", row) for row in body.split("</tr>") if "<tr>" in row]


def sheet_of(response):
    return list(csv.reader(io.StringIO(response.content.decode())))


def test_days_are_those_of_the_customers_zone(portal, work):
    text = portal.text("usage", query="?meter=turns&first=2026-11-09&last=2026-11-12")
    assert table_of(text) == [["9 Nov 2026", "0"], ["10 Nov 2026", "1"], ["11 Nov 2026", "0"], ["12 Nov 2026", "2"]]
    assert chart_of(text)["series"] == [{"label": "Turns", "quantities": ["0", "1", "0", "2"]}]
    assert chart_of(text)["zone"] == "Europe/Berlin"
    assert chart_of(text)["times"][0] == int(utc(2026, 11, 8, 23).timestamp())


def test_hours_show_every_hour_of_the_days(portal, work):
    text = portal.text("usage", query="?meter=turns&window=hour&first=2026-11-12&last=2026-11-12")
    rows = table_of(text)
    assert len(rows) == 24
    assert rows[10] == ["12 Nov 2026, 10:00", "2"]
    assert sum(int(quantity) for _, quantity in rows) == 2


def test_a_split_makes_a_series_of_each_value_largest_first(portal, work):
    work.turns(utc(2026, 11, 13, 9), agent="fork")
    stage.count(NOW)
    text = portal.text("usage", query="?meter=turns&split=agent&first=2026-11-12&last=2026-11-13")
    assert chart_of(text)["series"] == [
        {"label": "fork", "quantities": ["1", "1"]},
        {"label": "crane", "quantities": ["1", "0"]},
    ]
    assert "fork <b>2 turns</b>" in text
    assert "split by agent" in text


def test_more_than_six_series_are_said_to_be_in_the_file(portal, acme):
    work = stage.Work(acme)
    for number in range(8):
        work.turns(utc(2026, 11, 12, 9), agent=f"agent-{number}")
    stage.count(NOW)
    query = "?meter=turns&split=agent"
    text = portal.text("usage", query=query)
    assert len(chart_of(text)["series"]) == 6
    assert "2 more are in the file" in text
    assert len(sheet_of(portal.get("usage-csv", query=query))) == 1 + 8


def test_seats_show_the_number_held_on_average(portal, acme):
    work = stage.Work(acme)
    work.seat("one", NOVEMBER)
    work.seat("two", NOVEMBER + timedelta(days=1, hours=12))
    stage.count(NOW)
    text = portal.text("usage", query="?meter=seats&first=2026-11-01&last=2026-11-03")
    assert table_of(text) == [["1 Nov 2026", "1"], ["2 Nov 2026", "1.5"], ["3 Nov 2026", "2"]]
    assert "<b>1.5 seats on average</b>" in text
    assert "average number of seats" in text


def test_a_busiest_hour_is_not_added_up_over_days(portal, acme):
    work = stage.Work(acme)
    work.decisions(utc(2026, 11, 10, 9), utc(2026, 11, 10, 9, 30), utc(2026, 11, 11, 9))
    stage.count(NOW)
    text = portal.text("usage", query="?meter=decision-peak&first=2026-11-10&last=2026-11-11")
    assert table_of(text) == [["10 Nov 2026", "2"], ["11 Nov 2026", "1"]]
    assert "<b>2 decisions at the peak</b>" in text


def test_compute_is_exact_to_the_millisecond(portal, acme):
    stage.Work(acme).compute(utc(2026, 11, 10, 9), 1234)
    stage.count(NOW)
    rows = sheet_of(portal.get("usage-csv", query="?meter=compute-seconds&split=hardware_class"))
    assert rows == [
        ["starts_at", "ends_at", "meter", "hardware_class", "quantity", "unit"],
        ["2026-11-10T00:00:00+01:00", "2026-11-11T00:00:00+01:00", "compute-seconds", "cpu", "1.234", "second"],
    ]


def test_the_day_on_which_clocks_change_has_twenty_five_hours(portal, acme):
    stage.Work(acme).turns(utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 1, 30))  # 02:30 in Berlin, twice
    stage.count(NOW)
    rows = table_of(portal.text("usage", query="?meter=turns&window=hour&first=2026-10-25&last=2026-10-25"))
    assert len(rows) == 25
    assert [row for row in rows if row[1] == "1"] == [["25 Oct 2026, 02:00", "1"]] * 2


def test_without_a_question_this_period_is_shown_for_the_plans_first_meter(portal, work, acme):
    stage.subscribe(acme, starts_at=NOVEMBER)
    text = portal.text("usage")
    assert '<h2 id="usage-title">Turns</h2>' in text
    assert "1 Nov 2026 to 16 Nov 2026" in text


def test_without_a_plan_the_last_thirty_days_are_shown(portal, work):
    assert "18 Oct 2026 to 16 Nov 2026" in portal.text("usage")


def test_at_midnight_a_new_day_has_begun_and_nothing_is_used_in_it(portal, work):
    with time_machine.travel(utc(2026, 11, 16, 23), tick=False):
        assert "Nothing was used" in portal.text("usage", query="?meter=turns&first=2026-11-17&last=2026-11-17")


def test_no_usage_says_so_and_draws_nothing(portal):
    text = portal.text("usage", query="?meter=turns")
    assert "Nothing was used" in text
    assert "usage-data" not in text


def test_the_chart_is_told_in_words(portal, work):
    text = portal.text("usage", query="?meter=turns&first=2026-11-09&last=2026-11-12")
    assert 'role="img"' in text
    assert "Chart of Turns per day, 9 Nov 2026 to 12 Nov 2026. Turns: 3 turns." in text


def test_htmx_gets_the_changing_part_only_and_says_what_is_shown(portal, work):
    part = portal.get("usage", query="?meter=turns", **{"HX-Request": "true"})
    assert part.content.startswith(b'<div id="explorer"')
    assert b'id="said"' in part.content
    assert b'hx-swap-oob="innerHTML"' in part.content
    assert "HX-Request" in part["Vary"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?meter=unheard-of", "unheard-of is not one of the available choices"),
        ("?window=minute", "minute is not one of the available choices"),
        ("?split=colour", "colour is not one of the available choices"),
        ("?first=yesterday", "Enter a valid date."),
        ("?first=2026-11-12&last=2026-11-11", "The last day must not be before the first."),
        ("?first=2026-11-17&last=2026-11-18", "The first day lies in the future."),
        ("?window=hour&first=2026-10-01&last=2026-11-11", "Per hour, choose at most 31 days."),
        ("?window=day&first=2025-10-01&last=2026-11-11", "Per day, choose at most 366 days."),
        ("?first=0001-01-01&last=0001-01-02", "The first day must not be before 2000."),
        ("?first=2026-01-01&last=9999-12-31", "Per day, choose at most 366 days."),
        ("?first=9999-12-31&last=9999-12-31", "The first day lies in the future."),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_beside_its_field(portal, query, words):
    assert words in portal.text("usage", query=query, status=400)
    assert words in portal.text("usage-csv", query=query, status=400)


def test_a_meter_that_is_not_split_so_is_shown_as_a_whole_with_a_notice(portal, acme):
    text = portal.text("usage", query="?meter=seats&split=agent")
    assert "Seats cannot be split by agent; the whole is shown." in text


def test_a_name_that_a_spreadsheet_would_run_is_disarmed(portal, acme):
    stage.Work(acme).turns(utc(2026, 11, 10, 9), agent="=HYPERLINK(A1)")
    stage.count(NOW)
    [_, row] = sheet_of(portal.get("usage-csv", query="?meter=turns&split=agent"))
    assert row[3] == "'=HYPERLINK(A1)"


def test_a_name_with_markup_stays_text(portal, acme):
    stage.Work(acme).turns(utc(2026, 11, 10, 9), agent="</script><script>alert(1)</script>")
    stage.count(NOW)
    text = portal.text("usage", query="?meter=turns&split=agent")
    assert "<script>alert" not in text
    assert chart_of(text)["series"][0]["label"] == "</script><script>alert(1)</script>"
