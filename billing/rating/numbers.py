"""Exact numbers: how those of plans are read, what they are computed in, and how they are shown."""

import re
from decimal import Clamped, Context, Decimal, DivisionByZero, FloatOperation, Inexact, InvalidOperation, Overflow
from fractions import Fraction
from math import floor
from typing import Final, TypeVar

N = TypeVar("N", Decimal, Fraction)  # decimals are fast, and fractions hold what no decimal does

# Under this context decimals are exact or an error (Inexact), whereupon the same is computed in fractions.
EXACT: Final = Context(prec=80, traps=[Clamped, DivisionByZero, FloatOperation, Inexact, InvalidOperation, Overflow])

DIGITS: Final = 12  # after the point: prices of a millionth of a cent exist, and the columns hold as many
_PLAIN = re.compile(r"[0-9]{1,15}(\.([0-9]+))?\Z")


def decimal_of(value: object, *, digits: int = DIGITS) -> Decimal:
    """Read a decimal text that is not negative, of at most `digits` after the point.

    Raises ValueError saying what is wrong: numbers are refused, because a float has lost its digits before it is seen.
    """
    plain = _PLAIN.match(value) if isinstance(value, str) else None
    if plain is None or len(plain[2] or "") > digits:
        raise ValueError(
            f'must be a decimal in quotes, such as "0.25", of at most 15 digits before the point and {digits} after it,'
            f" not {value!r}"
        )
    return Decimal(plain[0])


def text_of(value: Fraction | Decimal) -> str:
    """Return a number without an exponent or trailing zeros; one without an end is rounded to twelve digits."""
    if isinstance(value, Decimal) and (text := _text_of_short(value)):
        return text
    scaled = floor(abs(Fraction(value)) * 10**DIGITS + Fraction(1, 2))
    whole, rest = divmod(scaled, 10**DIGITS)
    sign = "-" if value < 0 and scaled else ""
    return f"{sign}{whole}.{rest:0{DIGITS}}".rstrip("0").rstrip(".")


def plain(value: Fraction | Decimal) -> Decimal:
    """Return the number that `text_of` shows: for showing and storing, never for computing on."""
    if isinstance(value, Decimal) and value == (whole := int(value)):
        return Decimal(whole)
    return Decimal(text_of(value))


def exactly(value: Fraction | Decimal, number: type[N]) -> N:
    """Return a number as the kind asked for. Raises decimal.Inexact where no decimal holds a fraction."""
    if isinstance(value, number):
        return value
    if isinstance(value, Decimal):
        return number(value)
    return number(EXACT.divide(Decimal(value.numerator), Decimal(value.denominator)))


def _text_of_short(value: Decimal) -> str:
    """Return the text of a decimal that needs no rounding, and nothing for one that does: this is what prices are."""
    text = str(value)
    if text.isdigit():
        return text
    if "E" in text:
        text = f"{value:f}"
    whole, point, rest = text.partition(".")
    if len(rest) > DIGITS:
        return ""
    text = text.rstrip("0").rstrip(".") if point else whole
    return "0" if text == "-0" else text
