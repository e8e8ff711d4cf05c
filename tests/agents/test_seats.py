"""Seats: each change is an event, so that what was held is exact to the second."""

from datetime import timedelta
from decimal import Decimal

import pytest

from agents import seats
from agents.errors import SeatStateError
from metering import usage
from metering.fold import fold_all
from tests.factories import NOW, customer

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def held(owner, starts_at, ends_at):
    fold_all(now=NOW)
    return usage.quantity(customer_id=owner.pk, meter="seats", starts_at=starts_at, ends_at=ends_at)


def test_seat_seconds_are_what_was_held_in_the_period():
    acme = customer()
    seats.assign(customer=acme, key="a", holder="Ada", at=NOW - 5 * HOUR, now=NOW)
    second = seats.assign(customer=acme, key="b", holder="Bob", at=NOW - 2 * HOUR, now=NOW)
    seats.release(seat=second, at=NOW - HOUR, now=NOW)
    assert held(acme, NOW - 4 * HOUR, NOW) == Decimal(4 * 3600 + 3600)


def test_a_key_is_used_once_and_released_once():
    acme = customer()
    seat = seats.assign(customer=acme, key="a", holder="Ada", at=NOW - HOUR, now=NOW)
    with pytest.raises(SeatStateError):
        seats.assign(customer=acme, key="a", holder="Eve", at=NOW, now=NOW)
    seats.release(seat=seat, at=NOW, now=NOW)
    with pytest.raises(SeatStateError):
        seats.release(seat=seat, at=NOW, now=NOW)
    assert held(acme, NOW - 2 * HOUR, NOW) == 3600


def test_a_seat_cannot_be_released_before_it_was_assigned():
    seat = seats.assign(customer=customer(), key="a", holder="Ada", at=NOW, now=NOW)
    with pytest.raises(SeatStateError):
        seats.release(seat=seat, at=NOW - HOUR, now=NOW)
