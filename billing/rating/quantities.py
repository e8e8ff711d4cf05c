"""From what a meter measured to what a price counts: conversion of units, rounding, allowance."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from types import MappingProxyType
from typing import Final

from billing.errors import RatingError


def _keep(quantity: Fraction) -> Fraction:
    return quantity


def _up(quantity: Fraction) -> Fraction:
    return Fraction(ceil(quantity))


def _down(quantity: Fraction) -> Fraction:
    return Fraction(floor(quantity))


def _half_up(quantity: Fraction) -> Fraction:
    return Fraction(floor(quantity + Fraction(1, 2)))


ROUNDINGS: Final[Mapping[str, Callable[[Fraction], Fraction]]] = MappingProxyType(
    {"none": _keep, "up": _up, "half_up": _half_up, "down": _down}
)


def convert(*, quantity: Fraction, divide_by: Decimal, period_seconds: Fraction | None = None) -> Fraction:
    """Return the quantity in the card's unit.

    With `period_seconds` (of the full period) an integral over time becomes a mean: seat-seconds become seats.
    """
    return quantity / Fraction(divide_by) / (1 if period_seconds is None else period_seconds)


def round_units(*, quantity: Fraction, rounding: str) -> Fraction:
    """Return the quantity in whole units, or as it is for "none". Raises RatingError for an unknown rounding."""
    if rounding not in ROUNDINGS:
        raise RatingError(f"{rounding!r} is not one of {', '.join(ROUNDINGS)}")
    return ROUNDINGS[rounding](quantity)


def exceed(*, quantity: Fraction, allowance: Decimal) -> Fraction:
    """Return what is left to pay for after the units included."""
    return max(quantity - Fraction(allowance), Fraction(0))
