"""Every published scenario is asked of our rating: equal, or different by a convention that is named."""

import pytest

from tests.oracle import money, tiers, time
from tests.oracle.book import BOOK, count, numbers_in, published

MODULES = (tiers, time, money)  # importing them writes the book
EXPECTED = {row["id"]: row["expected"] for row in published()}


def test_every_published_scenario_is_in_the_book_exactly_once():
    assert sorted(scenario.id for scenario in BOOK) == sorted(EXPECTED)
    assert len(EXPECTED) == len(published()) == 109


@pytest.mark.parametrize("scenario", BOOK, ids=lambda scenario: scenario.id)
def test_our_rating_gives_the_amounts_in_the_book(scenario):
    assert scenario.answer() == scenario.ours


@pytest.mark.parametrize("scenario", BOOK, ids=lambda scenario: scenario.id)
def test_the_book_says_what_is_published_and_why_ours_is_another(scenario):
    assert scenario.published
    assert {number.lstrip("-") for number in scenario.published} <= numbers_in(EXPECTED[scenario.id])
    assert (scenario.ours == scenario.published) == (not scenario.convention)


def test_the_counts_by_group_add_up():
    counts = count(BOOK)
    assert sum(equals + others for equals, others in counts.values()) == 109
    assert sum(others for _, others in counts.values()) == sum(1 for scenario in BOOK if scenario.convention)
