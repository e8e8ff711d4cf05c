"""From what a meter measured to what a price counts: conversion of units, rounding."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from types import MappingProxyType
from typing import Final

from billing.errors import RatingError
from billing.rating.numbers import N

AS_IT_IS: Final = "none"
_HALF: Final = Fraction(1, 2)


def _down(quantity: Decimal | Fraction) -> int:
    return floor(quantity)


def _up(quantity: Decimal | Fraction) -> int:
    return ceil(quantity)


def _half_up(quantity: Decimal | Fraction) -> int:
    return floor(Fraction(quantity) + _HALF)


_WHOLE: Final[Mapping[str, Callable[[Decimal | Fraction], int]]] = MappingProxyType(
    {"up": _up, "half_up": _half_up, "down": _down}
)
ROUNDINGS: Final = (AS_IT_IS, *_WHOLE)


def convert(*, quantity: N, divide_by: Decimal, period_seconds: N | None = None) -> N:
    """Return the quantity in the card's unit. Raises decimal.Inexact under `numbers.EXACT` where no decimal holds it.

    With `period_seconds` (of the full period) an integral over time becomes a mean: seat-seconds become seats.
    """
    quantity = quantity / type(quantity)(divide_by)
    return quantity if period_seconds is None else quantity / period_seconds


def round_units(*, quantity: N, rounding: str) -> N:
    """Return the quantity in whole units, or as it is for "none". Raises RatingError for an unknown rounding."""
    if rounding == AS_IT_IS:
        return quantity
    if rounding not in _WHOLE:
        raise RatingError(f"{rounding!r} is not one of {', '.join(ROUNDINGS)}")
    return type(quantity)(_WHOLE[rounding](quantity))
